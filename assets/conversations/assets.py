"""Files in, conversations out: ingestion with quarantine, redaction, and which version of each conversation counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.conversations.current import choose_current
from dagster_project.checks import GateSpec, Outcome
from dagster_project.erasure.record import read_record
from dagster_project.errors import ObservatoryError
from dagster_project.files import sha256_file
from dagster_project.home import Batch
from dagster_project.lake import StagedTable
from dagster_project.steps import Result, Step, table_step
from schemas.catalogue import CONVERSATIONS, CURRENT_CONVERSATIONS, QUARANTINE, REDACTED_CONVERSATIONS

if TYPE_CHECKING:
    from assets.conversations.batch import BatchReading

SLICE = 10_000


def refuse_bad_batch(step: Step, staged: Mapping[str, StagedTable], result: Result) -> list[Outcome]:
    """Refuse a batch of which more than the configured share of rows had to be quarantined.

    Rows that were skipped are no part of the whole: they hold no conversation, whatever state they are in.
    """
    quarantined, rows_in = staged[QUARANTINE.name].rows, result.metadata["rows_in"]
    relevant = rows_in - result.metadata["rows_skipped"]
    share = quarantined / relevant if relevant else 0.0
    limit = step.settings.max_quarantined_share
    readable = relevant - quarantined
    facts = {"rows_in": rows_in, "quarantined": quarantined, "share": round(share, 4), "limit": limit}
    return [Outcome(CONVERSATIONS.name, "quarantined_share", share <= limit and readable > 0, facts)]


QUARANTINED_SHARE = GateSpec(
    refuse_bad_batch,
    ((CONVERSATIONS.name, "quarantined_share"),),
    "At most the configured share of a batch's rows is unreadable, and at least one row is readable.",
)


@table_step(
    outputs=[QUARANTINE, CONVERSATIONS],
    version="3",
    group="conversations",
    settings=("max_conversation_characters",),
    gates=[QUARANTINED_SHARE],
    kinds=("python", "parquet"),
)
def conversations(step: Step) -> Result:
    """Reads one file: conversations in one shape, bad rows to quarantine with place and reason, duplicates counted."""
    from assets.conversations.batch import read_batch

    batch = step.batch
    path = _unchanged_file(batch)
    reading = read_batch(
        step.lake,
        batch,
        path,
        step.home.secret,
        _known(step, batch),
        step.settings,
        step.report,
        read_record(step.home).tombstones,
    )
    return Result(
        {QUARANTINE.name: reading.quarantine, CONVERSATIONS.name: reading.conversations},
        # The log of runs is published: a forgotten user's rows would stand in it as a difference.
        rows_in=reading.rows_in - reading.counts["rows_forgotten"],
        metadata=_reading_metadata(batch, reading),
        keep_when_refused=[QUARANTINE.name],
    )


def _reading_metadata(batch: Batch, reading: BatchReading) -> dict[str, Any]:
    return {
        "privacy_unit": batch.privacy_unit,
        "format": batch.format,
        "rows_in": reading.rows_in,
        **reading.counts,
    }


def _unchanged_file(batch: Batch) -> Path:
    path = Path(batch.path)
    if not path.is_file():
        raise ObservatoryError(
            f"the file of batch {batch.key} is gone; put it back or add it again from its new place"
        )
    if sha256_file(path) != batch.sha256:
        raise ObservatoryError(
            f"the file of batch {batch.key} has changed; add it again with `observatory run`"
        )
    return path


def _known(step: Step, batch: Batch) -> pl.DataFrame:
    """Versions in earlier batches, so that a longer export of the same log adds only what is new (`drop_known`).

    Reading earlier partitions of the same table is not a dependency that the graph can carry. Which content counts in
    `current_conversations` does not depend on it: a row is dropped only where the latest version before it says the
    same and is as late. An earlier batch that has not been read yet could hold a version in between, so only batches
    after it are known.
    """
    from assets.conversations.batch import IDENTITY, no_versions

    earlier = [no_versions().lazy()]
    for other in sorted(step.home.batches(), key=lambda other: other.ordinal):
        if other.ordinal >= batch.ordinal:
            break
        if step.lake.manifest(CONVERSATIONS.zone, CONVERSATIONS.name, other.key) is None:
            del earlier[1:]
            continue
        versions = step.lake.scan(CONVERSATIONS.zone, CONVERSATIONS.name, other.key)
        earlier.append(versions.select(*IDENTITY, position=pl.lit(other.ordinal, pl.Int64)))
    return pl.concat(earlier).collect()


@table_step(
    outputs=[REDACTED_CONVERSATIONS],
    inputs=[CONVERSATIONS],
    version="1",
    group="conversations",
    kinds=("polars", "presidio", "parquet"),
)
def redacted_conversations(step: Step, conversations: pl.LazyFrame) -> Result:
    """Replaces direct identifiers in every message by typed placeholders before anything else reads the text."""
    from dagster_project.privacy.redaction import redact_conversations

    total: int = conversations.select(pl.len()).collect().item()
    text = conversations.select("conversation_id", "messages")
    types: Counter[str] = Counter()

    def redacted() -> Iterator[pl.DataFrame]:
        for part in slices(step, text, total):
            frame, counts = redact_conversations(part)
            types.update(counts)
            yield frame

    name = REDACTED_CONVERSATIONS.name
    staged = step.lake.stage(REDACTED_CONVERSATIONS.zone, name, redacted(), step.partition)
    return Result({name: staged}, rows_in=total, metadata={"redactions": dict(types.most_common())})


def slices(step: Step, frame: pl.LazyFrame, total: int) -> Iterator[pl.DataFrame]:
    """The rows of a frame in collected slices, so that memory does not grow with the batch."""
    for start in range(0, max(total, 1), SLICE):
        yield frame.slice(start, SLICE).collect()
        step.report(min(start + SLICE, total), total)


@table_step(outputs=[CURRENT_CONVERSATIONS], inputs=[CONVERSATIONS], version="1", group="conversations")
def current_conversations(step: Step, conversations: pl.LazyFrame) -> Result:
    """Decides, over all batches, which version of each conversation counts: the latest, once."""
    order = {batch.key: batch.ordinal for batch in step.home.batches()}
    versions = conversations.select(
        "conversation_id",
        "content_hash",
        "started_at",
        "updated_at",
        "batch",
    ).collect()
    current, counts = choose_current(versions, order)
    return Result({CURRENT_CONVERSATIONS.name: current}, rows_in=versions.height, metadata=counts)
