"""Sessions of traces: the rows of each trace reduced to its last call, traces to the conversation of their session.

Each call repeats the messages before it, so the last call of a trace stands for the trace, and the traces of a
session follow each other in time. Spans that are no calls say at most whose session a trace belongs to. Where a
session's traces name several users, as when an application calls every session "default", each user has a conversation.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from itertools import count
from typing import Any, NamedTuple

from assets.conversations.loaders.base import Outcome, Parsed, Skipped, either_flag
from assets.conversations.loaders.histories import Messages, join_histories
from assets.conversations.reading import Fault, Row
from dagster_project.privacy.identity import canonical_id
from schemas.conversations import Reason

ROW_CHARACTERS = 200
ROW = "row"


class Call(NamedTuple):
    """One call of a model: the messages up to its answer. Of a trace, the highest rank, then time, then place counts."""

    messages: Messages
    at: float = 0.0
    rank: int = 1
    started: Any = None
    updated: Any = None
    model: str | None = None
    metadata: str | None = None
    place: int = 0


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
    flagged: bool | None = None


@dataclass(slots=True)
class Trace:
    """Rows of one trace and user, reduced to their last call; `silent` says why a call holds no conversation."""

    user: str | None = None
    places: list[tuple[int, int]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    call: Call | None = None
    silent: Reason | None = None
    flagged: bool | None = None
    parts: dict[str, list[Call]] = field(default_factory=dict)

    def add(self, row: Row, piece: Piece, place: int) -> int:
        """Take a row, the `place`-th of the file. Returns by how many characters the trace grew."""
        if piece.reason is not None:
            self.faults.append(Fault(row.byte_offset, row.line, piece.reason))
            return ROW_CHARACTERS
        self.places.append((row.byte_offset, row.line))
        self.flagged = either_flag(self.flagged, piece.flagged)
        if piece.call is None:
            return ROW_CHARACTERS
        call = piece.call._replace(place=place)
        if piece.part_of is not None:
            self.parts.setdefault(piece.part_of, []).append(call)
            return ROW_CHARACTERS + _size(call)
        return ROW_CHARACTERS + self.offer(call)

    def offer(self, call: Call) -> int:
        """Take a call as the trace's if it is the latest that a user speaks in. Returns by how much that grew."""
        if "user" not in call.messages[0]:
            self.silent = self.silent or ("no_user_message" if call.messages[0] else "no_messages")
            return 0
        if self.call is not None and _order(call) < _order(self.call):
            return 0
        before, self.call = self.call, call
        return _size(call) - (_size(before) if before else 0)

    def absorb(self, other: Trace) -> None:
        """Take the rows of another part of the trace, by the same person."""
        self.user = self.user or other.user
        self.places += other.places
        self.faults += other.faults
        self.silent = self.silent or other.silent
        self.flagged = either_flag(self.flagged, other.flagged)
        for name, messages in other.parts.items():
            self.parts.setdefault(name, []).extend(messages)
        if other.call is not None:
            self.offer(other.call)

    def close(self) -> None:
        """Offer the calls of which each message was a row."""
        for messages in self.parts.values():
            self.offer(_joined(sorted(messages, key=lambda call: call.place)))


def _joined(calls: list[Call]) -> Call:
    """One call of its messages, which came row by row."""
    roles = [role for call in calls for role in call.messages[0]]
    contents = [content for call in calls for content in call.messages[1]]
    model = next((call.model for call in calls if call.model), None)
    updated = calls[-1].started if len(calls) > 1 else calls[0].updated
    return calls[0]._replace(messages=(roles, contents), model=model, updated=updated)


def _order(call: Call) -> tuple[int, float, int]:
    return call.rank, call.at, call.place


def _size(call: Call) -> int:
    return sum(map(len, call.messages[1]))


# The rows of a session by the name of their trace and by their user, in one spelling (None: they name none).
Session = dict[tuple[str, str | None], Trace]


