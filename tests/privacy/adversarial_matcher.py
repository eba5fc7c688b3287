"""A second leak scanner, written apart from `dagster_project.privacy` and slower: it cross-checks the first one.

Every file is read as raw bytes, as text in UTF-8 and UTF-16, with compressed stretches inflated, and as what its format
holds (Parquet cells and footers, SQLite dumps, DuckDB cells). Every view is searched folded to letters and digits, with
escapes undone. Specification: privacy, section 1.4.
"""

from __future__ import annotations

import base64
import html
import json
import re
import sqlite3
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

import ahocorasick
import duckdb
import pyarrow.parquet as pq

PART = 8
# Without blanks, ordinary words run together: "conversational level reach" holds eight letters of "Calle Velrudo".
LETTERS_PART = 10
CHANCE_PART = 12
ENCODED_PART = 10
SHARED_BY = 3
LOOKALIKES = str.maketrans("аеорсухіјѕԁһԛԝαοενικρτυ", "aeopcyxijsdhqwaoevikptu")
NUMBER = re.compile(r"(?<![0-9A-Za-z])[0-9](?:[ ().\-/]{0,5}[0-9]){6,}(?![0-9A-Za-z])")
INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
MARKS = re.compile(r"[\W_]+")
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
STREAMS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd")

Hit = tuple[str, int]


def compose(text: str) -> str:
    """NFKC."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def fold(text: str) -> str:
    """NFKC, casefolded, letters of other alphabets that look Latin as Latin ones, letters and digits only."""
    plain = compose(compose(text).casefold())
    return MARKS.sub("", plain if plain.isascii() else plain.translate(LOOKALIKES))


class Matcher:
    """Canaries in every form that the specification lists; `found_in` says which ones some content holds."""

    def __init__(self, canaries: Sequence[str]) -> None:
        self.canaries = canaries
        self.automaton = ahocorasick.Automaton()
        words: dict[str, set[Hit]] = {}
        for at, canary in enumerate(canaries):
            for kind, form in forms(canary):
                words.setdefault(form, set()).add((kind, at))
        for part, at in parts(canaries):
            words.setdefault(part, set()).add(("part", at))
        for word, hits in words.items():
            self.automaton.add_word(word, hits)
        self.automaton.make_automaton()
        digits = {
            at: re.sub(r"[^0-9]", "", unicodedata.normalize("NFKC", c)) for at, c in enumerate(canaries)
        }
        self.numbers = {
            number: at for at, number in digits.items() if is_number(canaries[at]) and len(number) >= PART
        }
        self.sizes = {len(number) for number in self.numbers}

    def found_in(self, content: bytes | str) -> set[Hit]:
        """(form, canary) for every canary in bytes or text."""
        views = [content] if isinstance(content, str) else decoded(content)
        found: set[Hit] = set()
        for view in views:
            for text in unescaped(view):
                if len(self.automaton):
                    for _, hits in self.automaton.iter(fold(text)):
                        found |= hits
                found.update(self._numbers_in(text))
        return found

    def _numbers_in(self, text: str) -> Iterator[Hit]:
        for run in set(NUMBER.findall(compose(INVISIBLE.sub("", text)))):
            number = re.sub(r"[^0-9]", "", run)
            for size in self.sizes:
                # A bare number holds a canary at its end only: longer ones are counters and times.
                starts = range(len(number) - size + 1) if number != run else [len(number) - size]
                numbers = {number[start : start + size] for start in starts if start >= 0}
                yield from (("digits", self.numbers[known]) for known in numbers & self.numbers.keys())

    def leaks(self, sinks: Iterable[Path | tuple[str, str]]) -> list[str]:
        """One line for each sink and canary: `SINK: FORM of canary N`. Sinks are files, folders or (name, text)."""
        lines = []
        for sink in sinks:
            if isinstance(sink, tuple):
                lines += [f"{sink[0]}: {form} of canary {at}" for form, at in sorted(self.found_in(sink[1]))]
                continue
            for path in sorted(sink.rglob("*")) if sink.is_dir() else [sink]:
                if path.is_file():
                    found = set().union(self.found_in(path.name), *map(self.found_in, contents(path)))
                    lines += [f"{path.name}: {form} of canary {at}" for form, at in sorted(found)]
        return lines


def is_number(canary: str) -> bool:
    """Whether a canary is digits and their punctuation."""
    return sum(map(str.isalpha, canary)) <= 2


def forms(canary: str) -> Iterator[Hit]:
    """(form, folded text) of a whole canary: plain, reversed, hexadecimal, base64 at each alignment."""
    plain, raw = fold(canary), canary.encode()
    if len(plain) >= (CHANCE_PART if plain.isdecimal() else PART):
        yield "plain", plain
        yield "reversed", plain[::-1]
    yield "hex", raw.hex()
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + raw).decode()
        inner = fold(encoded[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6])
        if len(inner) >= ENCODED_PART:
            yield "base64", inner


def parts(canaries: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Windows that only few canaries have: eight characters; ten where all are plain letters; twelve where digits and a
    to f would be chance.
    """
    found = []
    for at, canary in enumerate(canaries):
        plain = fold(canary)
        for size in (PART, LETTERS_PART, CHANCE_PART):
            windows = {plain[start : start + size] for start in range(len(plain) - size + 1)}
            found += [(window, at) for window in windows if size >= _telling(window)]
    common = Counter(window for window, _ in found)
    return ((window, at) for window, at in found if common[window] <= SHARED_BY)


