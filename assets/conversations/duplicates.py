"""Repeated rows: ids that come twice in a file, and rows that an earlier batch already holds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl


class Resolved(NamedTuple):
    """Which rows stay (Boolean, one per row in, in their order), and how many went for which reason."""

    keep: pl.Series
    dropped_identical: int
    superseded: int


def resolve_duplicates(ids: pl.DataFrame) -> Resolved:
    """Keep the latest row of each conversation id; count the others as identical to it or superseded.

    In: conversation_id, content_hash, updated_at, started_at, position (unique). Latest is the later
    `updated_at`, else `started_at` (unknown is earliest), then the later position. Of rows with the content
    that stays, one stays.
    """
    ranked = ids.lazy().with_row_index("_row").with_columns(_time=pl.coalesce("updated_at", "started_at"))
    latest = (
        ranked.sort("_time", "position", nulls_last=False)
        .with_columns(
            _last=pl.col("_row").last().over("conversation_id"),
            _content=pl.col("content_hash").last().over("conversation_id"),
        )
        .select(
            "_row", keep=pl.col("_row") == pl.col("_last"), same=pl.col("content_hash") == pl.col("_content")
        )
        .sort("_row")
        .collect()
    )
    dropped = latest.filter(~pl.col("keep"))
    identical = int(dropped["same"].sum())
    return Resolved(latest["keep"], identical, dropped.height - identical)


def drop_known(ids: pl.DataFrame, known: pl.DataFrame) -> Resolved:
    """Keep the rows that could become the latest version of their id; the others count as identical.

    In: both frames with conversation_id, content_hash, updated_at, started_at; `known` also with the position (ordinal)
    of its batch. A row is dropped where the latest version that is known, by the order of `resolve_duplicates`, has its
    content and is as late: an older version with its content does not tell that it is the older one again.
    """
    time = pl.coalesce("updated_at", "started_at").alias("time")
    latest = known.filter(resolve_duplicates(known).keep).select(
        "conversation_id", time, known_hash="content_hash"
    )
    marked = ids.select("conversation_id", "content_hash", time).join(
        latest, on="conversation_id", how="left", maintain_order="left", suffix="_known"
    )
    later = pl.col("time").is_not_null() & (pl.col("time") > pl.col("time_known")).fill_null(True)
    repeats = (pl.col("content_hash") == pl.col("known_hash")).fill_null(False)
    keep = marked.select(keep=~(repeats & ~later))["keep"]
    return Resolved(keep, int((~keep).sum()), 0)


class Repetitions:
    """Counts how often each 64-bit digest was met before, in eight bytes per distinct digest.

    Sorted runs are merged whenever the last two are of similar size, so adding n digests costs O(n log n) in
    all.
    """

    def __init__(self) -> None:
        """Start with nothing met."""
        self._runs: list[np.ndarray] = []
        self._repeated: dict[int, int] = {}

    def count(self, digests: np.ndarray) -> np.ndarray:
        """How often each digest (uint64, length n) came before, in order; afterwards they count as met."""
        distinct, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
        known = self._seen(distinct)
        before = np.zeros(len(digests), dtype=np.int64)
        again = np.ones(len(digests), dtype=bool)
        again[first[~known]] = False
        for row in np.flatnonzero(again):
            digest = int(distinct[inverse[row]])
            before[row] = self._repeated[digest] = self._repeated.get(digest, 0) + 1
        self._add(distinct[~known])
        return before

    def _seen(self, digests: np.ndarray) -> np.ndarray:
        seen = np.zeros(len(digests), dtype=bool)
        for run in self._runs:
            places = np.minimum(np.searchsorted(run, digests), len(run) - 1)
            seen |= run[places] == digests
        return seen

    def _add(self, digests: np.ndarray) -> None:
        if len(digests):
            self._runs.append(digests)
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            last = self._runs.pop()
            self._runs[-1] = np.sort(np.concatenate([self._runs[-1], last]), kind="stable")
