"""The published clusters as a table, and where each base cluster's conversations are counted."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from assets.clio.release.tree import Tree

EXACT = "exact"


def cluster_table(tree: Tree, makers: Mapping[str, str]) -> pl.DataFrame:
    """The published `clusters`, largest level first. `makers`: reader, embedder, namer."""
    total = 1 if tree.empty else tree.nodes["conversations"][0]
    return (
        tree.nodes.slice(1)
        .select(
            "cluster_id",
            pl.col("level").cast(pl.UInt8),
            "parent_id",
            "name",
            "summary",
            pl.col("users", "conversations").cast(pl.UInt32),
            share=pl.col("conversations") / total,
            counts=pl.lit(EXACT),
            **{name: pl.lit(value) for name, value in makers.items()},
        )
        .sort(["level", "conversations", "cluster_id"], descending=[True, True, False])
    )


def published_places(tree: Tree) -> pl.DataFrame:
    """Base clusters with `clusters`: the published clusters that count their conversations."""
    places = tree.members.join(tree.nodes.slice(1).select("node", place="cluster_id"), on="node", how="left")
    return places.group_by("cluster_id").agg(clusters=pl.col("place").drop_nulls())
