"""Langfuse: observations as its blob export, its interface and its pages give them, and traces without any.

Calls are observations of type GENERATION; the others belong to the trace of a call or are skipped. A trace's own
input and output stand in where none of its generations can.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assets.conversations.loaders.base import Fields, as_name, as_record
from assets.conversations.loaders.exchange import read_exchange
from assets.conversations.loaders.sessions import Piece
from assets.conversations.loaders.traces import TraceLoader, Usual, piece_of, with_call
from assets.conversations.reading import Row, UnreadableError

GENERATION = "GENERATION"
# The lists that a row may hold: a page of the interface, a session of the pages, a trace with its observations.
LISTS = ("data", "traces", "observations")
TRACE_NAMES = ("trace_id", "traceId")
SESSION_NAMES = ("session_id", "sessionId")
USER_NAMES = ("user_id", "userId")
START_NAMES = ("start_time", "startTime", "timestamp")
END_NAMES = ("end_time", "endTime")
MODEL_NAMES = ("provided_model_name", "providedModelName", "model")


class LangfuseLoader(TraceLoader):
    """One observation or trace per row, in snake case or camel case, or rows that hold lists of them."""

    name = "langfuse"
    description = "Langfuse: blob export of observations (or traces), answers of its API, trace-<id>.json"

    def matches(self, record: dict[str, Any]) -> bool:
        """Whether there is an observation or a trace."""
        try:
            found = list(self.expand(Row(0, 0, record))) or [Row(0, 0, record)]
        except (UnreadableError, RecursionError):
            return False
        return any(isinstance(row.value, dict) and _is_ours(row.value) for row in found)

    def expand(self, row: Row) -> Iterator[Row]:
        """The traces and observations in the lists of a row, its own trace first."""
        if not isinstance(row.value, dict) or not any(_held(row.value, key) for key in LISTS):
            return
        trace = row.value.get("trace")
        holder = {**trace, **row.value} if isinstance(trace, dict) else row.value
        if not any(_held(holder, key) for key in LISTS[:2]):
            yield row._replace(value={key: value for key, value in holder.items() if key not in LISTS})
        around = {key: holder[key] for key in (*SESSION_NAMES, *USER_NAMES) if key in holder}
        if "observations" in holder and "id" in holder:
            around["trace_id"] = holder["id"]
        if "traces" in holder and "id" in holder:
            around["session_id"] = holder["id"]
        for key in LISTS:
            for item in _held(holder, key):
                inner = row._replace(value={**around, **item})
                yield from list(self.expand(inner)) or [inner]

    def facts(self, record: dict[str, Any]) -> dict[str, Any]:
        """The observation itself."""
        return record

    def describe(self, record: dict[str, Any], fields: Fields) -> Piece:
        """The call that a generation or a trace is, and whose session it belongs to."""
        is_trace = _is_trace(record)
        trace = as_name(record.get("id") if is_trace else _first(record, TRACE_NAMES))
        usual = Usual(
            _first(record, SESSION_NAMES),
            _first(record, USER_NAMES),
            _first(record, START_NAMES),
            _first(record, END_NAMES),
            _first(record, MODEL_NAMES),
            record.get("metadata"),
        )
        piece = piece_of(trace, record, fields, usual)
        asked, answered = record.get("input"), record.get("output")
        is_call = is_trace and (asked is not None or answered is not None)
        if not is_call and (is_trace or record.get("type") != GENERATION):
            return piece
        rank = 0 if is_trace else 1
        return with_call(piece, record, fields, usual, lambda: read_exchange(asked, answered), rank)


def _held(holder: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Objects in a list; ids alone, as older answers list them, are none. Raises UnreadableError."""
    found = holder.get(key)
    return [as_record(item) for item in found if not isinstance(item, str)] if isinstance(found, list) else []


def _first(record: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((record[name] for name in names if record.get(name) not in (None, "")), None)


def _is_trace(record: dict[str, Any]) -> bool:
    return "type" not in record and "timestamp" in record and "id" in record


def _is_ours(record: dict[str, Any]) -> bool:
    if _is_trace(record):
        return "input" in record and any(name in record for name in (*SESSION_NAMES, *USER_NAMES))
    return (
        isinstance(record.get("type"), str) and any(name in record for name in TRACE_NAMES) and "id" in record
    )
