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
    UnreadableError,
    decode,
    parse_json,
    read_blocks,
    read_lines,
)
from dagster_project.errors import ObservatoryError

Container = Literal["jsonl", "array", "csv", "lines", "parquet"]
HEAD_BYTES = 1 << 16
SAMPLED_LINES = 20
ARRAY_START = re.compile(rb"\s*\[\s*(?:[{\]]|\Z)")
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_rows(
    path: Path, container: Container, *, columns: frozenset[str] | None = None, max_bytes: int = MAX_ROW_BYTES
) -> Iterator[Row | Fault]:
    """Rows of a file in order, unreadable ones as faults. `columns` limits what is decoded of Parquet."""
    if container == "parquet":
        return read_parquet(path, columns)
    if container == "array":
        return read_array(path, max_bytes)
    if container == "csv":
        return read_delimited(path, max_bytes)
    parse = parse_json if container == "jsonl" else _plain
    return _read_parsed_lines(path, parse, max_bytes)


def _plain(data: bytes) -> str:
    return decode(data).rstrip("\r")


def _read_parsed_lines(path: Path, parse: Any, max_bytes: int) -> Iterator[Row | Fault]:
    for item in read_lines(path, max_bytes):
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


def read_head(path: Path) -> bytes:
    """First bytes of a file, decompressed, without a byte order mark; what can be read of a damaged one."""
    head = b""
    try:
        for block in read_blocks(path):
            head += block
            if len(head) >= HEAD_BYTES:
                break
    except UnreadableError:
        pass
    return head[:HEAD_BYTES].removeprefix(BYTE_ORDER_MARK)


def tell_container(path: Path) -> Literal["jsonl", "array", "lines", "parquet"]:
    """What a file is made of, from its content; `lines` is any text that is not JSON.

    Raises ObservatoryError on what has to be converted first: zip archives, UTF-16, compressed Parquet.
    """
    head = read_head(path)
    if head.startswith(b"PAR1"):
        with path.open("rb") as file:
            if file.read(4) != b"PAR1":
                raise ObservatoryError(f"{path.name} is a compressed Parquet file; decompress it first")
        return "parquet"
    if head.startswith(b"PK\x03\x04"):
        raise ObservatoryError(f"{path.name} is a zip archive; unpack it and give the file inside")
    if head.startswith(UTF16_MARKS) and b"\x00" in head[:64]:
        raise ObservatoryError(
            f"{path.name} is UTF-16; convert it, for example: iconv -f UTF-16 -t UTF-8 IN > OUT"
        )
    if ARRAY_START.match(head):
        return "array"
    return "jsonl" if _has_json_objects(head) else "lines"


def _has_json_objects(head: bytes) -> bool:
    lines = [line for line in head.split(b"\n")[:SAMPLED_LINES] if line and not line.isspace()]
    # A row longer than the head cannot be parsed here; then its first byte has to do.
    return any(map(_is_object, lines)) or head.lstrip().startswith((b'{"', b"{\n", b"{\r"))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(parse_json(line), dict)
    except UnreadableError:
        return False
