"""Chat messages in the shapes that tools write them, as roles and plain text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from assets.conversations.reading import UnreadableError

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "ai": "assistant",
    "model": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "claude": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "function_response": "tool",
    "tool_response": "tool",
    "tool_result": "tool",
    "observation": "tool",
    "ipython": "tool",
}
TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
ATTACHMENTS = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "audio": "audio",
    "input_audio": "audio",
    "video": "video",
    "video_url": "video",
    "file": "file",
    "input_file": "file",
    "document": "file",
}
REASONING_PARTS = frozenset({"thinking", "redacted_thinking", "reasoning"})


def read_messages(messages: object) -> tuple[list[str], list[str]]:
    """Roles and contents of the messages that hold text; a tool call counts as text of the assistant.

    Takes role/content and from/value messages. Raises UnreadableError.
    """
    if not isinstance(messages, list):
        raise UnreadableError("missing_field" if messages is None else "wrong_type")
    roles: list[str] = []
    contents: list[str] = []
    for message in messages:
        if not isinstance(message, dict):
            raise UnreadableError("wrong_type")
        role = message.get("role")
        content = message.get("content")
        if role is None:
            role, content = message.get("from"), message.get("value", content)
        role = ROLES.get(role) if type(role) is str else None
        if role is None:
            role = read_role(message)
        if type(content) is not str or "tool_calls" in message or "function_call" in message:
            content = render(message, content)
        if content and not content.isspace():
            roles.append(role)
            contents.append(content)
    return roles, contents


def read_role(message: dict[str, Any]) -> str:
    """The role of a message written in an unusual way. Raises UnreadableError where it is none we know."""
    for key in ("role", "from"):
        role = message.get(key)
        if role is not None:
            if not isinstance(role, str):
                raise UnreadableError("wrong_type")
            known = ROLES.get(role.strip().lower())
            if known is None:
                raise UnreadableError("unknown_role")
            return known
    raise UnreadableError("missing_field")


def require_user(roles: list[str]) -> None:
    """Raise UnreadableError unless a user says something."""
    if "user" not in roles:
        raise UnreadableError("no_user_message" if roles else "no_messages")


def render(message: dict[str, Any], content: object) -> str:
    """Text of a message with content in parts, without any, or with tool calls. Raises UnreadableError."""
    pieces = list(_content_pieces(content))
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise UnreadableError("wrong_type")
    if message.get("function_call"):
        calls = [*calls, message["function_call"]]
    pieces += [_render_call(call) for call in calls]
    return "\n".join(piece for piece in pieces if piece)


def _content_pieces(content: object) -> Iterable[str]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (content,)
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise UnreadableError("wrong_type")
    return [_render_part(part) for part in content]


def _render_part(part: object) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise UnreadableError("wrong_type")
    kind = part.get("type", "text")
    if not isinstance(kind, str):
        raise UnreadableError("wrong_type")
    if kind in REASONING_PARTS:
        return ""
    if kind == "tool_use":
        return _render_call({"name": part.get("name"), "arguments": part.get("input")})
    if kind == "tool_result":
        return "\n".join(_content_pieces(part.get("content")))
    if kind not in TEXT_PARTS:
        return f"[{ATTACHMENTS.get(kind, 'attachment')}]"
    text = part.get(TEXT_PARTS[kind])
    if text is not None and not isinstance(text, str):
        raise UnreadableError("wrong_type")
    return text or ""


def _render_call(call: object) -> str:
    if not isinstance(call, dict):
        raise UnreadableError("wrong_type")
    function = call.get("function", call)
    if not isinstance(function, dict):
        raise UnreadableError("wrong_type")
    name, arguments = function.get("name"), function.get("arguments")
    if not isinstance(arguments, str):
        arguments = "" if arguments is None else as_json(arguments)
    return f"[tool call] {name if isinstance(name, str) else 'unnamed'}({arguments})"


def as_json(value: object) -> str:
    """A value as compact JSON text. Raises UnreadableError."""
    try:
        return orjson.dumps(value, default=str).decode()
    except (orjson.JSONEncodeError, RecursionError):
        raise UnreadableError("wrong_type") from None
