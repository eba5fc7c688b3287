"""Taking rows out of the lake: each partition written anew without them, in its order, and put in place at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from dagster_project.erasure.survey import HOLDS_NOBODY, Victims, catalogued, columns_of, personal_tables
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home
from dagster_project.lake import WHOLE, Lake
from schemas.catalogue import CLUSTER_ASSIGNMENTS, CLUSTER_CENTROIDS, CONVERSATIONS, Table

Fingerprints = Mapping[tuple[str, str], str]


def rewrite_whole_tables(home: Home, victims: Victims) -> None:
    """Take the victims out of the tables over all batches; they stay stale and are computed again later."""
    for table in personal_tables(batched=False):
        if _is_sound(home.lake, table, WHOLE):
            _rewrite(home.lake, table, WHOLE, _going(table, victims.all_ids(), victims.keys))
    _drop_emptied_clusters(home.lake)


def rewrite_batch(
    home: Home, batch: str, victims: Victims, before: Fingerprints, after: Fingerprints
) -> None:
    """Take the victims out of one batch's tables.

    A table that was what its inputs imply (`before`) is so afterwards (`after`): it is not computed again. The
    conversations come last: as long as they are there, an interrupted erasure finds the same victims again.
    """
    lake, ids = home.lake, victims.ids.get(batch, pl.Series(dtype=pl.String))
    personal = personal_tables(batched=True)
    impersonal = [table for table in catalogued() if table.batched and table.name in HOLDS_NOBODY]
    for table in [*impersonal, *personal]:
        if not _is_sound(lake, table, batch):
            continue
        if table in personal:
            _rewrite(lake, table, batch, _going(table, ids, victims.keys))
        manifest = lake.manifest(table.zone, table.name, batch)
        if manifest and manifest.fingerprint == before[table.name, batch]:
            lake.relabel(table.zone, table.name, batch, after[table.name, batch])


def _is_sound(lake: Lake, table: Table, partition: str) -> bool:
    """Whether a partition can be read; where it cannot, it cannot be cleaned either, and goes: it is made again."""
    try:
        lake.path(table.zone, table.name, partition)
    except ObservatoryError:
        lake.remove(table.zone, table.name, partition)
        return False
    return True


def _going(table: Table, ids: pl.Series, keys: pl.Series) -> pl.Expr:
    """Which rows of a table go: by conversation, by user, or by either."""
    values = {"conversation_id": ids, "user_key": keys}
    return pl.any_horizontal(
        pl.col(name).is_in(values[name].implode()).fill_null(False)
        for name in columns_of(table)
        if name in values
    )


def _rewrite(lake: Lake, table: Table, partition: str, going: pl.Expr) -> None:
    manifest = lake.manifest(table.zone, table.name, partition)
    path = lake.path(table.zone, table.name, partition)
    if manifest is None or not pl.scan_parquet(path).select(going.sum()).collect().item():
        return
    # The conversations' row groups are the chunks of their file, all other tables' are slices of one size.
    frames = (
        _kept(path, going) if table == CONVERSATIONS else _regrouped(_kept(path, going), _group_rows(path))
    )
    staged = lake.stage(table.zone, table.name, frames, partition)
    lake.commit(staged, code_version=manifest.code_version, fingerprint=manifest.fingerprint)


def _kept(path: Path, going: pl.Expr) -> Iterator[pl.DataFrame]:
    with pq.ParquetFile(path) as file:
        for index in range(file.num_row_groups):
            frame = pl.DataFrame(pl.from_arrow(file.read_row_group(index)))
            yield frame.filter(~going)


def _group_rows(path: Path) -> int:
    with pq.ParquetFile(path) as file:
        return file.metadata.row_group(0).num_rows


def _regrouped(frames: Iterator[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """The frames' rows in frames of `rows`, as a step that reads the kept rows in slices writes them."""
    waiting, given = next(frames), False
    for frame in frames:
        waiting = pl.concat([waiting, frame])
        while waiting.height >= rows:
            yield waiting.head(rows)
            waiting, given = waiting.slice(rows), True
    if waiting.height or not given:
        yield waiting


def _drop_emptied_clusters(lake: Lake) -> None:
    """A centroid that nobody is left in would be the forgotten one's own vector."""
    if not all(_is_sound(lake, table, WHOLE) for table in (CLUSTER_ASSIGNMENTS, CLUSTER_CENTROIDS)):
        return
    left = lake.scan(CLUSTER_ASSIGNMENTS.zone, CLUSTER_ASSIGNMENTS.name).select("cluster_id").collect()
    emptied = ~pl.col("cluster_id").is_in(left["cluster_id"].unique().implode())
    _rewrite(lake, CLUSTER_CENTROIDS, WHOLE, emptied)
