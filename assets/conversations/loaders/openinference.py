"""OpenInference spans, as Phoenix and its instrumentations write them (semantic conventions of OpenInference).

Calls are spans of kind LLM; the others (CHAIN, TOOL, RETRIEVER, ...) belong to the trace of a call or are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assets.conversations.loaders.base import Fields, as_metadata, as_name, as_record
from assets.conversations.loaders.exchange import read_exchange
from assets.conversations.loaders.histories import Messages
from assets.conversations.loaders.messages import read_messages
from assets.conversations.loaders.spans import (
    Attributes,
    as_list,
    expand_otlp,
    find,
    find_list,
    read_attributes,
    read_span,
)
from assets.conversations.loaders.traces import Call, Piece, TraceLoader, read_call
from assets.conversations.reading import Row, UnreadableError
from assets.conversations.timestamps import as_instant

KIND = "openinference.span.kind"
INPUT = "llm.input_messages"
OUTPUT = "llm.output_messages"


class OpenInferenceLoader(TraceLoader):
    """One span per row, or OTLP JSON; attributes flat, nested or as columns."""

    name = "openinference"
    description = "OpenInference spans of Phoenix: OTLP JSON, spans as JSON lines, or a data frame as Parquet"

    def matches(self, record: dict[str, Any]) -> bool:
        """Whether a span says of which kind it is, as OpenInference does."""
        try:
            spans = list(expand_otlp(Row(0, 0, record))) or [Row(0, 0, record)]
            return any(_kind(span.value, read_attributes(span.value)) is not None for span in spans)
        except (UnreadableError, RecursionError):
            return False

    def expand(self, row: Row) -> Iterator[Row]:
        """The spans of an OTLP row."""
        return expand_otlp(row)

    def facts(self, record: dict[str, Any]) -> Attributes:
        """Attributes of the span."""
        return read_attributes(record)

    def describe(self, record: dict[str, Any], fields: Fields) -> Piece:
        """The call that a span of kind LLM is, and whose session it belongs to."""
        span = read_span(record)
        attributes = span.attributes
        session = as_name(fields.unless_mapped(attributes, "id", find(attributes, "session.id")))
        user = as_name(fields.unless_mapped(attributes, "user", find(attributes, "user.id")))
        if _kind(record, attributes) != "LLM":
            return Piece(span.trace, session, user)
        started = fields.unless_mapped(attributes, "time", span.start)
        call = Call(
            ([], []),
            as_instant(started),
            1,
            started,
            fields.unless_mapped(attributes, "updated", span.end),
            as_name(fields.unless_mapped(attributes, "model", find(attributes, "llm.model_name"))),
            as_metadata(fields.unless_mapped(attributes, "metadata", find(attributes, "metadata"))),
        )
        return Piece(span.trace, session, user, *read_call(call, lambda: _messages(attributes)))


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
