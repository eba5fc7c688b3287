"""ShareGPT: `{"conversations": [{"from": "human", "value": ...}]}`, also with role and content."""

from __future__ import annotations

from typing import Any

from assets.conversations.loaders.base import Fields, Parsed, RecordLoader
from assets.conversations.loaders.messages import read_messages, require_user


class ShareGPTLoader(RecordLoader):
    """One conversation per record, under `conversations` or `items`; a `system` text may stand beside it."""

    name = "sharegpt"
    description = "ShareGPT: {conversations: [{from, value}]}, as JSON array or JSON lines"
    content_columns = frozenset({"conversations", "items", "system"})

    def matches(self, record: dict[str, Any]) -> bool:
        """Whether there is a list of turns."""
        turns = record.get("conversations", record.get("items"))
        return isinstance(turns, list) and all(
            isinstance(turn, dict) and ("from" in turn or "role" in turn) for turn in turns
        )

    def parse(self, byte_offset: int, line: int, record: dict[str, Any], fields: Fields) -> Parsed:
        """The conversation of one record."""
        roles, contents = read_messages(record.get("conversations", record.get("items")))
        system = record.get("system")
        if isinstance(system, str) and system.strip() and "system" not in roles:
            roles, contents = ["system", *roles], [system, *contents]
        require_user(roles)
        return Parsed(byte_offset, line, roles, contents, **fields.envelope(record))