def _telling(window: str) -> int:
    """Characters that a window of this kind needs to be no chance."""
    if set(window) <= set("0123456789abcdef"):
        return CHANCE_PART
    return LETTERS_PART if window.isascii() and window.isalpha() else PART


def unescaped(text: str) -> set[str]:
    """The text, and with URL escapes, character references and JSON escapes undone."""
    views = {text}
    if "\\u" in text:
        views.add(ESCAPED.sub(lambda found: chr(int(found[1], 16)), text))
    return views | {unquote(text) if "%" in text else text, html.unescape(text) if "&" in text else text}


def decoded(content: bytes) -> Iterator[str]:
    """Bytes as UTF-8 and as both kinds of UTF-16 at both alignments, and what compressed streams in them hold."""
    yield content.decode("utf-8", "ignore")
    if content.count(0) > len(content) // 8:
        for start in (0, 1):
            for order in ("utf-16-le", "utf-16-be"):
                yield content[start:].decode(order, "ignore")
    view = memoryview(content)
    for start in (at.start() for mark in STREAMS for at in re.finditer(re.escape(mark), content)):
        inflated = inflate(view[start:])
        if inflated:
            yield inflated.decode("utf-8", "ignore")


def inflate(stream: memoryview) -> bytes:
    """What a zlib, gzip or Zstandard stream at the start of some bytes holds; nothing if there is none."""
    import zstandard

    try:
        if stream[:1] == b"\x28":
            return zstandard.ZstdDecompressor().decompressobj().decompress(stream)
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(stream)
    except (zlib.error, zstandard.ZstdError):
        return b""


def contents(path: Path) -> Iterator[bytes | str]:
    """A file's bytes, then what its format keeps in them."""
    raw = path.read_bytes()
    yield raw
    if raw.startswith(b"PAR1"):
        yield from parquet_contents(path)
    elif raw.startswith(b"SQLite format 3"):
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            database.text_factory = lambda cell: cell.decode("utf-8", "ignore")
            yield "\n".join(database.iterdump())
        database.close()
    elif raw[8:12] == b"DUCK":
        yield from duckdb_contents(path)


def parquet_contents(path: Path) -> Iterator[str]:
    """Cells, key-value metadata and statistics of a Parquet file."""
    table = pq.read_table(path)
    yield json.dumps(table.to_pylist(), default=str, ensure_ascii=False)
    yield str(pq.read_metadata(path).metadata)
    yield "\n".join(statistics(path))


def statistics(path: Path) -> Iterator[str]:
    """Smallest and largest values that a Parquet file's footer repeats."""
    metadata = pq.read_metadata(path)
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            found = metadata.row_group(group).column(column).statistics
            if found is not None and found.has_min_max:
                yield f"{found.min} {found.max}"


def duckdb_contents(path: Path) -> Iterator[str]:
    """Cells, names, comments and view texts of a DuckDB file."""
    with duckdb.connect(str(path), read_only=True) as database:
        for listing in ("duckdb_tables()", "duckdb_views()", "duckdb_columns()"):
            yield str(database.execute(f"SELECT * FROM {listing} WHERE NOT internal").fetchall())
        for schema, table in database.execute(
            "SELECT schema_name, table_name FROM duckdb_tables()"
        ).fetchall():
            yield str(database.execute(f'FROM "{schema}"."{table}"').fetchall())
