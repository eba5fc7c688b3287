"""One batch from its file into staged tables: streamed, duplicates resolved, every row of the file accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from assets.conversations.chunks import Counts, IngestChunk
from assets.conversations.duplicates import drop_known, resolve_duplicates
from assets.conversations.ingest import ingest_file
from dagster_project.errors import ObservatoryError
from dagster_project.home import Batch
from dagster_project.lake import Lake, StagedTable
from dagster_project.privacy.identity import Pseudonymiser, load_or_create_secret
from dagster_project.privacy.tombstones import Mason, Tombstones
from dagster_project.settings import Settings
from schemas.catalogue import CONVERSATIONS

IDENTITY = ("conversation_id", "content_hash", "updated_at", "started_at")


def no_versions() -> pl.DataFrame:
    """The versions that are known where no batch has been read."""
    when = pl.Datetime("us", "UTC")
    return pl.DataFrame(
        schema=dict(zip(IDENTITY, (pl.String, pl.String, when, when), strict=True)) | {"position": pl.Int64}
    )


@dataclass(frozen=True)
class BatchReading:
    """The tables of one batch: conversations staged in the lake, quarantine as a frame, and what was counted."""

    conversations: StagedTable
    quarantine: pl.DataFrame
    rows_in: int
    counts: dict[str, int]


@dataclass
class _Tally:
    """What passes by while the chunks are written: identities, faults and counts, but no text."""

    batch: Batch
    tombstones: Tombstones
    mason: Mason
    identities: list[pl.DataFrame] = field(default_factory=list)
    faults: list[pl.DataFrame] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)

    def note(self, chunk: IngestChunk) -> pl.DataFrame:
        """Take a chunk and give back what of it may be written: nothing of who was forgotten reaches a file."""
        owned = chunk.conversations.select(
            "conversation_id",
            user_key=chunk.owners,
            unowned=pl.lit(self.batch.privacy_unit == "conversation"),
        )
        forgotten = self.tombstones.covers(owned, self.mason)
        self.identities.append(chunk.conversations.select(*IDENTITY, forgotten=forgotten))
        self.faults.append(chunk.quarantine)
        self.counts += chunk.counts
        return chunk.conversations.filter(~forgotten)


def read_batch(
    lake: Lake,
    batch: Batch,
    path: Path,
    secret: Path,
    known: pl.DataFrame,
    settings: Settings,
    progress: Callable[[int], None],
    tombstones: Tombstones,
) -> BatchReading:
    """Read a file into the lake's staging area.

    `known` is what `drop_known` compares with, of earlier batches; rows that repeat it are dropped and counted, and so are conversations that meet one of the `tombstones` (`rows_forgotten`; they are among rows_ok).
    Raises ObservatoryError when the rows of the file do not add up.
    """
    key = load_or_create_secret(secret)
    tally = _Tally(batch, tombstones, Mason(key))
    chunks = ingest_file(
        path,
        format_name=batch.format,
        mapping=batch.mapping,
        privacy_unit="user" if batch.privacy_unit == "user" else "conversation",
        pseudonymise=Pseudonymiser(key),
        max_characters=settings.max_conversation_characters,
        progress=progress,
    )
    staged = lake.stage(
        CONVERSATIONS.zone, CONVERSATIONS.name, (tally.note(chunk) for chunk in chunks), batch.key
    )
    quarantine = pl.concat(tally.faults)
    rows_in, rows_ok, skipped = tally.counts.rows_in, tally.counts.rows_ok, tally.counts.rows_skipped
    if rows_in != rows_ok + skipped + quarantine.height:
        raise ObservatoryError(
            f"{rows_in} rows were read but {rows_ok} kept, {skipped} skipped and {quarantine.height} quarantined"
        )
    keep, dropped = keep_rows(pl.concat(tally.identities), known)
    if not keep.all():
        staged = _restage(lake, staged, keep)
    counts = {**tally.counts.as_dict(), **dropped, "conversations": staged.rows}
    return BatchReading(staged, quarantine, rows_in, counts)


def keep_rows(identities: pl.DataFrame, known: pl.DataFrame) -> tuple[pl.Series, dict[str, int]]:
    """Which of the rows that are not `forgotten` stay, and why the others of the file do not.

    Duplicates are resolved before forgetting: a version that a forgotten one had replaced does not come back.
    """
    within = resolve_duplicates(identities.with_row_index("position"))
    across = drop_known(identities, known)
    keep, forgotten = within.keep & across.keep, identities["forgotten"]
    counts = {
        "dropped_identical": within.dropped_identical,
        "superseded": within.superseded,
        "already_known": int((within.keep & ~across.keep).sum()),
        "rows_forgotten": int((keep & forgotten).sum()),
    }
    return keep.filter(~forgotten), counts


def _restage(lake: Lake, staged: StagedTable, keep: pl.Series) -> StagedTable:
    again = lake.stage(staged.zone, staged.table, _kept_row_groups(staged, keep), staged.partition)
    staged.path.unlink()
    return again


def _kept_row_groups(staged: StagedTable, keep: pl.Series) -> Iterator[pl.DataFrame]:
    start = 0
    with pq.ParquetFile(staged.path) as file:
        for index in range(file.num_row_groups):
            frame = pl.DataFrame(pl.from_arrow(file.read_row_group(index)))
            yield frame.filter(keep.slice(start, frame.height))
            start += frame.height
