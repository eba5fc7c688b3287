"""One file in, its conversations out in chunks: every row accounted for, in memory that stays level."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from assets.conversations.chunks import ChunkBuilder, Counts, IngestChunk
from assets.conversations.containers.archive import read_account, sources
from assets.conversations.containers.rows import read_rows
from assets.conversations.duplicates import Resolved, drop_known, resolve_duplicates
from assets.conversations.loaders.base import Fields, Loader, Outcome, Parsed, Skipped
from assets.conversations.loaders.registry import choose_container, get_loader
from assets.conversations.reading import MAX_ROW_BYTES, Fault
from dagster_project.errors import ObservatoryError

__all__ = [
    "Counts",
    "IngestChunk",
    "Probe",
    "Resolved",
    "drop_known",
    "ingest_file",
    "probe",
    "resolve_duplicates",
]

PrivacyUnit = Literal["user", "conversation"]


@dataclass(frozen=True)
class Probe:
    """What a file's first rows show: users, times, and how many conversations could be read."""

    format: str
    has_user_ids: bool
    has_times: bool
    readable: int
    rows: int


def probe(path: Path, format_name: str, mapping: Mapping[str, str] | None = None) -> Probe:
    """Look at a file's first rows only.

    Raises ObservatoryError on an unknown format or mapped field, where the format takes a field from no column, or
    where none of the rows has a mapped column.
    """
    loader, fields = get_loader(format_name), Fields(mapping, read_account(path))
    _require_mappable(loader, fields)
    columns = loader.columns(fields)
    every = chain.from_iterable(
        read_rows(source, choose_container(source, loader), columns=columns) for source in sources(path)
    )
    rows = list(islice(every, loader.sampled_rows))
    _require_columns(path, fields, list(loader.records(rows)))
    outcomes = list(loader.read(rows, fields))
    read = [outcome for outcome in outcomes if isinstance(outcome, Parsed)]
    return Probe(
        loader.name,
        any(parsed.user is not None for parsed in read),
        any(parsed.started is not None for parsed in read),
        len(read),
        sum(1 if isinstance(outcome, Fault) else outcome.rows for outcome in outcomes),
    )


def _require_mappable(loader: Loader, fields: Fields) -> None:
    ignored = sorted(fields.mapping.keys() - loader.mappable)
    if ignored:
        raise ObservatoryError(
            f"--map {' '.join(f'{field}={fields.mapping[field]}' for field in ignored)}: the format {loader.name} says "
            f"by itself where this is; it takes {', '.join(sorted(loader.mappable))} from columns, and "
            "--format mapping takes all"
        )


def _require_columns(path: Path, fields: Fields, records: list[dict]) -> None:
    absent = [
        f"{field}={column}"
        for field, column in fields.mapping.items()
        if records and all(fields.get(record, field) is None for record in records)
    ]
    if absent:
        raise ObservatoryError(f"--map {' '.join(absent)}: the first rows of {path.name} hold nothing there")


def ingest_file(
    path: Path,
    *,
    format_name: str,
    mapping: Mapping[str, str] | None = None,
    privacy_unit: PrivacyUnit = "user",
    pseudonymise: Callable[[str], str],
    chunk_rows: int = 10_000,
    max_characters: int = 200_000,
    max_row_bytes: int = MAX_ROW_BYTES,
    progress: Callable[[int], None] | None = None,
) -> Iterator[IngestChunk]:
    """Read a file as chunks of conversations and faults; at least one chunk, which may be empty.

    Every row of the file is in exactly one conversation or one fault, or skipped since its format says that it
    holds none: rows_in = rows_ok + rows_skipped + rows_quarantined holds for the sum of the counts. Of an archive,
    every file of conversations is read, and faults name it. `pseudonymise` maps a raw user id (or, where every conversation counts as
    its own user, its prefixed id) to a user key. `progress` is told the number of rows read so far, after
    each chunk. Ids may repeat: see `resolve_duplicates`. Raises ObservatoryError where the file as a whole
    cannot be read as this format.
    """
    loader, fields = get_loader(format_name), Fields(mapping, read_account(path))
    builder = ChunkBuilder(
        path.name,
        loader.name,
        by_user=privacy_unit == "user",
        pseudonymise=pseudonymise,
        chunk_rows=chunk_rows,
        max_characters=max_characters,
    )
    done, empty = 0, True
    for outcome in _outcomes(path, loader, fields, builder, max_row_bytes):
        if isinstance(outcome, Fault):
            builder.add_fault(outcome)
        elif isinstance(outcome, Skipped):
            builder.add_skipped(outcome.rows)
        else:
            builder.add(outcome)
        if builder.is_full:
            chunk, empty = builder.take(), False
            done += chunk.counts.rows_in
            if progress:
                progress(done)
            yield chunk
    chunk = builder.take()
    if empty or chunk.counts.rows_in:
        if progress:
            progress(done + chunk.counts.rows_in)
        yield chunk


def _outcomes(
    path: Path, loader: Loader, fields: Fields, builder: ChunkBuilder, max_bytes: int
) -> Iterator[Outcome]:
    """What the loader makes of each source of a file, the builder told which one is at hand."""
    columns = loader.columns(fields)
    for source in sources(path):
        builder.file = source.name
        container = choose_container(source, loader)
        yield from loader.read(read_rows(source, container, columns=columns, max_bytes=max_bytes), fields)
