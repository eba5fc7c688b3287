"""Concern against a supplied flag: where a classifier and the concern score agree, and where they do not.

Source: Clio (arXiv 2412.13678), the comparison of concern with Trust and Safety flags by cluster.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from assets.clio.comparisons.picture import Picture
from assets.clio.release.counting import FLAGS
from dagster_project.privacy.cells import DimensionCells, Rules, suppress_cells
from dagster_project.privacy.suppression import OTHER
from dagster_project.statistics import share_intervals

DIGITS = 3
ROOT = 0
CONCERNING = ("elevated", "high")
FLAGGED, NOT_FLAGGED, UNKNOWN = FLAGS


def flag_cells(picture: Picture) -> DimensionCells | None:
    """Cells of the clusters by the supplied flag that may be told; None where no conversation has one."""
    if picture.empty or not (picture.conversations["flag"] != UNKNOWN).any():
        return None
    rules = Rules(picture.thresholds.cells, picture.thresholds.min_merged, NOT_FLAGGED)
    return suppress_cells(picture.entries("flag"), picture.parents, rules)


def quadrant_table(picture: Picture, flags: DimensionCells | None) -> pl.DataFrame:
    """The published `concern_quadrants`: clusters about whose concern and flags anything may be told.

    Concern is taken from the published cells of concern bands, so that nothing new is told of it. Where a part is
    withheld, a share lies between bounds that are public; then no share is given, but a quadrant where the bounds
    leave no doubt.
    """
    bands = picture.cells.filter(pl.col("dimension") == "concern_band")
    flagged = picture.cells.clear() if flags is None else flags.shown
    concern = _judged(picture, bands, "concern_band", CONCERNING, overall_concern(picture))
    flag = _judged(picture, flagged, "flag", (FLAGGED,), overall_flagged(picture, flags))
    both = concern.join(flag, on="node", how="full", coalesce=True, suffix="_flagged")
    both = both.with_columns(pl.col("side", "side_flagged").fill_null("unclear"))
    return _shape(picture.clusters.filter(~pl.col("merged")).join(both, on="node"))


def overall_concern(picture: Picture) -> float | None:
    """Share of elevated and high concern in the whole release, from bands that are shown for a cluster."""
    shown = picture.cells.filter(pl.col("dimension") == "concern_band")["value"].unique().to_list()
    told = [band for band in CONCERNING if band in shown]
    entries = picture.entries("concern_band").filter(pl.col("node") == ROOT, pl.col("value").is_in(told))
    total = entries["n"].sum()
    return total / picture.nodes["conversations"][0] if total else None


def overall_flagged(picture: Picture, flags: DimensionCells | None) -> float | None:
    """Share that is flagged in the whole release, where it may be told."""
    if flags is None:
        return None
    root = flags.shown.filter(pl.col("node") == ROOT, pl.col("value") == FLAGGED)
    total = root["conversations"].sum()
    return total / picture.nodes["conversations"][0] if total else None


def _judged(
    picture: Picture, cells: pl.DataFrame, dimension: str, values: tuple[str, ...], overall: float | None
) -> pl.DataFrame:
    """Out: node, share, low, high (null where a part is withheld) and side: more, less or unclear."""
    wanted = pl.col("value").is_in(values)
    rest = pl.col("conversations").filter(pl.col("value") == OTHER).sum()
    hidden = pl.col("value").filter(wanted).n_unique() < len(values)
    bounds = cells.filter(pl.col("node") != ROOT).group_by("node").agg(
        least=pl.col("conversations").filter(wanted).sum(), room=pl.when(hidden).then(rest).otherwise(0)
    )  # fmt: skip
    sizes = picture.nodes.select("node", total="conversations")
    known = bounds.join(sizes, on="node").with_columns(
        share=pl.col("least") / pl.col("total"), most=(pl.col("least") + pl.col("room")) / pl.col("total")
    )
    ends = known.join(_intervals(picture, dimension, values), on="node", how="left")
    exact = pl.col("room") == 0
    lower = pl.when(exact).then("low").otherwise("share")
    upper = pl.when(exact).then("high").otherwise("most")
    base = pl.lit(overall, dtype=pl.Float64)
    side = pl.when(lower > base).then(pl.lit("more")).when(upper < base).then(pl.lit("less"))
    return ends.select(
        "node",
        *(pl.when(exact).then(name).alias(name) for name in ("share", "low", "high")),
        side=side.otherwise(pl.lit("unclear")),
    )


def _intervals(picture: Picture, dimension: str, values: tuple[str, ...]) -> pl.DataFrame:
    """node, low, high of the share of the values in each cluster, clustered by user."""
    entries = picture.entries(dimension)
    whole = entries.group_by("node", "user").agg(pl.col("n").sum())
    wanted = pl.col("n").filter(pl.col("value").is_in(values)).sum()
    part = entries.group_by("node", "user").agg(n=wanted)
    return share_intervals(part, whole, ["node"], ["node"]).select("node", "low", "high")


def _shape(both: pl.DataFrame) -> pl.DataFrame:
    concern, flag = pl.col("side"), pl.col("side_flagged")
    quadrant = (
        pl.when((concern == "unclear") | (flag == "unclear"))
        .then(pl.lit("undecided"))
        .when(concern == flag)
        .then(pl.when(flag == "more").then(pl.lit("agree_high")).otherwise(pl.lit("agree_low")))
        .when(flag == "more")
        .then(pl.lit("over_trigger"))
        .otherwise(pl.lit("under_trigger"))
    )
    return both.select(
        "cluster_id",
        "level",
        pl.col("users", "conversations").cast(pl.UInt32),
        share_concerning="share",
        concerning_ci_low=pl.col("low").round_sig_figs(DIGITS),
        concerning_ci_high=pl.col("high").round_sig_figs(DIGITS),
        share_flagged="share_flagged",
        flagged_ci_low=pl.col("low_flagged").round_sig_figs(DIGITS),
        flagged_ci_high=pl.col("high_flagged").round_sig_figs(DIGITS),
        quadrant=quadrant,
    ).sort(["level", "cluster_id"], descending=[True, False])


def correlation(quadrants: pl.DataFrame) -> pl.DataFrame:
    """Pearson's correlation of both shares over the clusters of each level, from published shares alone.

    Out: level, clusters, correlation, low, high; only levels with four such clusters or more, whose shares differ.
    """
    from scipy.stats import pearsonr

    rows = []
    known = quadrants.drop_nulls(["share_concerning", "share_flagged"])
    for (level,), part in known.group_by("level", maintain_order=True):
        concern, flagged = part["share_concerning"], part["share_flagged"]
        if part.height >= 4 and concern.n_unique() > 1 and flagged.n_unique() > 1:
            found: Any = pearsonr(concern.to_numpy(), flagged.to_numpy())
            ends = found.confidence_interval(0.95)
            rows.append((level, part.height, float(found.statistic), float(ends.low), float(ends.high)))
    columns = {"level": pl.UInt8, "clusters": pl.UInt32}
    return pl.DataFrame(
        rows,
        schema={**columns, **dict.fromkeys(("correlation", "low", "high"), pl.Float64)},
        orient="row",
    )
