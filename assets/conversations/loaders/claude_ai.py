"""Claude.ai's data export: `conversations.json` (an array, or JSON lines), alone or in its zip with `users.json`."""

from __future__ import annotations

from typing import Any

from assets.conversations.loaders.base import Fields, Parsed, RecordLoader, as_name, as_record
from assets.conversations.loaders.messages import ATTACHMENTS, TEXT_PARTS, read_role, render, require_user
from assets.conversations.loaders.threads import Node, walk_thread
from assets.conversations.reading import UnreadableError

# The parent of first messages: an id that no message has.
NO_PARENT = "00000000-0000-4000-8000-000000000000"
TOOLS = ("tool_use", "tool_result")


class ClaudeAiLoader(RecordLoader):
    """One conversation per record: `chat_messages`, of which only the thread to the current leaf is read."""

    name = "claude-ai"
    description = "Claude.ai's data export: the zip, or its conversations.json"
    content_columns = frozenset(
        {"uuid", "chat_messages", "created_at", "updated_at", "account", "current_leaf_message_uuid"}
    )

    def matches(self, record: dict[str, Any]) -> bool:
        """Whether there are chat messages under an id."""
        return isinstance(record.get("chat_messages"), list) and "uuid" in record

    def parse(self, byte_offset: int, line: int, record: dict[str, Any], fields: Fields) -> Parsed:
        """The conversation of one record."""
        spoken = [(_role(message), _text(message)) for message in _thread(record)]
        roles = [role for role, text in spoken if text]
        require_user(roles)
        account = record.get("account")
        owner = account.get("uuid") if isinstance(account, dict) else account
        found: dict[str, Any] = fields.envelope(record) | {
            "conversation_id": as_name(fields.unless_mapped(record, "id", record.get("uuid"))),
            "user": as_name(fields.unless_mapped(record, "user", owner or fields.account)),
        }
        return Parsed(byte_offset, line, roles, [text for _, text in spoken if text], **found)


def _thread(record: dict[str, Any]) -> list[Node]:
    """Messages in order: along the parents from the current leaf, or as they stand where no leaf is named."""
    messages = record.get("chat_messages")
    if not isinstance(messages, list):
        raise UnreadableError("missing_field" if messages is None else "wrong_type")
    leaf = record.get("current_leaf_message_uuid")
    if leaf is None:
        return [as_record(message) for message in messages]
    nodes = {}
    for message in messages:
        identity = as_record(message).get("uuid")
        if not isinstance(identity, str):
            raise UnreadableError("missing_field" if identity is None else "wrong_type")
        nodes[identity] = message
    return walk_thread(nodes, leaf, _parent)


def _parent(message: Node) -> object:
    parent = message.get("parent_message_uuid")
    return None if parent == NO_PARENT else parent


def _role(message: Node) -> str:
    return read_role({"role": message.get("sender")})


def _text(message: Node) -> str:
    """What was said and what was pasted with it. Blocks go first: beside them, `text` names what it cannot show."""
    blocks, text = message.get("content"), message.get("text")
    said = render({}, [block for block in blocks if _is_said(block)] if isinstance(blocks, list) else blocks)
    if not said.strip():
        said = render({}, text)
    attached = [_pasted(attachment) for attachment in _list(message, "attachments")]
    files = [
        "[image]" if as_record(file).get("file_kind") == "image" else "[file]"
        for file in _list(message, "files")
    ]
    pieces = [said, *attached, *files]
    return "\n".join(piece for piece in pieces if piece.strip())


def _is_said(block: object) -> bool:
    """Whether a block is part of the conversation; thinking, budgets and flags are the page's own."""
    kind = block.get("type", "text") if isinstance(block, dict) else "text"
    return not isinstance(kind, str) or kind in TOOLS or kind in TEXT_PARTS or kind in ATTACHMENTS


def _pasted(attachment: object) -> str:
    """Long pastes and documents become attachments; their text is part of what the person sent."""
    text = as_record(attachment).get("extracted_content")
    return f"[file]\n{text}" if isinstance(text, str) and text.strip() else "[file]"


def _list(message: Node, key: str) -> list[Any]:
    value = message.get(key)
    if value is not None and not isinstance(value, list):
        raise UnreadableError("wrong_type")
    return value or []
