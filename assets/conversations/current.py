"""Which version of a conversation counts when several batches hold it."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from assets.conversations.duplicates import resolve_duplicates


def choose_current(
    versions: pl.DataFrame, batch_order: Mapping[str, int]
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Keep the latest version of each conversation id, whatever the order in which batches were processed.

    In: conversation_id, content_hash, started_at, updated_at, batch; ids are unique within a batch. Latest means the
    later `updated_at` (else `started_at`; unknown is earliest), then the later added batch. Out: conversation_id and
    batch of the version that counts, sorted, and counts of versions dropped as identical and as superseded.
    """
    ordinals = pl.col("batch").replace_strict(dict(batch_order), return_dtype=pl.Int64)
    resolved = resolve_duplicates(versions.with_columns(position=ordinals))
    current = (
        versions.filter(resolved.keep).select("conversation_id", "batch").sort("batch", "conversation_id")
    )
    counts = {
        "conversations": current.height,
        "dropped_identical": resolved.dropped_identical,
        "superseded": resolved.superseded,
    }
    return current, counts
