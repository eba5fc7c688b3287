"""ChatGPT's data export: `conversations.json` with one tree of messages per conversation, alone or in its zip.

The conversation is what its writer last saw: the thread that ends at `current_node`, without what the page hides.
An export is one person's; only the `user.json` beside it in the zip says whose.
"""

from __future__ import annotations

from typing import Any

from assets.conversations.loaders.base import (
    Fields,
    Parsed,
    RecordLoader,
    as_flag,
    as_metadata,
    as_name,
    as_record,
)
from assets.conversations.loaders.messages import ROLES, require_user
from assets.conversations.loaders.threads import Node, walk_thread
from assets.conversations.reading import UnreadableError

HIDDEN_CONTENT = frozenset({"thoughts", "reasoning_recap", "user_editable_context", "model_editable_context"})
VISIBLE_CHANNELS = (None, "final")
PART_MARKS = {"image": "[image]", "audio": "[audio]", "video": "[video]"}


class ChatGPTLoader(RecordLoader):
    """One conversation per record: `mapping` holds its messages by id, `current_node` the last one shown."""

    name = "chatgpt"
    description = "ChatGPT's data export: the zip, or its conversations.json"
    content_columns = frozenset(
        {"mapping", "current_node", "create_time", "update_time", "default_model_slug", "gizmo_id"}
    )

    def matches(self, record: dict[str, Any]) -> bool:
        """Whether there is a mapping of messages, with a current one or the times that exports have."""
        return isinstance(record.get("mapping"), dict) and (
            "current_node" in record or "create_time" in record
        )

    def parse(self, byte_offset: int, line: int, record: dict[str, Any], fields: Fields) -> Parsed:
        """The conversation along the thread to the current message."""
        nodes, leaf = record.get("mapping"), record.get("current_node")
        if nodes is None or leaf is None:
            raise UnreadableError("missing_field")
        messages = [
            message
            for node in walk_thread(as_record(nodes), leaf, lambda node: node.get("parent"))
            if (message := node.get("message")) is not None and _is_shown(as_record(message))
        ]
        spoken = [(_role(message), _text(message)) for message in messages]
        roles = [role for role, text in spoken if text.strip()]
        require_user(roles)
        gizmo = record.get("gizmo_id")
        return Parsed(
            byte_offset,
            line,
            roles,
            [text for _, text in spoken if text.strip()],
            fields.text(record, "id"),
            as_name(fields.unless_mapped(record, "user", fields.account)),
            fields.unless_mapped(record, "time", record.get("create_time")),
            fields.unless_mapped(record, "updated", record.get("update_time")),
            as_name(fields.unless_mapped(record, "model", _model(messages, record))),
            as_metadata(fields.unless_mapped(record, "metadata", gizmo and {"gizmo_id": gizmo})),
            flagged=as_flag(fields.get(record, "flag")),
        )


def _is_shown(message: Node) -> bool:
    """Whether the page shows a message: neither hidden, nor addressed to a tool, nor thought aloud."""
    metadata = message.get("metadata")
    if isinstance(metadata, dict) and metadata.get("is_visually_hidden_from_conversation") is True:
        return False
    content = message.get("content")
    kind = content.get("content_type") if isinstance(content, dict) else None
    return (
        message.get("weight") != 0
        and message.get("recipient", "all") in (None, "all")
        and message.get("channel") in VISIBLE_CHANNELS
        and not (isinstance(kind, str) and kind in HIDDEN_CONTENT)
    )


def _role(message: Node) -> str:
    role = as_record(message.get("author")).get("role")
    if not isinstance(role, str):
        raise UnreadableError("missing_field" if role is None else "wrong_type")
    if role not in ROLES:
        raise UnreadableError("unknown_role")
    return ROLES[role]


def _text(message: Node) -> str:
    """Text of a message: its parts joined, or what content of one piece holds. Raises UnreadableError."""
    content = message.get("content")
    if content is None:
        return ""
    parts = as_record(content).get("parts")
    if parts is None:
        parts = [content.get("text") or content.get("result") or ""]
    if not isinstance(parts, list):
        raise UnreadableError("wrong_type")
    return "\n".join(text for text in map(_part, parts) if text)


def _part(part: object) -> str:
    if part is None or isinstance(part, str):
        return part or ""
    if not isinstance(part, dict):
        raise UnreadableError("wrong_type")
    text, kind = part.get("text"), part.get("content_type")
    if isinstance(text, str):
        return text
    known = (mark for word, mark in PART_MARKS.items() if isinstance(kind, str) and word in kind)
    return next(known, "[file]")


def _model(messages: list[Node], record: dict[str, Any]) -> object:
    """The model of the first answer that names one, else the conversation's own."""
    described = (message.get("metadata") for message in messages)
    slugs = (metadata.get("model_slug") for metadata in described if isinstance(metadata, dict))
    return next((slug for slug in slugs if isinstance(slug, str)), record.get("default_model_slug"))
