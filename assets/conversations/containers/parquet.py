"""Parquet as rows: record batches of bounded size, turned into Python values column by column."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assets.conversations.reading import Fault, Row
from dagster_project.errors import ObservatoryError

BATCH_ROWS = 1_000
NO_OFFSET = -1


def read_parquet(path: Path, columns: frozenset[str] | None = None) -> Iterator[Row | Fault]:
    """Rows as dicts, numbered from 1; times become microseconds since 1970 (a time without a zone is UTC).

    A row group that cannot be decoded becomes one fault per row. Raises ObservatoryError where the file as a
    whole cannot be opened.
    """
    try:
        file = pq.ParquetFile(path, pre_buffer=False)
        names = [name for name in file.schema_arrow.names if columns is None or name in columns]
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise ObservatoryError(
            f"{path.name} is not a readable Parquet file (its footer is missing or damaged)"
        ) from None
    with file:
        position = 1
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            yield from _read_group(file, group, names, position, rows)
            position += rows


def _read_group(
    file: pq.ParquetFile, group: int, names: list[str], position: int, rows: int
) -> Iterator[Row | Fault]:
    done = 0
    try:
        for batch in file.iter_batches(BATCH_ROWS, row_groups=[group], columns=names):
            for value in _rows(batch):
                yield value._replace(line=position + done)
                done += 1
    except (pa.ArrowException, OSError):
        pass
    for index in range(done, rows):
        yield Fault(NO_OFFSET, position + index, "bad_parquet")


def _rows(batch: pa.RecordBatch) -> Iterator[Row | Fault]:
    try:
        columns = [to_python(column) for column in batch.columns]
    except UnicodeDecodeError:
        if batch.num_rows == 1:
            yield Fault(NO_OFFSET, 0, "bad_encoding")
            return
        for index in range(batch.num_rows):
            yield from _rows(batch.slice(index, 1))
        return
    names = batch.schema.names
    if not columns:
        yield from (Row(NO_OFFSET, 0, {}) for _ in range(batch.num_rows))
        return
    for values in zip(*columns, strict=True):
        yield Row(NO_OFFSET, 0, dict(zip(names, values, strict=True)))


def to_python(column: pa.Array) -> list[Any]:
    """Values of a column; lists of structs much faster than pyarrow, which converts value by value."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return to_python(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        return pc.cast(pc.cast(column, pa.timestamp("us", kind.tz), safe=False), pa.int64()).to_pylist()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _lists(column)
    if pa.types.is_struct(kind):
        return _structs(column)
    return column.to_pylist()


def _lists(column: pa.ListArray) -> list[Any]:
    offsets = column.offsets.to_pylist()
    first = offsets[0] if offsets else 0
    values = to_python(column.values.slice(first, (offsets[-1] if offsets else 0) - first))
    present = column.is_valid().to_pylist()
    return [
        values[start - first : end - first] if valid else None
        for start, end, valid in zip(offsets, offsets[1:], present, strict=False)
    ]


def _structs(column: pa.StructArray) -> list[Any]:
    names = [field.name for field in column.type]
    fields = [to_python(field) for field in column.flatten()]
    rows = zip(*fields, strict=True) if fields else iter([()] * len(column))
    present = column.is_valid().to_pylist()
    return [
        dict(zip(names, values, strict=True)) if valid else None
        for values, valid in zip(rows, present, strict=True)
    ]
