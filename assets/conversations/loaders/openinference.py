"""OpenInference spans, as Phoenix and its instrumentations write them (semantic conventions of OpenInference).

Calls are spans of kind LLM; the others (CHAIN, TOOL, RETRIEVER, ...) belong to the trace of a call or are skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assets.conversations.loaders.base import as_record
from assets.conversations.loaders.exchange import read_exchange
from assets.conversations.loaders.histories import Messages
from assets.conversations.loaders.messages import read_messages
from assets.conversations.loaders.span_loader import SpanLoader
from assets.conversations.loaders.spans import (
    Attributes,
    Span,
    as_list,
    find,
    find_list,
    read_attributes,
)

KIND = "openinference.span.kind"
INPUT = "llm.input_messages"
OUTPUT = "llm.output_messages"


class OpenInferenceLoader(SpanLoader):
    """One span per row, or OTLP JSON; attributes flat, nested or as columns."""

    name = "openinference"
    description = "OpenInference spans of Phoenix: OTLP JSON, spans as JSON lines, or a data frame as Parquet"

    sessions = ("session.id",)
    users = ("user.id",)
    models = ("llm.model_name",)

    def is_ours(self, record: dict[str, Any]) -> bool:
        """Whether a span says of which kind it is."""
        return _kind(record, read_attributes(record)) is not None

    def call_of(self, record: dict[str, Any], span: Span) -> tuple[Callable[[], Messages], str | None] | None:
        """The call that a span of kind LLM is."""
        attributes = span.attributes
        return (lambda: _messages(attributes), None) if _kind(record, attributes) == "LLM" else None


def _kind(record: dict[str, Any], attributes: Attributes) -> str | None:
    kind = find(attributes, KIND) or (record.get("span_kind") if "parent_id" in record else None)
    return kind.upper() if isinstance(kind, str) else None


def _messages(attributes: Attributes) -> Messages:
    asked = [_message(entry) for entry in find_list(attributes, INPUT)]
    answered = [_message(entry) for entry in find_list(attributes, OUTPUT)]
    if asked and answered:
        return read_messages([*asked, *answered])
    first = read_messages(asked) if asked else read_exchange(find(attributes, "input.value"), None)
    last = read_messages(answered) if answered else read_exchange(None, find(attributes, "output.value"))
    return first[0] + last[0], first[1] + last[1]


def _message(entry: object) -> dict[str, Any]:
    """A message in OpenAI's shape. Raises UnreadableError."""
    message = as_record(as_record(entry).get("message", entry))
    content = message.get("content")
    if content is None:
        content = [_part(as_record(part)) for part in as_list(message.get("contents"))]
    calls = [as_record(call) for call in as_list(message.get("tool_calls"))]
    return {
        "role": message.get("role"),
        "content": content,
        "tool_calls": [call.get("tool_call", call) for call in calls],
    }


def _part(part: dict[str, Any]) -> dict[str, Any]:
    content = as_record(part.get("message_content", part))
    return {"type": content.get("type") or "text", "text": content.get("text")}
