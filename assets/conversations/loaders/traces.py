"""Traces of applications: rows are spans, of which some are calls of a model; one conversation per session.

Each call repeats the messages before it, so the last call of a trace stands for the trace, and the traces of a
session follow each other in time. Spans that are no calls say at most whose session a trace belongs to.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar, NamedTuple

from assets.conversations.loaders.base import Fields, Outcome, Parsed, Plain, Skipped, as_record
from assets.conversations.loaders.histories import Messages, join_histories
from assets.conversations.reading import Fault, Row, UnreadableError
from schemas.conversations import Reason

# Traces are held until the file ends or this is reached; then those not met for longest are finished.
MAX_HELD_CHARACTERS = 32_000_000
ROW_CHARACTERS = 200
SAMPLED_ROWS = 1_000
ROW = "row"


class Call(NamedTuple):
    """One call of a model: the messages up to its answer. Of a trace, the highest rank and then time counts."""

    messages: Messages
    at: float = 0.0
    rank: int = 1
    started: Any = None
    updated: Any = None
    model: str | None = None
    metadata: str | None = None


class Piece(NamedTuple):
    """What one row says: its trace, whose session that is, and the call, or why that cannot be read.

    `part_of` names the call of which the row is one message, where each message is a row of its own.
    """

    trace: str | None
    session: str | None = None
    user: str | None = None
    call: Call | None = None
    reason: Reason | None = None
    part_of: str | None = None


@dataclass(slots=True)
class Trace:
    """The rows of one trace so far, reduced to its last call; `silent` says why a call holds no conversation."""

    places: list[tuple[int, int]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    call: Call | None = None
    silent: Reason | None = None
    user: str | None = None
    parts: dict[str, Call] = field(default_factory=dict)

    def add(self, row: Row, piece: Piece) -> int:
        """Take a row. Returns by how many characters the trace grew."""
        self.user = self.user or piece.user
        if piece.reason is not None:
            self.faults.append(Fault(row.byte_offset, row.line, piece.reason))
            return ROW_CHARACTERS
        self.places.append((row.byte_offset, row.line))
        if piece.call is None:
            return ROW_CHARACTERS
        if piece.part_of is not None:
            return ROW_CHARACTERS + self._extend(piece.part_of, piece.call)
        return ROW_CHARACTERS + self.offer(piece.call)

    def _extend(self, name: str, call: Call) -> int:
        known = self.parts.setdefault(name, call._replace(messages=([], [])))
        self.parts[name] = known._replace(updated=call.started, model=known.model or call.model)
        known.messages[0].extend(call.messages[0])
        known.messages[1].extend(call.messages[1])
        return _size(call)

    def offer(self, call: Call) -> int:
        """Take a call as the trace's if it is the latest that a user speaks in. Returns by how much that grew."""
        if "user" not in call.messages[0]:
            self.silent = self.silent or ("no_user_message" if call.messages[0] else "no_messages")
            return 0
        if self.call is not None and (call.rank, call.at) < (self.call.rank, self.call.at):
            return 0
        before, self.call = self.call, call
        return _size(call) - (_size(before) if before else 0)


def _size(call: Call) -> int:
    return sum(map(len, call.messages[1]))


