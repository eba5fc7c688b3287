"""Delimited text with a header (CSV, TSV), record by record: a stray quote costs one line, not the rest."""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator

from assets.conversations.reading import (
    MAX_ROW_BYTES,
    Fault,
    Line,
    Row,
    Source,
    UnreadableError,
    decode,
    read_lines,
)
from dagster_project.errors import ObservatoryError

DELIMITERS = (",", "\t", ";", "|")


def split_header(line: str) -> tuple[str, list[str]]:
    """The delimiter that cuts a header line into most cells, and the cells; none where it is no header."""
    delimiter = max(DELIMITERS, key=lambda candidate: len(_cells(line, candidate)))
    return delimiter, [name.strip() for name in _cells(line, delimiter)]


def _cells(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        return []


def read_delimited(source: Source, max_bytes: int = MAX_ROW_BYTES) -> Iterator[Row | Fault]:
    """Records as dicts by header name; a quoted cell may span lines, and a record starts at its first.

    Raises ObservatoryError where the first line is no readable header.
    """
    # The csv module's limit of a cell is one setting for the process; rows are bounded here already.
    csv.field_size_limit(max(csv.field_size_limit(), max_bytes))
    lines = _Pushback(read_lines(source, max_bytes, keep_blank=True))
    delimiter, names = _read_header(source, lines)
    while (item := lines.take()) is not None:
        if isinstance(item, Fault):
            yield item
        elif item.data.strip():
            yield _read_record(item, lines, delimiter, names, max_bytes)


def _read_header(source: Source, lines: _Pushback) -> tuple[str, list[str]]:
    first = lines.take()
    while isinstance(first, Line) and not first.data.strip():
        first = lines.take()
    try:
        header = decode(first.data).rstrip("\r") if isinstance(first, Line) else ""
    except UnreadableError:
        header = ""
    delimiter, names = split_header(header)
    if any(names):
        return delimiter, names
    raise ObservatoryError(
        f"the first line of {source.name} is no readable header; the column names have to be there"
    )


def _read_record(
    first: Line, lines: _Pushback, delimiter: str, names: list[str], max_bytes: int
) -> Row | Fault:
    parts = _join_quoted(first, lines, max_bytes)
    try:
        text = decode(b"\n".join(part.data for part in parts))
        cells = _cells_of_record(text, delimiter)
        if len(cells) != len(names):
            raise UnreadableError("bad_csv")
    except UnreadableError as error:
        # What a stray quote swallowed is read again line by line.
        lines.put_back(parts[1:])
        return Fault(first.byte_offset, first.line, error.reason)
    return Row(
        first.byte_offset, first.line, {name: cell or None for name, cell in zip(names, cells, strict=True)}
    )


def _join_quoted(first: Line, lines: _Pushback, max_bytes: int) -> list[Line]:
    """The line and those that its open quote runs on to."""
    parts, quotes, size = [first], first.data.count(b'"'), len(first.data)
    while quotes % 2 and size <= max_bytes:
        following = lines.take()
        if not isinstance(following, Line):
            if following is not None:
                lines.put_back([following])
            break
        parts.append(following)
        quotes += following.data.count(b'"')
        size += len(following.data) + 1
    return parts


def _cells_of_record(text: str, delimiter: str) -> list[str]:
    try:
        records = list(
            csv.reader(io.StringIO(text.rstrip("\r"), newline="\n"), delimiter=delimiter, strict=True)
        )
    except csv.Error:
        raise UnreadableError("bad_csv") from None
    if len(records) != 1:
        raise UnreadableError("bad_csv")
    return records[0]


class _Pushback:
    """An iterator whose items can be put back."""

    def __init__(self, items: Iterator[Line | Fault]) -> None:
        self._items = items
        self._returned: deque[Line | Fault] = deque()

    def take(self) -> Line | Fault | None:
        if self._returned:
            return self._returned.popleft()
        return next(self._items, None)

    def put_back(self, items: list[Line] | list[Line | Fault] | list[Fault]) -> None:
        self._returned.extendleft(reversed(items))
