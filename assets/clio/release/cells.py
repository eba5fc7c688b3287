"""Cells of the published clusters: by language, week, model and concern band."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from assets.clio.release.tree import Tree
from assets.clio.release.words import clean_value
from dagster_project.privacy.cells import DimensionCells, Rules, suppress_cells
from dagster_project.privacy.suppression import OTHER
from dagster_project.privacy.thresholds import Thresholds
from schemas.published import DIMENSIONS

UNKNOWN = {"language": "und"}
SENSITIVE = "concern_band"


@dataclass(frozen=True)
class Cells:
    """Outcome by dimension, and the per-user counts it was decided on (node, value, user, n; restricted)."""

    outcomes: Mapping[str, DimensionCells]
    entries: Mapping[str, pl.DataFrame]


def count_cells(
    conversations: pl.DataFrame,
    tree: Tree,
    thresholds: Thresholds,
    harmless: str,
    shown_before: pl.DataFrame | None = None,
    only_told: bool = False,
) -> Cells:
    """Count every dimension at every published cluster and decide which cells are shown.

    In: cluster_id (base), user, language, week, model, concern_band of each conversation; the `cluster_cells` of the
    release before, which are not withheld to protect others while others will do; with `only_told` no others are
    shown.
    """
    if tree.empty:
        return Cells({}, {})
    plain = Rules(thresholds.cells, thresholds.min_merged)
    sensitive = Rules(thresholds.cells, thresholds.min_merged, harmless)
    entries = {dimension: _entries(conversations, tree, dimension) for dimension in DIMENSIONS}
    outcomes = {}
    for dimension, part in entries.items():
        told = None if shown_before is None else _told(shown_before, tree, dimension)
        barred = None
        if told is not None and only_told:
            barred = part.select("node", "value").unique().join(told, on=["node", "value"], how="anti")
        rules = sensitive if dimension == SENSITIVE else plain
        outcomes[dimension] = suppress_cells(part, tree.parents, rules, told, barred)
    return Cells(outcomes, entries)


def _told(shown_before: pl.DataFrame, tree: Tree, dimension: str) -> pl.DataFrame:
    """node, value of the cells that the release before showed; of the whole release those of any cluster."""
    cells = shown_before.filter((pl.col("dimension") == dimension) & (pl.col("value") != OTHER))
    own = cells.join(tree.totals, on="cluster_id").select("node", "value")
    whole = cells.select(pl.lit(0, dtype=own.schema["node"]).alias("node"), "value")
    return pl.concat([own, whole]).unique()


def _entries(conversations: pl.DataFrame, tree: Tree, dimension: str) -> pl.DataFrame:
    """node, value, user, n: conversations of each user in each cell of every published cluster."""
    by = ("cluster_id", dimension, "user")
    base = conversations.lazy().group_by(by).agg(n=pl.len().cast(pl.Int64)).collect()
    coded = base.join(value_labels(conversations, dimension), on=dimension, nulls_equal=True).drop(dimension)
    return coded.join(tree.members, on="cluster_id").group_by("node", "value", "user").agg(pl.col("n").sum())


def value_labels(conversations: pl.DataFrame, dimension: str) -> pl.DataFrame:
    """Every distinct value of a dimension with its `value` for publication: cleaned, weeks as their Monday."""
    label = pl.col(dimension).dt.strftime("%Y-%m-%d") if dimension == "week" else pl.col(dimension)
    values = conversations.select(pl.col(dimension).unique()).with_columns(
        label.cast(pl.String).alias("value")
    )
    return values.with_columns(clean_value("value", OTHER, UNKNOWN.get(dimension, "unknown")))


def cell_table(tree: Tree, cells: Cells) -> pl.DataFrame:
    """The published `cluster_cells`."""
    parts = [
        outcome.shown.join(tree.totals, on="node").with_columns(dimension=pl.lit(dimension))
        for dimension, outcome in cells.outcomes.items()
    ]
    rows = pl.concat(parts) if parts else _no_cells(tree)
    return rows.select(
        "cluster_id",
        pl.col("level").cast(pl.UInt8),
        "dimension",
        "value",
        pl.col("users", "conversations").cast(pl.UInt32),
        share=pl.col("conversations") / pl.col("cluster_conversations"),
    ).sort(["level", "cluster_id", "dimension", "value"], descending=[True, False, False, False])


def _no_cells(tree: Tree) -> pl.DataFrame:
    words = pl.lit(None, dtype=pl.String)
    return tree.totals.clear().with_columns(
        dimension=words, value=words, users=pl.lit(0), conversations=pl.lit(0)
    )
