"""What went into a model and what came out of it, as tracing tools keep them: any JSON, or its text."""

from __future__ import annotations

from typing import Any

import orjson

from assets.conversations.loaders.histories import Messages
from assets.conversations.loaders.messages import (
    ATTACHMENTS,
    REASONING_PARTS,
    ROLES,
    TEXT_PARTS,
    as_json,
    read_messages,
)

ASKED = ("messages", "contents", "prompt", "input", "query", "question", "text")
ANSWERED = ("messages", "output", "completion", "response", "answer", "text")
INSTRUCTIONS = ("system", "instructions")
PARTS = frozenset(TEXT_PARTS) | frozenset(ATTACHMENTS) | REASONING_PARTS | {"tool_use", "tool_result"}
MAX_DEPTH = 4

Message = dict[str, Any]


def read_exchange(asked: object, answered: object) -> Messages:
    """Roles and contents of a call from its input and its output. Raises UnreadableError.

    Messages are found in the shapes of OpenAI (chat and responses), Anthropic, Gemini and LangChain; a text is the
    user's or the assistant's; any other JSON stands as the text that it is.
    """
    return read_messages([*find_messages(asked, "user"), *find_messages(answered, "assistant")])


def find_messages(value: object, role: str, depth: int = 0) -> list[Message]:
    """Messages with role and content; `role` is whose text it is that says nothing itself."""
    text = value if isinstance(value, str) else None
    if text is not None:
        value = _embedded(text)
    if value is None or value in ({}, []):
        return []
    if depth < MAX_DEPTH:
        found = _in_list(value, role, depth) if isinstance(value, list) else None
        found = _in_object(value, role, depth) if isinstance(value, dict) else found
        if found is not None:
            return found
    if text is None:
        text = value if isinstance(value, str) else as_json(value)
    return [{"role": role, "content": text}]


def _embedded(text: str) -> object:
    """The JSON that a text is; the text itself where it is none."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _in_list(items: list[Any], role: str, depth: int) -> list[Message] | None:
    if len(items) == 1 and isinstance(items[0], list):
        return find_messages(items[0], role, depth + 1)
    if not all(isinstance(item, dict) for item in items):
        return None
    if all(item.get("type") in PARTS for item in items if isinstance(item.get("type", ""), str)) and all(
        "role" not in item for item in items
    ):
        return [{"role": role, "content": items}]
    messages = [_message(item) for item in items]
    return None if None in messages else [message for message in messages if message]


def _in_object(value: Message, role: str, depth: int) -> list[Message] | None:
    choices = value.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return find_messages(choices[0].get("message", choices[0].get("text")), role, depth + 1)
    message = _message(value)
    if message is not None:
        return [message] if message else []
    for key in ASKED if role == "user" else ANSWERED:
        if value.get(key) is not None:
            system = next((value[name] for name in INSTRUCTIONS if value.get(name)), None)
            return [*find_messages(system, "system", depth + 1), *find_messages(value[key], role, depth + 1)]
    content = value.get("content", value.get("parts"))
    return None if content is None else [{**value, "role": role, "content": content}]


def _message(item: Message) -> Message | None:
    """A message as role and content, {} where it is only thinking, None where it is no message."""
    kind, inner = item.get("type"), item.get("kwargs")
    if isinstance(inner, dict):
        names = item.get("id")
        named = names[-1] if isinstance(names, list) and names else ""
        kind = named.removesuffix("Chunk").removesuffix("Message").lower() if isinstance(named, str) else None
        item = {"type": kind, **inner}
    if kind == "reasoning":
        return {}
    if kind == "function_call":
        return {"role": "assistant", "content": None, "tool_calls": [item]}
    if kind == "function_call_output":
        return {"role": "tool", "content": item.get("output")}
    role = item.get("role") or item.get("from")
    if role is None and isinstance(kind, str) and kind.lower() in ROLES:
        role = kind
    if role is None:
        return None
    return {**item, "role": role, "content": item.get("content", item.get("parts", item.get("value")))}
