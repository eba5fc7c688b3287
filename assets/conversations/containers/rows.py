"""One stream of rows whatever the file is made of, and the look at its first bytes that tells what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from assets.conversations.containers.delimited import read_delimited
from assets.conversations.containers.json_array import read_array
from assets.conversations.containers.parquet import read_parquet
from assets.conversations.reading import (
    BYTE_ORDER_MARK,
    MAX_ROW_BYTES,
    Fault,
    Row,
    Source,
    UnreadableError,
    decode,
    parse_json,
    read_blocks,
    read_lines,
)
from dagster_project.errors import ObservatoryError

Container = Literal["jsonl", "array", "document", "csv", "lines", "parquet"]
HEAD_BYTES = 1 << 16
SAMPLED_LINES = 20
ARRAY_START = re.compile(rb"\s*\[\s*(?:[{\]]|\Z)")
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_rows(
    source: Source,
    container: Container,
    *,
    columns: frozenset[str] | None = None,
    max_bytes: int = MAX_ROW_BYTES,
) -> Iterator[Row | Fault]:
    """Rows of a file in order, unreadable ones as faults. `columns` limits what is decoded of Parquet."""
    if container == "array":
        return read_array(source, max_bytes)
    if container == "document":
        return _read_document(source, max_bytes)
    if isinstance(source, Path) and container == "parquet":
        return read_parquet(source, columns)
    if container == "csv":
        return read_delimited(source, max_bytes)
    parse = parse_json if container == "jsonl" else _plain
    return _read_parsed_lines(source, parse, max_bytes)


def _plain(data: bytes) -> str:
    return decode(data).rstrip("\r")


def _read_document(source: Source, max_bytes: int) -> Iterator[Row | Fault]:
    """The one value that a file is, as its only row."""
    data = bytearray()
    try:
        for block in read_blocks(source):
            data += block
            if len(data) > max_bytes:
                raise UnreadableError("line_too_long")
        yield Row(0, 1, parse_json(bytes(data).removeprefix(BYTE_ORDER_MARK)))
    except UnreadableError as error:
        yield Fault(0, 1, error.reason)


def _read_parsed_lines(source: Source, parse: Any, max_bytes: int) -> Iterator[Row | Fault]:
    for item in read_lines(source, max_bytes):
        if isinstance(item, Fault):
            yield item
            continue
        offset, line, data = item
        try:
            value = parse(data)
        except UnreadableError as error:
            yield Fault(offset, line, error.reason)
        else:
            yield Row(offset, line, value)


def read_head(source: Source) -> bytes:
    """First bytes of a file, decompressed, without a byte order mark; what can be read of a damaged one."""
    head = b""
    try:
        for block in read_blocks(source):
            head += block
            if len(head) >= HEAD_BYTES:
                break
    except UnreadableError:
        pass
    return head[:HEAD_BYTES].removeprefix(BYTE_ORDER_MARK)


def tell_container(source: Source) -> Literal["jsonl", "array", "document", "lines", "parquet"]:
    """What a file is made of, from its content; `lines` is any text that is not JSON.

    A `document` is one JSON object over many lines. Raises ObservatoryError on what has to be converted first:
    UTF-16, compressed Parquet.
    """
    head = read_head(source)
    if head.startswith(b"PAR1") and isinstance(source, Path):
        with source.open("rb") as file:
            if file.read(4) != b"PAR1":
                raise ObservatoryError(f"{source.name} is a compressed Parquet file; decompress it first")
        return "parquet"
    if head.startswith(UTF16_MARKS) and b"\x00" in head[:64]:
        raise ObservatoryError(
            f"{source.name} is UTF-16; convert it, for example: iconv -f UTF-16 -t UTF-8 IN > OUT"
        )
    if ARRAY_START.match(head):
        return "array"
    lines = [line for line in head.split(b"\n")[:SAMPLED_LINES] if line and not line.isspace()]
    if any(map(_is_object, lines)):
        return "jsonl"
    if head.lstrip().startswith((b"{\n", b"{\r")):
        return "document"
    # A row longer than the head cannot be parsed here; then its first bytes have to do.
    return "jsonl" if head.lstrip().startswith(b'{"') else "lines"


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(parse_json(line), dict)
    except UnreadableError:
        return False
