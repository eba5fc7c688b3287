"""WildChat and LMSYS-Chat-1M, as their Parquet releases have them: one conversation per row."""

from __future__ import annotations

from typing import Any

from assets.conversations.loaders.base import (
    Fields,
    Parsed,
    RecordLoader,
    any_flagged,
    as_flag,
    as_metadata,
    as_name,
)
from assets.conversations.loaders.messages import read_messages, require_user


class WildChatLoader(RecordLoader):
    """WildChat, both versions. The user is the hashed address of the first turn, else that of the row.

    The first version (`conversation_id`, no hashed address) has no users. A row's own time is that of its
    last turn, so the conversation starts at its first turn's time where turns have one. It is flagged where
    the release says `toxic`, else where a moderation result does.
    """

    name = "wildchat"
    description = (
        "WildChat Parquet (both versions): conversation, conversation_hash or conversation_id, timestamp"
    )
    content_columns = frozenset(
        {
            "conversation",
            "conversation_hash",
            "timestamp",
            "language",
            "hashed_ip",
            "toxic",
            "openai_moderation",
        }
    )

    def matches(self, record: dict[str, Any]) -> bool:
        """Whether there is a conversation with a hash, or with an id and a time."""
        known = "conversation_hash" in record or ("conversation_id" in record and "timestamp" in record)
        return known and isinstance(record.get("conversation"), list)

    def parse(self, byte_offset: int, line: int, record: dict[str, Any], fields: Fields) -> Parsed:
        """The conversation of one record."""
        turns = record.get("conversation")
        roles, contents = read_messages(turns)
        require_user(roles)
        first = next((turn for turn in turns or [] if turn.get("role") == "user"), {})
        ended = record.get("timestamp")
        usual = {
            "id": record.get("conversation_hash") or record.get("conversation_id"),
            "user": first.get("hashed_ip") or record.get("hashed_ip"),
            "time": first.get("timestamp") or ended,
            "updated": ended,
            "metadata": {"language": record.get("language")},
            "flag": _flag(record),
        }
        found = {field: fields.unless_mapped(record, field, value) for field, value in usual.items()}
        return Parsed(
            byte_offset,
            line,
            roles,
            contents,
            as_name(found["id"]),
            as_name(found["user"]),
            found["time"],
            found["updated"],
            fields.text(record, "model"),
            as_metadata(found["metadata"]),
            flagged=as_flag(found["flag"]),
        )


def _flag(record: dict[str, Any]) -> bool | None:
    """What the release itself says of a conversation."""
    toxic = record.get("toxic")
    return toxic if isinstance(toxic, bool) else any_flagged(record.get("openai_moderation"))


class LmsysLoader(RecordLoader):
    """LMSYS-Chat-1M. It names neither users nor times; it is flagged where a moderation result says so."""

    name = "lmsys"
    description = "LMSYS-Chat-1M Parquet: conversation_id, model, conversation (no users, no times)"
    content_columns = frozenset({"conversation", "conversation_id", "model", "language", "openai_moderation"})

    def matches(self, record: dict[str, Any]) -> bool:
        """Whether there is a conversation with an id and a model, and no time."""
        known = (
            "conversation_id" in record and "timestamp" not in record and "conversation_hash" not in record
        )
        return known and isinstance(record.get("conversation"), list)

    def parse(self, byte_offset: int, line: int, record: dict[str, Any], fields: Fields) -> Parsed:
        """The conversation of one record."""
        roles, contents = read_messages(record.get("conversation"))
        require_user(roles)
        found: dict[str, Any] = fields.envelope(record) | {
            "metadata": as_metadata(
                fields.unless_mapped(record, "metadata", {"language": record.get("language")})
            ),
            "flagged": as_flag(fields.unless_mapped(record, "flag", _flag(record))),
        }
        return Parsed(byte_offset, line, roles, contents, **found)
