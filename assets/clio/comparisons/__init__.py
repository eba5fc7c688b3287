"""What is compared with what in a release: weeks, facets, concern and a flag; pure, no Dagster.

`compare` takes the published clusters and the conversations behind them and returns five published tables. `picture`
brings them together; `weeks`, `crossings`, `quadrants` and `report` each make their tables.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from assets.clio.comparisons.crossings import cross_facets, crossing_table
from assets.clio.comparisons.picture import Picture, read_picture
from assets.clio.comparisons.quadrants import (
    flag_cells,
    overall_concern,
    overall_flagged,
    quadrant_table,
)
from assets.clio.comparisons.report import comparison_report
from assets.clio.comparisons.weeks import trend_table, week_table
from schemas.comparisons import (
    ClusterTrend,
    ClusterWeek,
    ComparisonReport,
    ConcernQuadrant,
    FacetContrast,
    empty,
)

__all__ = ["Comparisons", "Picture", "compare", "nothing_compared", "read_picture"]


@dataclass(frozen=True)
class Comparisons:
    """The five published tables, as their schemas in `schemas.comparisons` say."""

    cluster_weeks: pl.DataFrame
    cluster_trends: pl.DataFrame
    facet_contrasts: pl.DataFrame
    concern_quadrants: pl.DataFrame
    comparison_report: pl.DataFrame

    def frames(self) -> dict[str, pl.DataFrame]:
        """Tables by name."""
        return dict(vars(self))

    def counts(self) -> dict[str, int]:
        """Rows by table, for an asset's metadata."""
        return {name: frame.height for name, frame in self.frames().items()}


def compare(picture: Picture, bursts: pl.DataFrame) -> Comparisons:
    """Compare everything that may be compared. In: the published picture, and the restricted bursts."""
    if picture.empty:
        return nothing_compared()
    crossings = cross_facets(picture)
    trends, contrasts = trend_table(picture), crossing_table(picture, crossings)
    flags = flag_cells(picture)
    quadrants = quadrant_table(picture, flags)
    overall = {"concern": overall_concern(picture), "flag": overall_flagged(picture, flags)}
    report = comparison_report(trends, contrasts, crossings, quadrants, overall, bursts, picture.thresholds)
    return Comparisons(week_table(picture), trends, contrasts, quadrants, report)


def nothing_compared() -> Comparisons:
    """The tables without a row: nothing is published, or no figure may be derived from exact counts."""
    return Comparisons(
        empty(ClusterWeek),
        empty(ClusterTrend),
        empty(FacetContrast),
        empty(ConcernQuadrant),
        empty(ComparisonReport),
    )
