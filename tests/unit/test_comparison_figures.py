"""Figures of the comparisons worked out again: each kind that would say more than published counts is found."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from published_sample import published

from assets.clio.comparison_figures import unfounded_figures

FRAMES = published()
LIMITS = {"cell_min_users": 5, "cell_min_conversations": 8}
WHOLE = FRAMES["clusters"].filter(pl.col("parent_id").is_null())["conversations"].sum()
Change = Callable[[pl.DataFrame], pl.DataFrame]


def at_first(**values: pl.Expr) -> Change:
    """Other values in the first row that has any."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        told = pl.all_horizontal(pl.col(name).is_not_null() for name in values)
        at = told & (told.cum_sum() == 1)
        return frame.with_columns(
            pl.when(at).then(new).otherwise(name).alias(name) for name, new in values.items()
        )

    return change


def reported(scope: str, measure: str, value: float) -> Change:
    at = pl.col("scope").str.starts_with(scope) & (pl.col("measure") == measure)
    return lambda frame: frame.with_columns(value=pl.when(at).then(value).otherwise("value"))


def moved_sides(frame: pl.DataFrame) -> pl.DataFrame:
    """Flagged more where the withheld share tells nothing."""
    null = pl.lit(None, dtype=pl.Float64)
    return frame.with_columns(share_flagged=null, quadrant=pl.lit("over_trigger"))


LONG = pl.col("ci_high") * 1.00007
FAULTS: dict[str, tuple[str, Change, str]] = {
    "weeks": ("cluster_weeks", at_first(ci_high=LONG), "cluster_weeks in too many digits"),
    "trends": ("cluster_trends", at_first(ci_high=LONG), "cluster_trends in too many digits"),
    "contrasts": ("facet_contrasts", at_first(ci_high=LONG), "facet_contrasts in too many digits"),
    "quadrants": (
        "concern_quadrants", at_first(flagged_ci_high=pl.lit(0.98765)), "concern_quadrants in too many digits",
    ),
    "growth": ("cluster_trends", at_first(growth=pl.col("growth") * 1.001), "growth of other weeks"),
    "fewer weeks": ("cluster_weeks", lambda frame: frame.tail(-1), "growth of other weeks"),
    "concern": (
        "concern_quadrants", at_first(share_concerning=pl.col("share_concerning") + 0.001), "shares of other bands",
    ),
    "bands": (
        "cluster_cells", lambda cells: cells.filter(pl.col("value") != "high"), "shares of other bands",
    ),
    "sides": ("concern_quadrants", moved_sides, "quadrants that published figures do not tell"),
    "correlation": (
        "comparison_report", reported("concern against flag", "correlation", 0.123), "correlations of other shares",
    ),
    "flags of few": ("comparison_report", reported("flag", "share_overall", 3 / WHOLE), "totals of too few"),
    "no whole number": ("comparison_report", reported("flag", "share_overall", 33.5 / WHOLE), "totals of too few"),
    "bursts of few": ("comparison_report", reported("bursts", "users", 4.0), "totals of too few"),
}  # fmt: skip


def test_sound_figures_follow_from_what_is_published() -> None:
    quadrants, report = FRAMES["concern_quadrants"], FRAMES["comparison_report"]
    assert FRAMES["cluster_trends"].height and quadrants.drop_nulls().height
    assert report["scope"].str.starts_with("concern against flag").any()
    assert unfounded_figures(FRAMES, LIMITS) == {}


def test_an_interval_without_an_end_has_no_digits() -> None:
    trends = at_first(ci_high=pl.lit(float("inf")), ci_low=pl.lit(0.0))(FRAMES["cluster_trends"])
    assert unfounded_figures({**FRAMES, "cluster_trends": trends}, LIMITS) == {}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_figure_that_says_more_is_found(fault: str) -> None:
    table, change, kind = FAULTS[fault]
    altered = change(FRAMES[table])
    assert not altered.equals(FRAMES[table]), "nothing was planted"
    found = unfounded_figures({**FRAMES, table: altered}, LIMITS)
    assert any(name.startswith(kind) for name in found), found
