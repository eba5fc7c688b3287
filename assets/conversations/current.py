"""Which version of a conversation counts when several batches hold it."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl


def choose_current(versions: pl.DataFrame, batch_order: Mapping[str, int]) -> tuple[pl.DataFrame, dict[str, int]]:
    """Keep the latest version of each conversation id, whatever the order in which batches were processed.

    In: conversation_id, content_hash, started_at, updated_at, batch; ids are unique within a batch. Latest means the
    later `updated_at` (else `started_at`; unknown is earliest), then the later added batch. Out: conversation_id and
    batch of the version that counts, and counts of versions dropped as identical and as superseded.
    """
    latest = (
        versions.with_columns(
            _time=pl.coalesce("updated_at", "started_at"),
            _ordinal=pl.col("batch").replace_strict(batch_order, return_dtype=pl.Int64),
        )
        .sort("_time", "_ordinal", nulls_last=False)
        .with_columns(_kept=pl.col("content_hash").last().over("conversation_id"))
    )
    current = latest.unique("conversation_id", keep="last", maintain_order=True)
    identical = latest.filter(pl.col("content_hash") == pl.col("_kept")).height - current.height
    counts = {
        "conversations": current.height,
        "dropped_identical": identical,
        "superseded": versions.height - current.height - identical,
    }
    return current.select("conversation_id", "batch").sort("batch", "conversation_id"), counts
