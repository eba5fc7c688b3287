"""Which clusters of real usage the items of a suite lie near, and how much of usage each item stands for.

Nothing but published text is compared: topics of items, names and summaries of clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.evaluation.calibration import Floats, branches, calibrated_threshold
from schemas.usage import ItemUsage, UsageReach

Embed = Callable[[Sequence[str]], Floats]
"""Unit vectors [N, D] of N texts, as `Embedder.encode`."""

SLICE = 8_192
CALIBRATED_PAIRS = 4_000_000
NEAR = {"topic": pl.String, "seed_cluster_id": pl.String}


class Link(NamedTuple):
    """`usage`: schemas.usage.ItemUsage; `reach`: schemas.usage.UsageReach."""

    usage: pl.DataFrame
    reach: pl.DataFrame


def link(suite: str, items: pl.DataFrame, seeds: pl.DataFrame, clusters: pl.DataFrame, embed: Embed) -> Link:
    """Link the items of a suite to clusters.

    In: `items` schemas.evaluation.EvalItem (of it item_id, dataset, condition, topic, seed_cluster_id); `seeds`
    schemas.usage.UsageSeed; `clusters` as published, whose tree says which clusters are unlike; `embed` of the home.
    An item is near the cluster that it was drafted from, as long as that is published, and every cluster whose text is
    at least as similar to its topic as the threshold. Its weight says so; a cluster is covered by items alone that were drafted
    from no cluster, for the others lie near usage by where they come from.
    """
    own = pl.when(pl.col("seed_cluster_id").is_in(seeds["seed_cluster_id"].to_list())).then("seed_cluster_id")
    asked = items.select(
        "item_id",
        "dataset",
        "condition",
        "topic",
        own=own,
        is_drafted=pl.col("seed_cluster_id").is_not_null(),
    )
    found = _nearness(asked, seeds, clusters, embed)
    drafted = asked.drop_nulls("own").select("item_id", seed_cluster_id="own")
    similar = asked.join(found.near, on="topic").select("item_id", "seed_cluster_id")
    pairs = pl.concat([drafted, similar]).unique()
    return Link(
        _usage(asked, pairs, found, seeds),
        _reach(suite, pairs.join(asked.select("item_id", "is_drafted"), on="item_id"), found, seeds),
    )


@dataclass(frozen=True)
class _Nearness:
    """What the vectors say; no row and no threshold where there are no topics or no clusters.

    near: topic, seed_cluster_id of every pair that passes. best: topic, best, best_similarity. drafted: topic, own,
    own_similarity. reached: seed_cluster_id, similarity.
    """

    threshold: float | None
    near: pl.DataFrame
    best: pl.DataFrame
    drafted: pl.DataFrame
    reached: pl.DataFrame


def _nearness(asked: pl.DataFrame, seeds: pl.DataFrame, clusters: pl.DataFrame, embed: Embed) -> _Nearness:
    said = asked.filter(pl.col("topic").str.strip_chars() != "")
    topics = said.group_by("topic").agg(of_its_own=(~pl.col("is_drafted")).any()).sort("topic")
    ids = seeds["seed_cluster_id"]
    if topics.is_empty() or ids.is_empty():
        return _nothing()
    points = np.asarray(embed(topics["topic"].to_list()), np.float32)
    places = np.asarray(embed(_texts(seeds)), np.float32)
    every = max(1, -(-len(points) * len(places) // CALIBRATED_PAIRS))
    sample = points[::every] @ places.T
    threshold = np.float32(calibrated_threshold(sample, branches(ids, clusters), len(points)))
    best, similarity, reached, rows, columns = _compare(
        points, places, topics["of_its_own"].to_numpy(), threshold
    )
    return _Nearness(
        threshold=float(threshold),
        near=pl.DataFrame({"topic": topics["topic"].gather(rows), "seed_cluster_id": ids.gather(columns)}),
        best=topics.select(
            "topic",
            best=ids.gather(best),
            best_similarity=pl.Series(similarity, dtype=pl.Float64),
        ),
        drafted=_drafted(asked, topics, ids, points, places),
        reached=pl.DataFrame(
            {"seed_cluster_id": ids, "similarity": pl.Series(reached.astype(float), nan_to_null=True)}
        ),
    )


def _nothing() -> _Nearness:
    best = pl.DataFrame(schema={"topic": pl.String, "best": pl.String, "best_similarity": pl.Float64})
    drafted = pl.DataFrame(schema={"topic": pl.String, "own": pl.String, "own_similarity": pl.Float64})
    reached = pl.DataFrame(schema={"seed_cluster_id": pl.String, "similarity": pl.Float64})
    return _Nearness(None, pl.DataFrame(schema=NEAR), best, drafted, reached)


def _texts(seeds: pl.DataFrame) -> list[str]:
    """What a cluster is about, as far as it is published."""
    return (
        seeds.select(pl.concat_str("name", "summary", separator="\n").str.strip_chars()).to_series().to_list()
    )


def _compare(
    points: Floats, places: Floats, undrafted: NDArray[np.bool_], threshold: np.float32
) -> tuple[NDArray[np.int64], Floats, Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Best cluster of each topic and its cosine (T,), best cosine of each cluster (C,), pairs that pass.

    A cluster's best cosine is that of topics which not only drafted items have; NaN where there is none.
    """
    best, similarity, rows, columns = [], [], [], []
    reached = np.full(len(places), np.nan, np.float32)
    for start in range(0, len(points), SLICE):
        cosines = points[start : start + SLICE] @ places.T
        own = cosines[undrafted[start : start + SLICE]]
        reached = np.fmax(reached, own.max(axis=0)) if len(own) else reached
        best.append(cosines.argmax(axis=1))
        similarity.append(cosines.max(axis=1))
        row, column = np.nonzero(cosines >= threshold)
        rows.append(row + start)
        columns.append(column)
    joined = (np.concatenate(part) for part in (best, similarity, rows, columns))
    nearest, nearest_cosine, row, column = joined
    return nearest, nearest_cosine, reached, row, column


