"""Languages over- and under-represented in each cluster, against their share in the whole release."""

from __future__ import annotations

import polars as pl

from assets.clio.release.cells import Cells
from assets.clio.release.tree import Tree
from dagster_project.privacy.suppression import OTHER
from dagster_project.statistics import false_discovery_rate, prevalence_ratios

ROOT = 0
UNDETERMINED = "und"
DIGITS = 3


def contrast_table(tree: Tree, cells: Cells) -> pl.DataFrame:
    """The published `language_contrasts`: only cells that are shown, for languages whose base rate is shown.

    Ratios follow from published counts. The ends of the interval and the tests also depend on how users are
    spread, so they are rounded to three digits.
    """
    if tree.empty:
        return _shape(tree.totals.clear().with_columns(**_nothing()))
    shown = cells.outcomes["language"].shown.filter(~pl.col("value").is_in([OTHER, UNDETERMINED]))
    base = shown.filter(pl.col("node") == ROOT).select("value", everywhere="conversations")
    wanted = shown.filter(pl.col("node") != ROOT).join(base, on="value")
    total = tree.nodes["conversations"][0]
    ends = prevalence_ratios(wanted.select("node", "value"), cells.entries["language"], ROOT)
    return _shape(
        wanted.join(ends, on=["node", "value"])
        .join(tree.totals, on="node")
        .with_columns(base_rate=pl.col("everywhere") / total)
    )


def _nothing() -> dict[str, pl.Expr]:
    numbers = ("users", "conversations", "base_rate", "low", "high", "p_value")
    return {"value": pl.lit(None, dtype=pl.String), **{name: pl.lit(1.0) for name in numbers}}


def _shape(rows: pl.DataFrame) -> pl.DataFrame:
    share = pl.col("conversations") / pl.col("cluster_conversations")
    return (
        false_discovery_rate(rows, "level")
        .select(
            "cluster_id",
            pl.col("level").cast(pl.UInt8),
            pl.col("value").alias("language"),
            pl.col("users", "conversations").cast(pl.UInt32),
            share_in_cluster=share,
            base_rate="base_rate",
            ratio=share / pl.col("base_rate"),
            ci_low=pl.col("low").round_sig_figs(DIGITS),
            ci_high=pl.col("high").round_sig_figs(DIGITS),
            p_value=pl.col("p_value").round_sig_figs(DIGITS),
            q_value=pl.col("q_value").round_sig_figs(DIGITS),
        )
        .sort(["level", "cluster_id", "ratio", "language"], descending=[True, False, True, False])
    )
