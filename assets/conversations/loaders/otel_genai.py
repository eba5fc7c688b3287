"""OpenTelemetry's spans and events of generative AI (semantic conventions `gen_ai.*`, before and since 1.37)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assets.conversations.loaders.base import as_record
from assets.conversations.loaders.exchange import find_messages
from assets.conversations.loaders.histories import Messages
from assets.conversations.loaders.messages import ATTACHMENTS, REASONING_PARTS, as_json, read_messages
from assets.conversations.loaders.span_loader import SpanLoader
from assets.conversations.loaders.spans import (
    Attributes,
    Span,
    find,
    find_list,
    parse_text,
    read_attributes,
)
from assets.conversations.reading import UnreadableError

CALLS = frozenset({"chat", "text_completion", "generate_content"})
INPUT, OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"
INSTRUCTIONS = "gen_ai.system_instructions"
EVENT_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
    "gen_ai.content.prompt": "user",
    "gen_ai.content.completion": "assistant",
}
INDEXED = ("gen_ai.prompt.0.role", "gen_ai.prompt.0.content")
EVENT_TEXTS = {"gen_ai.content.prompt": "gen_ai.prompt", "gen_ai.content.completion": "gen_ai.completion"}


class OtelGenAiLoader(SpanLoader):
    """One span or log record per row, or OTLP JSON. Calls are spans with messages, in attributes or events."""

    name = "otel-genai"
    description = "OpenTelemetry gen_ai spans and events: OTLP JSON, or spans as JSON lines"

    sessions = ("gen_ai.conversation.id", "session.id")
    users = ("user.id", "enduser.id", "gen_ai.user.id")
    models = ("gen_ai.request.model", "gen_ai.response.model")

    def is_ours(self, record: dict[str, Any]) -> bool:
        """Whether a span or record has an attribute or a name of generative AI."""
        return _is_ours(record)

    def call_of(self, record: dict[str, Any], span: Span) -> tuple[Callable[[], Messages], str | None] | None:
        """The call that a span is, or the message of one that a log record is."""
        name = find(span.attributes, "event.name") or span.name
        if isinstance(name, str) and name in EVENT_ROLES:
            return lambda: read_messages(_event(name, span.body, span.attributes)), span.span or ""
        return (lambda: _messages(span), None) if _is_call(span) else None


def _is_ours(record: dict[str, Any]) -> bool:
    attributes = read_attributes(record)
    names = (
        record.get("name"),
        record.get("eventName"),
        record.get("event_name"),
        attributes.get("event.name"),
    )
    named = any(isinstance(name, str) and name in EVENT_ROLES for name in names)
    return named or "gen_ai" in attributes or any(name.startswith("gen_ai.") for name in attributes)


def _is_call(span: Span) -> bool:
    attributes = span.attributes
    return (
        any(find(attributes, name) is not None for name in (INPUT, OUTPUT))
        or find(attributes, "gen_ai.operation.name") in CALLS
        or any(name in attributes for name in INDEXED)
        or any(_told_by(event) is not None for event in span.events)
    )


def _messages(span: Span) -> Messages:
    """What a call's span says was said: its attributes, else its events, else attributes by index."""
    attributes = span.attributes
    asked, answered = find_list(attributes, INPUT), find_list(attributes, OUTPUT)
    if asked or answered:
        system = {"role": "system", "parts": _instructions(attributes)}
        return read_messages([_message(message) for message in [system, *asked, *answered]])
    told = [message for event in span.events for message in _inner_event(event)]
    if told:
        return read_messages(told)
    return read_messages(
        [*find_list(attributes, "gen_ai.prompt"), *find_list(attributes, "gen_ai.completion")]
    )


def _instructions(attributes: Attributes) -> list[Any]:
    """Parts of the system's instructions, which may also be one text."""
    given = find(attributes, INSTRUCTIONS)
    if isinstance(given, str) and not given.lstrip().startswith("["):
        return [given]
    return find_list(attributes, INSTRUCTIONS)


def _message(message: object) -> dict[str, Any]:
    """A message in parts as role and content. Raises UnreadableError."""
    found = as_record(message)
    parts = found.get("parts")
    if parts is None:
        return found
    if not isinstance(parts, list):
        raise UnreadableError("wrong_type")
    return {"role": found.get("role"), "content": [_part(part) for part in parts]}


def _part(part: object) -> object:
    """A part in the shape of the parts of chat messages. Raises UnreadableError."""
    if isinstance(part, str):
        return part
    given = as_record(part)
    kind = given.get("type")
    if kind == "text":
        return {"type": "text", "text": given.get("content")}
    if kind == "tool_call":
        return {"type": "tool_use", "name": given.get("name"), "input": given.get("arguments")}
    if kind == "tool_call_response":
        answer = given.get("response", given.get("result"))
        return {"type": "text", "text": answer if isinstance(answer, str) else as_json(answer)}
    if isinstance(kind, str) and kind in REASONING_PARTS:
        return {"type": kind}
    modality = given.get("modality")
    return {"type": modality if isinstance(modality, str) and modality in ATTACHMENTS else "file"}


def _told_by(event: object) -> str | None:
    """Name of an event that is a message."""
    name = event.get("name") if isinstance(event, dict) else None
    return name if isinstance(name, str) and name in EVENT_ROLES else None


def _inner_event(event: Any) -> list[dict[str, Any]]:
    name = _told_by(event)
    if name is None:
        return []
    attributes = read_attributes({"attributes": event.get("attributes")})
    return _event(name, parse_text(attributes.get("gen_ai.event.content", event.get("body"))), attributes)


def _event(name: str, body: Any, attributes: Attributes) -> list[dict[str, Any]]:
    """The messages that an event of the older conventions is; without a body they lie in its attributes."""
    role = EVENT_ROLES[name]
    if name in EVENT_TEXTS:
        return find_messages(attributes.get(EVENT_TEXTS[name]), role)
    held = attributes if body is None else body
    if name == "gen_ai.choice" and isinstance(held, dict):
        held = held.get("message", held)
    if isinstance(held, str):
        return find_messages(held, role)
    found = as_record(held)
    calls = parse_text(found.get("tool_calls"))
    return [{"role": found.get("role") or role, "content": found.get("content"), "tool_calls": calls}]
