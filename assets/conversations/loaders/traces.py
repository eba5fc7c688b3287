"""What formats of traces share: rows are spans, of which some are calls of a model; one conversation per session."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

from assets.conversations.loaders.base import (
    AROUND,
    Fields,
    Outcome,
    Plain,
    as_flag,
    as_metadata,
    as_name,
    as_record,
)
from assets.conversations.loaders.histories import Messages
from assets.conversations.loaders.sessions import Call, HeldTraces, Piece
from assets.conversations.reading import Fault, Row, UnreadableError
from assets.conversations.timestamps import as_instant
from schemas.conversations import Reason

# Traces are held until the file ends or this is reached; then those not met for longest are finished.
MAX_HELD_CHARACTERS = 32_000_000
SAMPLED_ROWS = 1_000


class Usual(NamedTuple):
    """What a format itself says around a call, each of which `--map` may replace."""

    session: Any
    user: Any
    start: Any
    end: Any
    model: Any
    metadata: Any


class TraceLoader(ABC):
    """A format of spans: a subclass says what one row is. Rows of a session may lie apart in the file."""

    name: ClassVar[str]
    description: ClassVar[str]
    plain: Plain = None
    sampled_rows: int = SAMPLED_ROWS
    mappable: frozenset[str] = AROUND
    max_held_characters = MAX_HELD_CHARACTERS

    def columns(self, fields: Fields) -> frozenset[str] | None:
        """All of them, since attributes may be columns of their own."""
        return None

    @abstractmethod
    def matches(self, record: dict[str, Any]) -> bool:
        """Whether a record looks like this format."""

    @abstractmethod
    def expand(self, row: Row) -> Iterator[Row]:
        """The spans of a row that holds several, each at its place. Raises UnreadableError."""

    @abstractmethod
    def facts(self, record: dict[str, Any]) -> dict[str, Any]:
        """What a mapped column is looked up in. Raises UnreadableError."""

    @abstractmethod
    def describe(self, record: dict[str, Any], fields: Fields) -> Piece:
        """What one span says. Raises UnreadableError where it cannot be told whose it is."""

    def records(self, rows: Iterable[Row | Fault]) -> Iterator[dict[str, Any]]:
        """What mapped columns are looked up in, of every row that can be read."""
        for row in self._spans(rows):
            try:
                if isinstance(row, Row):
                    yield self.facts(as_record(row.value))
            except (UnreadableError, RecursionError):
                continue

    def read(self, rows: Iterable[Row | Fault], fields: Fields) -> Iterator[Outcome]:
        """One conversation per session, or per trace where no session is named."""
        held = HeldTraces(self.max_held_characters)
        for row in self._spans(rows):
            if isinstance(row, Fault):
                yield row
                continue
            try:
                piece = self.describe(as_record(row.value), fields)
            except UnreadableError as error:
                yield Fault(row.byte_offset, row.line, error.reason)
            except RecursionError:
                yield Fault(row.byte_offset, row.line, "wrong_type")
            else:
                yield from held.add(row, piece)
        yield from held.finish()

    def _spans(self, rows: Iterable[Row | Fault]) -> Iterator[Row | Fault]:
        for row in rows:
            if isinstance(row, Fault):
                yield row
                continue
            try:
                spans = list(self.expand(row))
            except UnreadableError as error:
                yield Fault(row.byte_offset, row.line, error.reason)
            except RecursionError:
                yield Fault(row.byte_offset, row.line, "wrong_type")
            else:
                yield from spans or [row]


def piece_of(trace: str | None, facts: dict[str, Any], fields: Fields, usual: Usual) -> Piece:
    """Whose session a row belongs to and what was flagged in it, without a call. Raises UnreadableError."""
    return Piece(
        trace,
        as_name(fields.unless_mapped(facts, "id", usual.session)),
        as_name(fields.unless_mapped(facts, "user", usual.user)),
        flagged=as_flag(fields.get(facts, "flag")),
    )


def with_call(
    piece: Piece,
    facts: dict[str, Any],
    fields: Fields,
    usual: Usual,
    read: Callable[[], Messages],
    rank: int = 1,
) -> Piece:
    """The piece with the call whose messages `read` gives, or with the reason why there are none.

    Raises UnreadableError where what is around the messages cannot be told.
    """
    started = fields.unless_mapped(facts, "time", usual.start)
    call = Call(
        ([], []),
        as_instant(started),
        rank,
        started,
        fields.unless_mapped(facts, "updated", usual.end),
        as_name(fields.unless_mapped(facts, "model", usual.model)),
        as_metadata(fields.unless_mapped(facts, "metadata", usual.metadata)),
    )
    reason: Reason = "wrong_type"
    try:
        return piece._replace(call=call._replace(messages=read()))
    except UnreadableError as error:
        reason = error.reason
    except RecursionError:
        pass
    return piece._replace(reason=reason)