class HeldTraces:
    """Traces by session, as many as fit; a trace is its own session until one of its rows names one."""

    def __init__(self, max_characters: int) -> None:
        """Start with none."""
        self.max_characters = max_characters
        self.sessions: OrderedDict[tuple[str, str], Session] = OrderedDict()
        self.session_of: dict[str, tuple[str, str]] = {}
        self.characters = 0
        self.sizes: dict[str, int] = {}
        self.places = count()

    def add(self, row: Row, piece: Piece) -> Iterator[Outcome]:
        """Take a row; gives the conversations that had to be finished to make room."""
        place = next(self.places)
        name = f"trace {piece.trace}" if piece.trace else f"row {place}"
        own = ("trace", piece.trace) if piece.trace else (ROW, name)
        key = ("session", piece.session) if piece.session else own
        known = self.session_of.get(name)
        moved: Session = {}
        if known is not None and known[0] == "trace" and piece.session:
            moved = self.sessions.pop(known)
        elif known is not None:
            key = known
        self.session_of[name] = key
        session = self.sessions.setdefault(key, {})
        session.update(moved)
        self.sessions.move_to_end(key)
        user = None if piece.user is None else canonical_id(piece.user)
        grown = session.setdefault((name, user), Trace(piece.user)).add(row, piece, place)
        self.sizes[name] = self.sizes.get(name, 0) + grown
        self.characters += grown
        while self.characters > self.max_characters:
            yield from self._finish_oldest()

    def finish(self) -> Iterator[Outcome]:
        """The conversations of all traces still held."""
        while self.sessions:
            yield from self._finish_oldest()

    def _finish_oldest(self) -> Iterator[Outcome]:
        (kind, identity), session = self.sessions.popitem(last=False)
        for name in dict.fromkeys(name for name, _ in session):
            del self.session_of[name]
            self.characters -= self.sizes.pop(name)
        yield from _finish(None if kind == ROW else identity, session)


def _finish(identity: str | None, session: Session) -> Iterator[Outcome]:
    """A session's conversations, one per user, and what became of the rows that are in none.

    The user who spoke first has the session's own id, so that it stays when a later export of the same session
    names more users.
    """
    found: list[tuple[float, int, Parsed]] = []
    for traces in _by_owner(session):
        told = sorted((trace for trace in traces if trace.call), key=_spoken_at)
        yield from _left_out(traces, bool(told))
        if told:
            found.append((*_spoken_at(told[0]), _conversation(identity, told, traces)))
    named = [entry for entry in found if entry[2].user is not None] or found
    first = min(named, key=lambda entry: entry[:2], default=None)
    for entry in sorted(found, key=lambda entry: entry[:2]):
        yield entry[2]._replace(shared=entry is not first)


def _by_owner(session: Session) -> Iterator[list[Trace]]:
    """The traces of each user. A row without one is of the only user of its trace, else of the session, else nobody's."""
    users = [user for _, user in session if user is not None]
    of_trace: dict[str, list[str]] = {}
    for name, user in session:
        of_trace.setdefault(name, []).extend([] if user is None else [user])
    owned: dict[str | None, dict[str, Trace]] = {}
    for (name, user), trace in session.items():
        owner = user or _only(of_trace[name]) or _only(users)
        owned.setdefault(owner, {}).setdefault(name, Trace()).absorb(trace)
    for traces in owned.values():
        for trace in traces.values():
            trace.close()
        yield list(traces.values())


def _only(users: Iterable[str]) -> str | None:
    distinct = set(users)
    return distinct.pop() if len(distinct) == 1 else None


def _spoken_at(trace: Trace) -> tuple[float, int]:
    return (trace.call.at, trace.call.place) if trace.call else (0.0, 0)


def _left_out(traces: list[Trace], has_conversation: bool) -> Iterator[Outcome]:
    """Faults, and rows that hold no conversation and share none."""
    for trace in traces:
        yield from trace.faults
        lost = _why_lost(trace, has_conversation)
        if lost is not None:
            yield from (Fault(*place, lost) for place in trace.places)
        elif trace.places and not has_conversation:
            yield Skipped(len(trace.places))


def _why_lost(trace: Trace, has_conversation: bool) -> Reason | None:
    """Why the rows of a trace without a readable call are faults; None where nothing in them is missed."""
    if trace.call is not None:
        return None
    if trace.faults:
        return trace.faults[0].reason
    return None if has_conversation else trace.silent


def _conversation(identity: str | None, told: list[Trace], traces: list[Trace]) -> Parsed:
    """The conversation of one user, in order of time; `traces` are all of that user's in the session."""
    calls = [trace.call for trace in told if trace.call]
    roles, contents = join_histories([call.messages for call in calls])
    byte_offset, line = min(place for trace in told for place in trace.places)
    return Parsed(
        byte_offset,
        line,
        roles,
        contents,
        identity,
        next((trace.user for trace in (*told, *traces) if trace.user), None),
        calls[0].started,
        calls[-1].updated or calls[-1].started,
        next((call.model for call in calls if call.model), None),
        calls[-1].metadata,
        sum(len(trace.places) for trace in traces if _why_lost(trace, True) is None),
        reduce(either_flag, (trace.flagged for trace in traces), None),
    )