def _drafted(
    asked: pl.DataFrame, topics: pl.DataFrame, ids: pl.Series, points: Floats, places: Floats
) -> pl.DataFrame:
    """Cosine of each topic and the cluster that it was drafted from."""
    pairs = (
        asked.select("topic", "own")
        .drop_nulls()
        .unique()
        .join(topics.with_row_index("row"), on="topic")
        .join(pl.DataFrame({"own": ids}).with_row_index("column"), on="own")
    )
    cosines = np.einsum("nd,nd->n", points[pairs["row"].to_numpy()], places[pairs["column"].to_numpy()])
    return pairs.select("topic", "own", own_similarity=pl.Series(cosines, dtype=pl.Float64))


def _usage(asked: pl.DataFrame, pairs: pl.DataFrame, found: _Nearness, seeds: pl.DataFrame) -> pl.DataFrame:
    """Each item with its cluster and weight: a cluster's share is spread evenly over the items of a part near it."""
    weights = (
        pairs.join(seeds.select("seed_cluster_id", share="weight"), on="seed_cluster_id")
        .join(asked.select("item_id", "dataset", "condition"), on="item_id")
        .with_columns(part=pl.col("share") / pl.len().over("dataset", "condition", "seed_cluster_id"))
        .group_by("item_id")
        .agg(weight=pl.col("part").sum())
    )
    has_own = pl.col("own").is_not_null()
    return (
        asked.join(found.best, on="topic", how="left", maintain_order="left")
        .join(found.drafted, on=["topic", "own"], how="left", maintain_order="left")
        .join(weights, on="item_id", how="left", maintain_order="left")
        .select(
            "item_id",
            seed_cluster_id=pl.coalesce("own", "best"),
            similarity=pl.when(has_own).then("own_similarity").otherwise("best_similarity"),
            near=pl.col("weight").is_not_null(),
            weight=pl.col("weight").fill_null(0.0),
        )
        .select(list(ItemUsage.to_schema().columns))
    )


def _reach(suite: str, pairs: pl.DataFrame, found: _Nearness, seeds: pl.DataFrame) -> pl.DataFrame:
    drafted = pl.col("is_drafted")
    near = pairs.group_by("seed_cluster_id").agg(
        items=(~drafted).sum().cast(pl.UInt32), drafted=drafted.sum().cast(pl.UInt32)
    )
    return (
        seeds.select("seed_cluster_id", share="weight")
        .join(found.reached, on="seed_cluster_id", how="left", maintain_order="left")
        .join(near, on="seed_cluster_id", how="left", maintain_order="left")
        .with_columns(
            pl.col("items", "drafted").fill_null(0),
            suite=pl.lit(suite),
            threshold=pl.lit(found.threshold, pl.Float64),
            covered=pl.col("items").fill_null(0) > 0,
        )
        .select(list(UsageReach.to_schema().columns))
    )
