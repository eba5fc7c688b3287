"""What was worked out of counts for the comparisons, worked out again from published rows; pure, no Dagster.

Cells say nothing about a cell beside them only as long as no figure does: a share of withheld bands, a trend through
withheld weeks, or an interval in all its digits (it depends on how users are spread) would tell more than the counts.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

DIGITS = 3
CLOSE = 1e-6
EXACT = 1e-9
DAYS = 7
CONCERNING = ("elevated", "high")
OTHER = "other"
FLAGGED_LESS = ("agree_low", "under_trigger")
FLAGGED_MORE = ("agree_high", "over_trigger")
CONCERN_MORE = ("agree_high", "under_trigger")
CONCERN_LESS = ("agree_low", "over_trigger")
ROUNDED = {
    "cluster_weeks": ("ci_low", "ci_high"),
    "cluster_trends": ("ci_low", "ci_high", "p_value", "q_value"),
    "facet_contrasts": ("ci_low", "ci_high", "p_value", "q_value"),
    "concern_quadrants": ("concerning_ci_low", "concerning_ci_high", "flagged_ci_low", "flagged_ci_high"),
}
Tables = Mapping[str, pl.DataFrame]


def unfounded_figures(tables: Tables, limits: Mapping[str, float]) -> dict[str, int]:
    """Published figures that say more than published counts do, by kind; empty where there are none.

    In: `clusters`, `cluster_cells` and the five tables of the comparisons, as published; the limits as `privacy_report`
    states them.
    """
    found = {
        **{f"{name} in too many digits": _long(tables[name], columns) for name, columns in ROUNDED.items()},
        "growth of other weeks than are published": _growth(tables),
        "shares of other bands of concern than are published": _concern(tables),
        "quadrants that published figures do not tell": _quadrants(tables),
        "correlations of other shares than are published": _correlations(tables),
        "totals of too few": _small_totals(tables, limits),
    }
    return {kind: number for kind, number in found.items() if number}


def overall(tables: Tables, scope: str, measure: str = "share_overall") -> float | None:
    """A figure of the comparison report; None where it is null or not there."""
    row = (pl.col("scope") == scope) & (pl.col("measure") == measure)
    value = tables["comparison_report"].filter(row)["value"]
    return value.item() if value.len() == 1 else None


def _long(table: pl.DataFrame, columns: tuple[str, ...]) -> int:
    """Rows with a figure of more than three digits."""
    # An interval without an upper end has no digits.
    long = [
        pl.col(name).is_finite()
        & ((pl.col(name) - pl.col(name).round_sig_figs(DIGITS)).abs() > EXACT * pl.col(name).abs())
        for name in columns
    ]
    return table.filter(pl.any_horizontal(long)).height


def _growth(tables: Tables) -> int:
    """Trends that do not solve the estimating equation over the published weeks of their cluster.

    With growth g the conversations of week t are expected in proportion to total_t * g^t, so that both have the same mean
    week.
    """
    steps = (pl.col("week") - pl.col("week").min().over("cluster_id")).dt.total_days() / DAYS
    weeks = tables["cluster_weeks"].join(
        tables["cluster_trends"].select("cluster_id", "growth"), on="cluster_id"
    )
    weight = pl.col("week_conversations") * pl.col("growth").pow(pl.col("step"))
    means = weeks.with_columns(step=steps).group_by("cluster_id").agg(
        found=(pl.col("conversations") * pl.col("step")).sum() / pl.col("conversations").sum(),
        expected=(weight * pl.col("step")).sum() / weight.sum(),
        weeks=pl.len(),
    )  # fmt: skip
    trends = tables["cluster_trends"].select("cluster_id", stated="weeks")
    joined = trends.join(means, on="cluster_id", how="left")
    right = ((pl.col("found") - pl.col("expected")).abs() < CLOSE * pl.col("weeks")) & (
        pl.col("weeks") == pl.col("stated")
    )
    return joined.filter(~right.fill_null(False)).height


def _bands(tables: Tables) -> pl.DataFrame:
    """cluster_id, least and most (share of concern that published bands allow) of every cluster with bands."""
    cells = tables["cluster_cells"].filter(pl.col("dimension") == "concern_band")
    told = pl.col("value").is_in(CONCERNING)
    rest = pl.col("conversations").filter(pl.col("value") == OTHER).sum()
    hidden = pl.when(told.sum() < len(CONCERNING)).then(rest).otherwise(0)
    bands = cells.group_by("cluster_id").agg(least=pl.col("conversations").filter(told).sum(), hidden=hidden)
    sizes = tables["clusters"].select("cluster_id", total="conversations")
    return bands.join(sizes, on="cluster_id").select(
        "cluster_id",
        least=pl.col("least") / pl.col("total"),
        most=(pl.col("least") + pl.col("hidden")) / pl.col("total"),
    )


def _concern(tables: Tables) -> int:
    told = tables["concern_quadrants"].drop_nulls("share_concerning")
    joined = told.join(_bands(tables), on="cluster_id", how="left")
    share = pl.col("share_concerning")
    right = ((share - pl.col("least")).abs() < CLOSE) & ((share - pl.col("most")).abs() < CLOSE)
    return joined.filter(~right.fill_null(False)).height


def _quadrants(tables: Tables) -> int:
    """Decided quadrants on a side that neither the share nor what is published of its parts leaves.

    Of flags no part is published: a withheld share may be said to be less than overall, never more.
    """
    bands = tables["concern_quadrants"].join(_bands(tables), on="cluster_id", how="left")
    concern, flag = (pl.lit(overall(tables, scope), dtype=pl.Float64) for scope in ("concern", "flag"))
    quadrant, share = pl.col("quadrant"), pl.col("share_flagged")
    sides = (
        (quadrant.is_in(CONCERN_MORE), pl.col("least") > concern),
        (quadrant.is_in(CONCERN_LESS), pl.col("most") < concern),
        (quadrant.is_in(FLAGGED_MORE), share > flag),
        (quadrant.is_in(FLAGGED_LESS), (share < flag) | (share.is_null() & flag.is_not_null())),
    )
    return bands.filter(pl.any_horizontal(said & ~follows.fill_null(False) for said, follows in sides)).height


def _correlations(tables: Tables) -> int:
    shares = tables["concern_quadrants"].drop_nulls(["share_concerning", "share_flagged"])
    again = shares.group_by("level").agg(
        again=pl.corr("share_concerning", "share_flagged"), clusters=pl.len().cast(pl.Float64)
    )
    scope = pl.format("concern against flag, level {}", "level")
    again = again.select("clusters", correlation="again", scope=scope).unpivot(
        index="scope", variable_name="measure", value_name="again"
    )
    told = tables["comparison_report"].filter(
        pl.col("scope").str.starts_with("concern against flag"),
        pl.col("measure").is_in(["correlation", "clusters"]),
    )
    joined = told.join(again, on=["scope", "measure"], how="left")
    return joined.filter(~((pl.col("value") - pl.col("again")).abs() < CLOSE).fill_null(False)).height


def _small_totals(tables: Tables, limits: Mapping[str, float]) -> int:
    """Figures of the report about conversations or users that are neither none nor enough, or of no whole number."""
    whole = float(tables["clusters"].filter(pl.col("parent_id").is_null())["conversations"].sum())
    counts = [
        (share * whole, limits["cell_min_conversations"])
        for scope in ("concern", "flag")
        if (share := overall(tables, scope)) is not None
    ]
    counts += [
        (count, limits[f"cell_min_{unit}"])
        for unit in ("conversations", "users")
        if (count := overall(tables, "bursts", unit)) is not None
    ]
    wrong = [
        abs(count - round(count)) > CLOSE * (1 + count) or 0 < round(count) < least for count, least in counts
    ]
    return sum(wrong)
