"""What a sink of the pipeline holds: the strings that a reader of the file could get at.

Parquet is decoded column by column with its footer, SQLite and DuckDB files table by table, JSON leaf by
leaf, HTML text by text; compressed blobs are inflated. Databases are read from a private copy, so a running
writer is never disturbed or locked out; one that cannot be read is reported, for nobody knows what it holds.
"""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import orjson
import polars as pl
import pyarrow.parquet as pq

BATCH_ROWS = 50_000
CHUNK_STRINGS = 100_000
MAX_NESTING = 6
JSON_STARTS = ("{", "[", " ", "\n", "\t", "\r")
COMPANIONS = ("-wal", "-journal", ".wal")
INFLATED_LIMIT = 256 << 20
BUSY_SECONDS = 60.0


class NamedText(NamedTuple):
    """A string in memory to be searched like a file."""

    name: str
    text: str


Sink = Path | NamedText


class UnreadableError(Exception):
    """A database whose content cannot be got at. Says nothing else, so that nothing of it is quoted."""


def published_strings(path: Path) -> list[str]:
    """The distinct strings of a sink, in order of first appearance. Raises UnreadableError on a broken database.

    Parquet: values of every column with text or whole numbers, nested ones too, column names, statistics and
    key-value metadata. SQLite, DuckDB: cells, names, comments. JSON (also inside cells): keys and values.
    HTML: texts and attributes. Anything else: lines.
    """
    return list(dict.fromkeys(text for text in _strings(path) if text))


def read_pieces(sink: Sink, unreadable: list[Path]) -> Iterator[bytes | list[str]]:
    """A sink's raw content, then its decoded strings; of folders every file's. Databases that cannot be read: `unreadable`."""
    if isinstance(sink, NamedText):
        yield [sink.text]
        return
    for path in files_of(sink):
        yield path.read_bytes()
        try:
            texts = published_strings(path)
        except UnreadableError:
            unreadable.append(path)
        else:
            yield from _chunks(texts)


def files_of(path: Path) -> list[Path]:
    """The file itself with its journal, or every file below a folder, in a fixed order."""
    if path.is_dir():
        return sorted(found for found in path.rglob("*") if found.is_file() and not found.is_symlink())
    journals = (path.with_name(path.name + ending) for ending in COMPANIONS)
    return [path, *(journal for journal in journals if journal.is_file())]


def _chunks(texts: list[str]) -> Iterator[list[str]]:
    return (texts[start : start + CHUNK_STRINGS] for start in range(0, len(texts), CHUNK_STRINGS))


def _strings(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"PAR1"):
        yield from _parquet(path)
    elif head.startswith(b"SQLite format 3"):
        yield from _sqlite(path)
    elif head[8:12] == b"DUCK":
        yield from _duckdb(path)
    else:
        yield from _text(inflate(path.read_bytes()))


def _parquet(path: Path) -> Iterator[str]:
    file = pq.ParquetFile(path)
    for key, value in (file.metadata.metadata or {}).items():
        yield from (key.decode("utf-8", "replace"), value.decode("utf-8", "replace"))
    yield from file.schema_arrow.names
    for group in range(file.metadata.num_row_groups):
        for column in range(file.metadata.num_columns):
            statistics = file.metadata.row_group(group).column(column).statistics
            if statistics is not None and statistics.has_min_max:
                yield from map(str, (statistics.min, statistics.max))
    for batch in file.iter_batches(BATCH_ROWS):
        yield from frame_strings(pl.DataFrame(batch))


def frame_strings(frame: pl.DataFrame) -> Iterator[str]:
    """Distinct texts and whole numbers of every column, nested ones and compressed or JSON cells included."""
    for column in frame.get_columns():
        yield from _column_strings(column)


def _column_strings(column: pl.Series) -> Iterator[str]:
    kind = column.dtype
    if isinstance(kind, pl.Struct):
        yield from frame_strings(column.struct.unnest())
    elif isinstance(kind, pl.List):
        yield from _column_strings(column.explode())
    elif isinstance(kind, pl.Array):
        if not kind.inner.is_float():
            yield from _column_strings(column.explode())
    elif kind == pl.Binary:
        yield from (text for blob in column.drop_nulls().unique() for text in _text(inflate(blob)))
    elif kind.is_integer():
        yield from column.drop_nulls().unique().cast(pl.String)
    elif kind in (pl.String, pl.Categorical) or isinstance(kind, pl.Enum):
        yield from _leaves_of(column.cast(pl.String).drop_nulls().unique(maintain_order=True))


def _leaves_of(texts: Iterable[str]) -> Iterator[str]:
    found: dict[str, None] = {}
    for text in texts:
        _gather(text, found)
    return iter(found)


