"""What formats of spans share: attributes by dotted name, and which of them say whose session a span belongs to."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from assets.conversations.loaders.base import Fields
from assets.conversations.loaders.histories import Messages
from assets.conversations.loaders.sessions import Piece
from assets.conversations.loaders.spans import (
    Attributes,
    Span,
    expand_otlp,
    find_first,
    read_attributes,
    read_span,
)
from assets.conversations.loaders.traces import TraceLoader, Usual, piece_of, with_call
from assets.conversations.reading import Row, UnreadableError


class SpanLoader(TraceLoader):
    """A format of spans by conventions: a subclass names attributes, first choice first, and tells calls from others."""

    sessions: ClassVar[tuple[str, ...]]
    users: ClassVar[tuple[str, ...]]
    models: ClassVar[tuple[str, ...]]

    @abstractmethod
    def is_ours(self, record: dict[str, Any]) -> bool:
        """Whether one span or log record follows the conventions. Raises UnreadableError."""

    @abstractmethod
    def call_of(self, record: dict[str, Any], span: Span) -> tuple[Callable[[], Messages], str | None] | None:
        """How to read the messages of a call, and the call of which the record is one message; None for no call."""

    def matches(self, record: dict[str, Any]) -> bool:
        """Whether a row holds a span or log record that follows the conventions."""
        try:
            spans = list(expand_otlp(Row(0, 0, record))) or [Row(0, 0, record)]
            return any(self.is_ours(span.value) for span in spans)
        except (UnreadableError, RecursionError):
            return False

    def expand(self, row: Row) -> Iterator[Row]:
        """The spans and log records of an OTLP row."""
        return expand_otlp(row)

    def facts(self, record: dict[str, Any]) -> Attributes:
        """Attributes of the span."""
        return read_attributes(record)

    def describe(self, record: dict[str, Any], fields: Fields) -> Piece:
        """The call or the message of one that a span or record is, and whose session it belongs to."""
        span = read_span(record)
        attributes = span.attributes
        usual = Usual(
            find_first(attributes, self.sessions),
            find_first(attributes, self.users),
            span.start,
            span.end,
            find_first(attributes, self.models),
            find_first(attributes, ("metadata",)),
        )
        piece = piece_of(span.trace, attributes, fields, usual)
        call = self.call_of(record, span)
        if call is None:
            return piece
        read, part_of = call
        return with_call(piece._replace(part_of=part_of), attributes, fields, usual, read)
