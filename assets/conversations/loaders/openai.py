"""Chat messages as OpenAI's interfaces take them: `{"messages": [{"role": ..., "content": ...}]}`."""

from __future__ import annotations

from typing import Any

from assets.conversations.loaders.base import AROUND, Fields, Parsed, RecordLoader
from assets.conversations.loaders.messages import read_messages, require_user


class OpenAILoader(RecordLoader):
    """One conversation per record, under `messages`; everything around it under its usual names."""

    name = "openai"
    description = "OpenAI chat messages: {messages: [{role, content}]}"
    mappable = AROUND | {"messages"}
    content_columns = frozenset({"messages"})

    def matches(self, record: dict[str, Any]) -> bool:
        """Whether there is a list of messages."""
        return isinstance(record.get("messages"), list)

    def parse(self, byte_offset: int, line: int, record: dict[str, Any], fields: Fields) -> Parsed:
        """The conversation of one record."""
        roles, contents = read_messages(fields.get(record, "messages"))
        require_user(roles)
        return Parsed(byte_offset, line, roles, contents, **fields.envelope(record))
