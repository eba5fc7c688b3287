"""Anthropic's hh-rlhf: two transcripts per row; `chosen` is read."""

from __future__ import annotations

import re
from typing import Any

from assets.conversations.loaders.base import Fields, Parsed, RecordLoader
from assets.conversations.loaders.messages import require_user
from assets.conversations.reading import UnreadableError

# A turn starts on a line of its own after a blank one. "Human:" anywhere else is text, if only because
# nothing tells a quoted transcript from a turn that its writer ran on to.
TURN = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant):")
ROLES = {"Human": "user", "Assistant": "assistant"}


class HhRlhfLoader(RecordLoader):
    """One transcript per record. The data names no ids, users, times or models."""

    name = "hh-rlhf"
    description = "hh-rlhf: the `chosen` transcript, cut at its Human: and Assistant: turns"
    content_columns = frozenset({"chosen"})

    def matches(self, record: dict[str, Any]) -> bool:
        """Whether there is a transcript under `chosen`."""
        chosen = record.get("chosen")
        return isinstance(chosen, str) and TURN.match(chosen) is not None

    def parse(self, byte_offset: int, line: int, record: dict[str, Any], fields: Fields) -> Parsed:
        """The conversation of one record."""
        roles, contents = split_transcript(record.get("chosen"))
        require_user(roles)
        return Parsed(byte_offset, line, roles, contents, **fields.envelope(record))


def split_transcript(transcript: object) -> tuple[list[str], list[str]]:
    """Roles and contents of the turns that hold text. Raises UnreadableError."""
    if not isinstance(transcript, str):
        raise UnreadableError("missing_field" if transcript is None else "wrong_type")
    before, *turns = TURN.split(transcript)
    if before.strip() or not turns:
        raise UnreadableError("no_messages")
    spoken = [(ROLES[name], text.strip()) for name, text in zip(turns[::2], turns[1::2], strict=True)]
    return [role for role, text in spoken if text], [text for _, text in spoken if text]
