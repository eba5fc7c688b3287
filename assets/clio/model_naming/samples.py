"""What a namer is shown of a cluster: some of its members, and the nearest conversations that are not; pure.

Who is shown is decided by a keyed hash and by nearness alone. No user has more than a few places, no text more than one,
and what belongs to a burst has none, so that nobody can fill a sample by writing much. Source: Clio G.5; specs/clio.md
section 4, point 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dagster_project.privacy.identity import keyed_rank
from dagster_project.privacy.instructions import strip_instructions

PLACES = 50
MOST_OF_A_USER = 3
# Nearest conversations looked at for each place, since some of them share a user or a text.
CANDIDATES = 4
# Similarities held at once, of rows with clusters.
LARGEST_BLOCK = 4_000_000
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Sample:
    """Requests of a cluster and of its surroundings, and whose they are (user keys and conversation ids)."""

    inside: list[str]
    outside: list[str]
    sources: frozenset[str]


def readable(members: pl.DataFrame, in_bursts: pl.Series) -> pl.DataFrame:
    """What of each conversation may be shown and counted, in the order of `members`.

    In: conversation_id, user_key, request, task, day; ids of conversations in bursts. Out: row, conversation_id, user,
    user_key, day, text: the request without what speaks to a model; empty for a burst's.
    """
    said = pl.when(pl.col("request").fill_null("") == "").then("task").otherwise("request").fill_null("")
    texts = (
        strip_instructions(members.select(text=said)["text"]).str.replace_all(r"\s+", " ").str.strip_chars()
    )
    burst = pl.col("conversation_id").is_in(in_bursts.implode())
    return members.select(
        "conversation_id",
        "user_key",
        "day",
        row=pl.int_range(pl.len(), dtype=pl.UInt32),
        user=pl.col("user_key").fill_null(UNKNOWN),
        text=pl.when(burst).then(pl.lit("")).otherwise(texts),
    )


def draw_samples(
    shown: pl.DataFrame,
    labels: NDArray[np.int32],
    vectors: NDArray[np.float32],
    centroids: NDArray[np.float32],
    wanted: list[int],
    secret: bytes,
) -> dict[int, Sample]:
    """Samples of the clusters `wanted`. In: `readable` rows, cluster [N] and vector [N, D] of each, centroids [k, D]."""
    usable = shown["text"].ne("").to_numpy()
    placed = shown.with_columns(cluster=pl.Series(labels, dtype=pl.Int32)).filter(pl.Series(usable))
    own = placed.filter(pl.col("cluster").is_in(wanted))
    rank = pl.Series("rank", keyed_rank(secret, "naming sample", own["conversation_id"]), dtype=pl.Binary)
    inside = _bounded(own.with_columns(rank).sort("rank"))
    near = nearest_outside(vectors, labels, centroids, np.array(wanted), usable, PLACES * CANDIDATES)
    pairs = pl.DataFrame({"cluster": np.repeat(wanted, near.shape[1]), "row": near.ravel()})
    pairs = pairs.filter(pl.col("row") >= 0).with_columns(
        pl.col("cluster").cast(pl.Int32), pl.col("row").cast(pl.UInt32)
    )
    outside = _bounded(pairs.join(placed.drop("cluster"), on="row", how="inner", maintain_order="left"))
    return {cluster: _sample(inside.get(cluster), outside.get(cluster)) for cluster in wanted}


def nearest_outside(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int32],
    centroids: NDArray[np.float32],
    wanted: NDArray[np.int64],
    usable: NDArray[np.bool_],
    count: int,
) -> NDArray[np.int64]:
    """Rows [len(wanted), count] nearest to each cluster's centroid and not in it, the nearest first; -1: no more.

    One pass over the rows, in blocks: never all rows times all clusters at once.
    """
    best = np.full((len(wanted), count), -np.inf, dtype=np.float32)
    rows = np.full((len(wanted), count), -1, dtype=np.int64)
    targets = centroids[wanted]
    block = max(256, LARGEST_BLOCK // max(1, len(wanted)))
    for start in range(0, len(labels), block):
        here = slice(start, min(start + block, len(labels)))
        similar = targets @ np.asarray(vectors[here]).T
        similar[:, ~usable[here]] = -np.inf
        similar[wanted[:, None] == labels[here][None, :]] = -np.inf
        similar = np.concatenate([best, similar], axis=1)
        found = np.concatenate(
            [rows, np.broadcast_to(np.arange(here.start, here.stop), (len(wanted), here.stop - start))],
            axis=1,
        )
        top = np.argpartition(-similar, count - 1, axis=1)[:, :count]
        best, rows = np.take_along_axis(similar, top, axis=1), np.take_along_axis(found, top, axis=1)
    rows = np.where(np.isfinite(best), rows, -1)
    return np.take_along_axis(rows, np.lexsort((rows, -best), axis=1), axis=1)


def _bounded(rows: pl.DataFrame) -> dict[int, pl.DataFrame]:
    """The first rows of each cluster, in order, that no user and no text has too many of."""
    distinct = rows.unique(["cluster", "text"], keep="first", maintain_order=True)
    few = distinct.filter(pl.int_range(pl.len()).over("cluster", "user") < MOST_OF_A_USER)
    first = few.group_by("cluster", maintain_order=True).head(PLACES)
    return {int(key[0]): part for key, part in first.partition_by("cluster", as_dict=True).items()}


def _sample(inside: pl.DataFrame | None, outside: pl.DataFrame | None) -> Sample:
    parts = [part for part in (inside, outside) if part is not None]
    people = {
        value
        for part in parts
        for name in ("user_key", "conversation_id")
        for value in part[name].drop_nulls()
    }
    texts = [[] if part is None else part["text"].to_list() for part in (inside, outside)]
    return Sample(texts[0], texts[1], frozenset(people))
