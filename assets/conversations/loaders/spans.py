"""Spans in the shapes that tracing tools write them, with their attributes by dotted name.

OTLP JSON (`resourceSpans`, `resourceLogs`), one span per row with `attributes` as object, list or JSON text, and
data frames with a column per attribute.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from assets.conversations.loaders.base import as_name, as_record
from assets.conversations.reading import Row, UnreadableError

ENVELOPES = {
    "resourceSpans": ("scopeSpans", "spans"),
    "resourceLogs": ("scopeLogs", "logRecords"),
}
COLUMN = "attributes."
STARTS = ("startTimeUnixNano", "start_time", "startTime", "timeUnixNano", "observedTimeUnixNano", "timestamp")
ENDS = ("endTimeUnixNano", "end_time", "endTime")
# No convention names attributes this deeply; a longer name is not taken apart further.
MAX_NAME_PARTS = 12

Attributes = dict[str, Any]


class Span(NamedTuple):
    """A span or a log record: ids, raw times, name, attributes, events inside it and the body of a record."""

    trace: str | None
    span: str | None
    name: str
    start: Any
    end: Any
    attributes: Attributes
    events: list[Any]
    body: Any


def expand_otlp(row: Row) -> Iterator[Row]:
    """The spans and log records of an OTLP row, each at the place of the row; none where it is no such row.

    Raises UnreadableError where the envelope is not made of lists of objects.
    """
    if not isinstance(row.value, dict):
        return
    for outer, (middle, inner) in ENVELOPES.items():
        for resource in _objects(row.value, outer):
            for scope in _objects(resource, middle):
                yield from (row._replace(value=span) for span in _objects(scope, inner))


def _objects(holder: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = holder.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise UnreadableError("wrong_type")
    return found


def read_span(record: dict[str, Any]) -> Span:
    """One span. Raises UnreadableError where its ids or attributes are none."""
    context = record.get("context")
    context = context if isinstance(context, dict) else {}
    events = record.get("events")
    return Span(
        _id(record, context, "traceId", "trace_id"),
        _id(record, context, "spanId", "span_id"),
        _text(record, "name", "eventName", "event_name"),
        next((record[key] for key in STARTS if record.get(key) is not None), None),
        next((record[key] for key in ENDS if record.get(key) is not None), None),
        read_attributes(record),
        events if isinstance(events, list) else [],
        decode_value(record.get("body")),
    )


def _id(record: dict[str, Any], context: dict[str, Any], camel: str, snake: str) -> str | None:
    found = record.get(camel) or record.get(snake) or record.get(f"context.{snake}") or context.get(snake)
    return as_name(found)


def _text(record: dict[str, Any], *keys: str) -> str:
    return next((record[key] for key in keys if isinstance(record.get(key), str)), "")


def read_attributes(record: dict[str, Any]) -> Attributes:
    """Attributes by name: those of `attributes`, and columns of data frames. Raises UnreadableError."""
    found = {
        name.removeprefix(COLUMN): value
        for name, value in record.items()
        if "." in name and value is not None
    }
    given = record.get("attributes")
    if isinstance(given, str):
        given = parse_text(given)
    if isinstance(given, list):
        given = _key_values(given)
    return found | (as_record(given) if given is not None else {})


def _key_values(pairs: list[Any]) -> Attributes:
    named = [(as_record(pair).get("key"), pair.get("value")) for pair in pairs]
    return {key: decode_value(value) for key, value in named if isinstance(key, str)}


def decode_value(value: Any) -> Any:
    """The plain value of an OTLP AnyValue; anything else stands for itself."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    ((kind, inner),) = value.items()
    if kind == "arrayValue":
        return [decode_value(item) for item in _objects(as_record(inner), "values")]
    if kind == "kvlistValue":
        return _key_values(_objects(as_record(inner), "values"))
    return inner if kind in ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue") else value


def parse_text(value: object) -> Any:
    """The value of an attribute that holds JSON as text. Raises UnreadableError."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        raise UnreadableError("bad_json") from None


def find(attributes: Attributes, name: str) -> Any:
    """An attribute by its name, whether names are flat or nest."""
    value = attributes.get(name)
    node: Any = attributes
    for part in () if value is not None else name.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node if value is None else value


def find_first(attributes: Attributes, names: tuple[str, ...]) -> Any:
    """The first of several attributes that is there."""
    return next((value for name in names if (value := find(attributes, name)) is not None), None)


def find_list(attributes: Attributes, name: str) -> list[Any]:
    """An attribute that is a list of objects: as a list, as JSON text, or flattened to `name.<index>.<rest>`.

    Objects in it nest where their names have dots. Raises UnreadableError where it is no list.
    """
    value = find(attributes, name)
    if value is None:
        prefix = f"{name}."
        flat = {key.removeprefix(prefix): item for key, item in attributes.items() if key.startswith(prefix)}
        value = nest(flat)
    return as_list(parse_text(value))


def as_list(value: Any) -> list[Any]:
    """A list, or the values of an object by ascending index; objects in it nest. Raises UnreadableError."""
    if value is None:
        return []
    if isinstance(value, dict):
        value = [value[key] for key in sorted(filter(str.isdecimal, value), key=int)]
    if not isinstance(value, list):
        raise UnreadableError("wrong_type")
    return [nest(item) if isinstance(item, dict) else item for item in value]


def nest(flat: Attributes) -> Attributes:
    """An object whose dotted names have become objects in objects."""
    tree: Attributes = {}
    for name, value in flat.items():
        *path, last = name.split(".", MAX_NAME_PARTS)
        node = tree
        for part in path:
            inner = node.get(part)
            if not isinstance(inner, dict):
                inner = node[part] = {}
            node = inner
        node[last] = value
    return tree