def _gather(value: Any, found: dict[str, None], depth: int = 0) -> None:
    """Collect keys and values of JSON, also of JSON written into a string; other text as it is."""
    if isinstance(value, str):
        document = _document(value) if depth < MAX_NESTING else None
        if document is None:
            found[value] = None
        else:
            _gather(document, found, depth + 1)
    elif isinstance(value, dict):
        found.update(dict.fromkeys(value))
        for inner in value.values():
            _gather(inner, found, depth)
    elif isinstance(value, list):
        for inner in value:
            _gather(inner, found, depth)
    elif isinstance(value, int) and not isinstance(value, bool):
        found[str(value)] = None


def _document(text: str) -> Any:
    if not text.startswith(JSON_STARTS):
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def inflate(blob: bytes) -> bytes:
    """A blob without its compression (zlib, gzip, zstd); anything else, and broken streams, as they are."""
    try:
        if blob[:1] == b"\x78" and len(blob) > 2 and int.from_bytes(blob[:2], "big") % 31 == 0:
            return zlib.decompressobj().decompress(blob, INFLATED_LIMIT)
        if blob[:2] == b"\x1f\x8b":
            return gzip.decompress(blob)
        if blob[:4] == b"\x28\xb5\x2f\xfd":
            import zstandard

            return zstandard.ZstdDecompressor().decompressobj().decompress(blob)
    except (zlib.error, OSError, EOFError, RuntimeError, ValueError):
        return blob
    return blob


def _text(content: bytes) -> Iterator[str]:
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = content.decode(encoding, "replace")
    document = _document(text)
    if document is not None:
        found: dict[str, None] = {}
        _gather(document, found)
        yield from found
    elif text[:200].lstrip()[:1] == "<" or "<html" in text[:2_000].lower():
        collector = _Collector()
        collector.feed(text)
        yield from collector.found
    else:
        yield from _leaves_of(text.splitlines())


class _Collector(HTMLParser):
    """Texts, attribute values and comments of a page, entities decoded."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for _, value in attrs if value]

    def handle_data(self, data: str) -> None:
        self.found += _leaves_of([data.strip()])

    def handle_comment(self, data: str) -> None:
        self.found.append(data.strip())


@contextmanager
def _snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """A private copy of a SQLite database as of one moment, whoever writes to it; gone afterwards."""
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder) / path.name)) as copy:
        latest = time.monotonic() + BUSY_SECONDS

        def wait(status: int, *_: int) -> None:
            if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > latest:
                raise UnreadableError

        with closing(sqlite3.connect(_address(path), uri=True, timeout=0)) as source:
            source.backup(copy, progress=wait)
        yield copy


def _address(path: Path) -> str:
    # Opened as usual, a database in WAL mode that nobody has open would be left with new files beside it.
    with path.open("rb") as file:
        in_wal_mode = file.read(20)[18:] == b"\2\2"
    quiet = in_wal_mode and not path.with_name(f"{path.name}-wal").exists()
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if quiet else ''}"


def _sqlite(path: Path) -> Iterator[str]:
    try:
        with _snapshot(path) as copy:
            copy.text_factory = lambda raw: raw.decode("utf-8", "replace")
            for name, kind, sql in copy.execute("SELECT name, type, sql FROM sqlite_master").fetchall():
                yield sql or name
                if kind == "table":
                    yield from _sqlite_table(copy, name)
    except sqlite3.Error:
        raise UnreadableError from None


def _sqlite_table(connection: sqlite3.Connection, table: str) -> Iterator[str]:
    quoted = table.replace('"', '""')
    columns = connection.execute(f'PRAGMA table_info("{quoted}")').fetchall()
    for _, column, *_ in columns:
        yield column
        name = column.replace('"', '""')
        query = f'SELECT DISTINCT "{name}" FROM "{quoted}" WHERE "{name}" IS NOT NULL'  # noqa: S608 (quoted)
        found: dict[str, None] = {}
        for (cell,) in connection.execute(query):
            if isinstance(cell, bytes):
                found.update(dict.fromkeys(_text(inflate(cell))))
            else:
                _gather(cell, found)
        yield from found


def _duckdb(path: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        copies = [shutil.copyfile(file, Path(folder) / file.name) for file in files_of(path)]
        try:
            with duckdb.connect(str(copies[0]), read_only=True, config=LOCKED) as connection:
                yield from _duckdb_objects(connection)
        except duckdb.Error:
            raise UnreadableError from None


EXTENSIONS = ("autoinstall_known_extensions", "autoload_known_extensions", "allow_community_extensions")
LOCKED: dict[str, str | bool | int | float | list[str]] = dict.fromkeys(
    (*EXTENSIONS, "enable_external_access"), False
)


def _duckdb_objects(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    for function in ("duckdb_tables()", "duckdb_views()", "duckdb_columns()"):
        query = f"SELECT * FROM {function} WHERE NOT internal"  # noqa: S608 (fixed names)
        described = connection.execute(query).pl()
        yield from frame_strings(described.select(pl.col(pl.String)))
    tables = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal"
    ).fetchall()
    for schema, table in tables:
        relation = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, table))
        reader = connection.execute(f"FROM {relation}").to_arrow_reader(BATCH_ROWS)
        for batch in reader:
            yield from frame_strings(pl.DataFrame(batch))