class HeldTraces:
    """Traces by session, as many as fit; a trace is its own session until one of its rows names one."""

    def __init__(self, max_characters: int) -> None:
        """Start with none."""
        self.max_characters = max_characters
        self.sessions: OrderedDict[tuple[str, str], dict[str, Trace]] = OrderedDict()
        self.session_of: dict[str, tuple[str, str]] = {}
        self.characters = 0
        self.sizes: dict[str, int] = {}
        self.nameless = count()

    def add(self, row: Row, piece: Piece) -> Iterator[Outcome]:
        """Take a row; gives the conversations that had to be finished to make room."""
        name = f"trace {piece.trace}" if piece.trace else f"row {next(self.nameless)}"
        own = ("trace", piece.trace) if piece.trace else (ROW, name)
        key = ("session", piece.session) if piece.session else own
        known = self.session_of.get(name)
        if known is not None and known[0] == "trace" and piece.session:
            trace = self.sessions.pop(known)[name]
        else:
            key = known or key
            trace = self.sessions.get(key, {}).get(name) or Trace()
        self.session_of[name] = key
        self.sessions.setdefault(key, {})[name] = trace
        self.sessions.move_to_end(key)
        grown = trace.add(row, piece)
        self.sizes[name] = self.sizes.get(name, 0) + grown
        self.characters += grown
        while self.characters > self.max_characters:
            yield from self._finish_oldest()

    def finish(self) -> Iterator[Outcome]:
        """The conversations of all traces still held."""
        while self.sessions:
            yield from self._finish_oldest()

    def _finish_oldest(self) -> Iterator[Outcome]:
        (kind, identity), traces = self.sessions.popitem(last=False)
        for name in traces:
            del self.session_of[name]
            self.characters -= self.sizes.pop(name)
        yield from _finish(None if kind == ROW else identity, list(traces.values()))


def _finish(identity: str | None, traces: list[Trace]) -> Iterator[Outcome]:
    """A session's conversation, and what became of the rows that are not in it."""
    for trace in traces:
        for call in trace.parts.values():
            trace.offer(call)
    told = sorted(
        (trace for trace in traces if trace.call), key=lambda trace: trace.call.at if trace.call else 0.0
    )
    rows = 0
    for trace in traces:
        yield from trace.faults
        lost = None if trace.call else _why_lost(trace, bool(told))
        if lost is not None:
            yield from (Fault(*place, lost) for place in trace.places)
        elif told:
            rows += len(trace.places)
        elif trace.places:
            yield Skipped(len(trace.places))
    if told:
        yield _conversation(identity, told, rows)


def _why_lost(trace: Trace, has_conversation: bool) -> Reason | None:
    """Why the rows of a trace without a readable call are faults; None where nothing in them is missed."""
    if trace.faults:
        return trace.faults[0].reason
    return None if has_conversation else trace.silent


def _conversation(identity: str | None, told: list[Trace], rows: int) -> Parsed:
    calls = [trace.call for trace in told if trace.call]
    roles, contents = join_histories([call.messages for call in calls])
    byte_offset, line = min(trace.places[0] for trace in told)
    return Parsed(
        byte_offset,
        line,
        roles,
        contents,
        identity,
        next((trace.user for trace in told if trace.user), None),
        calls[0].started,
        calls[-1].updated or calls[-1].started,
        next((call.model for call in calls if call.model), None),
        calls[-1].metadata,
        rows,
    )


class TraceLoader:
    """A format of spans: a subclass says what one row is. Rows of a session may lie apart in the file."""

    name: ClassVar[str]
    description: ClassVar[str]
    plain: Plain = None
    sampled_rows: int = SAMPLED_ROWS
    max_held_characters = MAX_HELD_CHARACTERS

    def columns(self, fields: Fields) -> frozenset[str] | None:
        """All of them, since attributes may be columns of their own."""
        return None

    def matches(self, record: dict[str, Any]) -> bool:
        """Whether a record looks like this format."""
        raise NotImplementedError

    def expand(self, row: Row) -> Iterator[Row]:
        """The spans of a row that holds several, each at its place. Raises UnreadableError."""
        raise NotImplementedError

    def facts(self, record: dict[str, Any]) -> dict[str, Any]:
        """What a mapped column is looked up in. Raises UnreadableError."""
        raise NotImplementedError

    def describe(self, record: dict[str, Any], fields: Fields) -> Piece:
        """What one span says. Raises UnreadableError where it cannot be told whose it is."""
        raise NotImplementedError

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


def read_call(call: Call, read: Any) -> tuple[Call | None, Reason | None]:
    """The call with the messages that `read` gives, or the reason why there are none."""
    try:
        return call._replace(messages=read()), None
    except UnreadableError as error:
        return None, error.reason
    except RecursionError:
        return None, "wrong_type"
