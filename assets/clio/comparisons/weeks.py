"""Clusters over time: their share of each week, and whether it grows or declines."""

from __future__ import annotations

import polars as pl

from assets.clio.comparisons.picture import Picture
from dagster_project.statistics import false_discovery_rate, share_intervals, share_trends
from dagster_project.statistics.discovery import FALSE_DISCOVERIES
from schemas.comparisons import ClusterTrend, ClusterWeek, empty

ROOT = 0
DIGITS = 3
DAYS = 7
FEWEST_WEEKS = 3


def week_table(picture: Picture) -> pl.DataFrame:
    """The published `cluster_weeks`: only cells that are shown, in weeks that are shown somewhere."""
    shown, counts = _shown(picture), _counts(picture)
    if shown.is_empty():
        return empty(ClusterWeek)
    part = counts.join(shown, on=["node", "week"], how="semi")
    whole = counts.filter(pl.col("node") == ROOT).select("week", "user", "n")
    found = share_intervals(part, whole, ["node", "week"], ["week"])
    return (
        found.join(picture.clusters.select("node", "cluster_id", "level"), on="node")
        .select(
            "cluster_id",
            "level",
            "week",
            pl.col("users", "conversations").cast(pl.UInt32),
            week_conversations=pl.col("whole").cast(pl.UInt32),
            share_of_week="share",
            ci_low=pl.col("low").round_sig_figs(DIGITS),
            ci_high=pl.col("high").round_sig_figs(DIGITS),
        )
        .sort(["level", "cluster_id", "week"], descending=[True, False, False])
    )


def trend_table(picture: Picture) -> pl.DataFrame:
    """The published `cluster_trends`: clusters with three shown weeks or more; those named Other are left out."""
    cells = _shown(picture).join(picture.clusters.filter(~pl.col("merged")), on="node", how="semi")
    cells = cells.filter(pl.len().over("node") >= FEWEST_WEEKS)
    if cells.is_empty():
        return empty(ClusterTrend)
    numbered = {"period": pl.col("week").to_physical() // DAYS}
    found = share_trends(
        cells.select("node", **numbered), _counts(picture).with_columns(**numbered).drop("week"), ROOT
    )
    span = cells.group_by("node").agg(
        weeks=pl.len().cast(pl.UInt32), first_week=pl.col("week").min(), last_week=pl.col("week").max()
    )
    table = picture.clusters.join(span, on="node").join(found, on="node")
    return _shape(false_discovery_rate(table, "level"))


def _shape(table: pl.DataFrame) -> pl.DataFrame:
    """Intervals and tests also depend on how users are spread, which is not public: three digits."""
    return (
        table.with_columns(pl.col("low", "high", "p_value", "q_value").round_sig_figs(DIGITS))
        .select(
            "cluster_id",
            "level",
            "weeks",
            "first_week",
            "last_week",
            "growth",
            ci_low="low",
            ci_high="high",
            p_value="p_value",
            q_value="q_value",
            users=pl.col("users").cast(pl.UInt32),
            conversations=pl.col("conversations").cast(pl.UInt32),
            direction=direction(),
        )
        .sort(["level", "q_value", "cluster_id"], descending=[True, False, False])
    )


def direction() -> pl.Expr:
    """Growing or declining where the test finds it, else undecided."""
    word = pl.when(pl.col("growth") > 1).then(pl.lit("growing")).otherwise(pl.lit("declining"))
    return pl.when(pl.col("q_value") <= FALSE_DISCOVERIES).then(word).otherwise(pl.lit("undecided"))


def _shown(picture: Picture) -> pl.DataFrame:
    """node, week of the cells that are published."""
    weeks = picture.cells.filter(pl.col("dimension") == "week")
    return weeks.select("node", week=pl.col("value").str.to_date("%Y-%m-%d", strict=False)).drop_nulls()


def _counts(picture: Picture) -> pl.DataFrame:
    """node, week, user, n."""
    dated = pl.col("value").str.to_date("%Y-%m-%d", strict=False)
    return picture.entries("week").select("node", "user", "n", week=dated).drop_nulls("week")
