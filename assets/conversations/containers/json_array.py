"""A JSON array read element by element, so that memory does not grow with the file.

The scan only finds where elements end; each element is then parsed on its own. An element that never closes
costs itself where the array puts every element on a line of its own (the next one is recognised by its
indentation); in an array written on one line nothing tells where the next element starts, so reading ends
there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from assets.conversations.reading import (
    BLOCK_BYTES,
    BYTE_ORDER_MARK,
    MAX_ROW_BYTES,
    Fault,
    Row,
    Source,
    UnreadableError,
    parse_json,
    read_blocks,
)
from schemas.conversations import Reason

STRING = rb'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+'
TOKEN = re.compile(STRING + rb'"|[\[\]{},"]', re.DOTALL)
BROKEN_STRING = re.compile(STRING + rb"[\x00-\x1f]", re.DOTALL)
BLANK = re.compile(rb"\s*")
OPENING = re.compile(rb"\s*\[")
# Without indentation, only an element on one line can be told from what it contains.
FIRST_ELEMENT = re.compile(rb"\s*?(\n(?:[ \t]+\{|\{(?=[^\r\n])))")
UNINDENTED = b"\n{"
OVER_LINES = re.compile(rb"\s*[\[{][\r\n]")


def read_array(source: Source, max_bytes: int = MAX_ROW_BYTES) -> Iterator[Row | Fault]:
    """Elements of the array in order, numbered from 1, with their place; what cannot be read as faults."""
    return _ArrayScan(source, max_bytes).rows()


class _ArrayScan:
    """Where the scan stands: the element at hand begins `buffer`, which is at `base` in the file."""

    def __init__(self, source: Source, max_bytes: int) -> None:
        self.blocks = read_blocks(source)
        self.max_bytes = max_bytes
        self.buffer = bytearray()
        self.base = 0
        self.position = 0
        self.depth = 0
        self.ended: Reason | None = None
        self.lost = False
        self.marker = b""

    def rows(self) -> Iterator[Row | Fault]:
        """Every element up to the closing bracket, or up to where the structure is lost."""
        self._open()
        number = 0
        while True:
            number += 1
            end = self._find_end()
            if not isinstance(end, int):
                yield self._give_up(end, number)
                if self.lost:
                    return
                continue
            data = bytes(self.buffer[:end])
            if data and not data.isspace():
                yield self._parse(data, number)
            else:
                number -= 1
            closed = self.buffer[end : end + 1] == b"]"
            self._drop(end + 1)
            if closed:
                if not self._has_more():
                    return
                number += 1
                yield self._give_up("broken_array", number)
                if self.lost:
                    return

    def _give_up(self, reason: Reason, number: int) -> Fault:
        """The fault of an element that does not end, with the scan set to the next one or marked as lost."""
        offset = self._element_start()
        self.lost = not self._skip_to_next()
        if self.lost:
            reason = self.ended or ("truncated_file" if reason == "truncated_file" else "broken_array")
        elif reason != "line_too_long":
            reason = "bad_json"
        return Fault(offset, number, reason)

    def _open(self) -> None:
        self._fill(BLOCK_BYTES)
        if self.buffer.startswith(BYTE_ORDER_MARK):
            self._drop(len(BYTE_ORDER_MARK))
        opening = OPENING.match(self.buffer)
        self._drop(opening.end() if opening else 0)
        first = FIRST_ELEMENT.match(self.buffer)
        self.marker = first[1] if first else b""

    def _find_end(self) -> int | Reason:
        """Index of the comma or bracket that ends the element at hand, or why there is none."""
        while True:
            token = TOKEN.search(self.buffer, self.position)
            if token is None or (token[0] == b'"' and not BROKEN_STRING.match(self.buffer, token.start())):
                self.position = len(self.buffer) if token is None else token.start()
                if len(self.buffer) > self.max_bytes:
                    return "line_too_long"
                # Doubling keeps the repeated look at one long string linear in its length.
                if not self._fill(max(BLOCK_BYTES, len(self.buffer))):
                    return self.ended or "truncated_file"
                continue
            kind = token[0]
            if kind == b'"':
                return "bad_json"
            self.position = token.end()
            if self.depth == 0 and kind in (b",", b"]"):
                return token.start()
            self.depth += (kind in (b"{", b"[")) - (kind in (b"}", b"]"))
            if self.depth < 0:
                return "bad_json"

    def _parse(self, data: bytes, number: int) -> Row | Fault:
        offset = self._element_start()
        if len(data) > self.max_bytes:
            return Fault(offset, number, "line_too_long")
        try:
            return Row(offset, number, parse_json(data))
        except UnreadableError as error:
            return Fault(offset, number, error.reason)

    def _element_start(self) -> int:
        return self.base + self._blank()

    def _blank(self) -> int:
        found = BLANK.match(self.buffer)
        return found.end() if found else 0

    def _skip_to_next(self) -> bool:
        """Drop the broken element up to the next one on a line of its own; False where there is none, or none can be told."""
        if self.marker == UNINDENTED and OVER_LINES.match(self.buffer):
            return False
        searched = self._blank() + 1
        while self.marker:
            found = self.buffer.find(self.marker, searched)
            if found >= 0:
                self._drop(found)
                return True
            self._drop(max(0, len(self.buffer) - len(self.marker) + 1))
            searched = 0
            if not self._fill(BLOCK_BYTES):
                break
        return False

    def _has_more(self) -> bool:
        while self._blank() == len(self.buffer):
            self.buffer.clear()
            if not self._fill(BLOCK_BYTES):
                return self.ended is not None
        return True

    def _drop(self, count: int) -> None:
        del self.buffer[:count]
        self.base += count
        self.position = self.depth = 0

    def _fill(self, count: int) -> bool:
        wanted, before = len(self.buffer) + count, len(self.buffer)
        try:
            while len(self.buffer) < wanted and (block := next(self.blocks, None)) is not None:
                self.buffer += block
        except UnreadableError as error:
            self.ended = error.reason
        return len(self.buffer) > before
