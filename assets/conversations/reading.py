"""Bytes to lines and lines to JSON, strictly and in bounded memory, so that a bad line costs only itself.

Polars' and DuckDB's own readers lose the whole file or invent rows of NULL on such input
(specs/privacy_reliability.md, section 2), so text is split and decoded here.
"""

from __future__ import annotations

import gzip
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson
import zstandard

from schemas.conversations import Reason

BLOCK_BYTES = 1 << 18
# A block of zstd input can expand 32,768-fold, so it is fed in small pieces.
ZSTD_INPUT_BYTES = 1 << 12
ZSTD_WINDOW_BYTES = 1 << 27
MAX_ROW_BYTES = 64 << 20

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Fault(NamedTuple):
    """A row that could not be read: where it starts, its line or position counted from 1, and why."""

    byte_offset: int
    line: int
    reason: Reason


class Line(NamedTuple):
    """A line without its line end: where it starts, its number counted from 1, and its bytes."""

    byte_offset: int
    line: int
    data: bytes


class Row(NamedTuple):
    """One parsed row: where it starts (-1 where unknown), its line or position from 1, and its value."""

    byte_offset: int
    line: int
    value: Any


class Member(NamedTuple):
    """One file inside a zip archive, read in place; its name in quarantine is archive and base name."""

    archive: Path
    member: str

    @property
    def name(self) -> str:
        """Base names of archive and member."""
        return f"{self.archive.name}:{self.member.rpartition('/')[2]}"


Source = Path | Member


class UnreadableError(Exception):
    """A row, or the rest of a stream, cannot be read. Carries a reason code and nothing of the content."""

    def __init__(self, reason: Reason) -> None:
        """Take one of `schemas.conversations.REASONS`."""
        super().__init__(reason)
        self.reason: Reason = reason


def read_blocks(source: Source) -> Iterator[bytes]:
    """Decompressed blocks of a member of an archive, or of a plain, gzip or zstd file, told by its first bytes.

    Raises UnreadableError after the last readable block where a compressed file is cut short or damaged.
    """
    if isinstance(source, Member):
        yield from _member_blocks(source)
        return
    with source.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        if magic.startswith(GZIP_MAGIC):
            yield from _gzip_blocks(file)
        elif magic == ZSTD_MAGIC:
            yield from _zstd_blocks(file)
        else:
            while block := file.read(BLOCK_BYTES):
                yield block


def _member_blocks(source: Member) -> Iterator[bytes]:
    """Blocks of a member: never more bytes than its archive says it has, and with its checksum verified."""
    try:
        with zipfile.ZipFile(source.archive) as archive, archive.open(source.member) as file:
            while block := file.read(BLOCK_BYTES):
                yield block
    except EOFError:
        raise UnreadableError("truncated_file") from None
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, ValueError, RuntimeError):
        raise UnreadableError("bad_compression") from None


def _gzip_blocks(file: BinaryIO) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file) as stream:
        try:
            while block := stream.read1(BLOCK_BYTES):
                yield block
        except EOFError:
            raise UnreadableError("truncated_file") from None
        except (OSError, zlib.error):
            raise UnreadableError("bad_compression") from None


def _zstd_blocks(file: BinaryIO) -> Iterator[bytes]:
    decoder = None
    while data := file.read(ZSTD_INPUT_BYTES):
        while data:
            if decoder is None:
                decoder = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES).decompressobj()
            try:
                block = decoder.decompress(data)
            except zstandard.ZstdError:
                raise UnreadableError("bad_compression") from None
            if block:
                yield block
            data = decoder.unused_data if decoder.eof else b""
            decoder = None if decoder.eof else decoder
    if decoder is not None:
        raise UnreadableError("truncated_file")


def read_lines(
    source: Source, max_bytes: int = MAX_ROW_BYTES, *, keep_blank: bool = False
) -> Iterator[Line | Fault]:
    """Lines of a file, each with its place; blank ones only where asked.

    At most `max_bytes` of one line are held; a longer one becomes a Fault. So does the line at which a
    damaged or cut stream ends, whole or not.
    """
    parts: list[bytes] = []
    start, number, size = 0, 1, 0
    try:
        for block in read_blocks(source):
            *complete, last = block.split(b"\n")
            for piece in complete:
                size += len(piece)
                # Only the first piece of a block can continue a line of the block before it.
                data = b"".join((*parts, piece)) if parts else piece
                yield from _line(start, number, data, size, max_bytes, keep_blank)
                parts, start, number, size = [], start + size + 1, number + 1, 0
            size += len(last)
            parts = [*parts, last] if last and size <= max_bytes else parts if size <= max_bytes else []
    except UnreadableError as error:
        yield Fault(start, number, error.reason)
        return
    if size:
        yield from _line(start, number, b"".join(parts), size, max_bytes, keep_blank)


def _line(
    start: int, number: int, data: bytes, size: int, max_bytes: int, keep_blank: bool
) -> Iterator[Line | Fault]:
    if size > max_bytes:
        yield Fault(start, number, "line_too_long")
        return
    if start == 0:
        data = data.removeprefix(BYTE_ORDER_MARK)
    if keep_blank or (data and not data.isspace()):
        yield Line(start, number, data)


def parse_json(data: bytes) -> Any:
    """One JSON value, strictly: UTF-8 only and no lone surrogates. NaN and infinities become null.

    Raises UnreadableError with the reason.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _parse_slowly(data)


def _parse_slowly(data: bytes) -> Any:
    # Python's own writer puts NaN into JSON by default, which is worth keeping; everything else is told apart
    # here.
    text = decode(data)
    try:
        value = json.loads(text)
        return orjson.loads(orjson.dumps(value))
    except orjson.JSONEncodeError as error:
        raise UnreadableError("lone_surrogate" if "surrogate" in str(error) else "bad_json") from None
    except (ValueError, RecursionError):
        raise UnreadableError("bad_json") from None


def decode(data: bytes) -> str:
    """Text of UTF-8 bytes. Raises UnreadableError."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableError("bad_encoding") from None
