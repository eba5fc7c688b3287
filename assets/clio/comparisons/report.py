"""The comparison report: how much was compared and what came of it, in figures that name nothing."""

from __future__ import annotations

import polars as pl

from assets.clio.comparisons.crossings import Crossings
from assets.clio.comparisons.quadrants import correlation
from dagster_project.privacy.thresholds import Thresholds, measure, user_codes
from dagster_project.statistics.discovery import FALSE_DISCOVERIES

Row = tuple[str, str, float | None, str]
SCHEMA = {"scope": pl.String, "measure": pl.String, "value": pl.Float64, "explanation": pl.String}


def comparison_report(
    trends: pl.DataFrame,
    contrasts: pl.DataFrame,
    crossings: Crossings,
    quadrants: pl.DataFrame,
    overall: dict[str, float | None],
    bursts: pl.DataFrame,
    thresholds: Thresholds,
) -> pl.DataFrame:
    """The published `comparison_report`, from published tables and the sizes of the restricted bursts."""
    directions = trends["direction"]
    significant = float((contrasts["q_value"] <= FALSE_DISCOVERIES).sum())
    rows: list[Row] = [
        (
            "tests",
            "false_discovery_rate",
            FALSE_DISCOVERIES,
            "Share of chance findings accepted among findings.",
        ),
        ("trends", "clusters_tested", float(trends.height), "Clusters with three published weeks or more."),
        (
            "trends",
            "growing",
            float((directions == "growing").sum()),
            "Clusters whose share of the week grows.",
        ),
        ("trends", "declining", float((directions == "declining").sum()), "Clusters whose share declines."),
        ("contrasts", "tables_considered", float(crossings.considered), "New two-way tables of facets."),
        (
            "contrasts",
            "tables_published",
            float(len(crossings.tables)),
            "Those that give no withheld cell away, together with all others.",
        ),
        ("contrasts", "compared", float(contrasts.height), "Pairs of values that were compared."),
        ("contrasts", "significant", significant, "Pairs more or less common together than chance explains."),
        (
            "concern",
            "share_overall",
            overall["concern"],
            "Share of elevated and high concern, as far as shown.",
        ),
        (
            "flag",
            "share_overall",
            overall["flag"],
            "Share that is flagged. Null: no flags, or too few to tell.",
        ),
        *_correlations(quadrants),
        *_bursts(bursts, thresholds),
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _correlations(quadrants: pl.DataFrame) -> list[Row]:
    texts = {
        "clusters": "Clusters of this level whose shares of concern and of flags are both published.",
        "correlation": "Pearson's correlation of the two shares over these clusters.",
        "low": "Lower end of its 95 % interval (Fisher's transformation).",
        "high": "Upper end of its 95 % interval.",
    }
    return [
        (f"concern against flag, level {found['level']}", name, float(found[name]), text)
        for found in correlation(quadrants).iter_rows(named=True)
        for name, text in texts.items()
    ]


def _bursts(bursts: pl.DataFrame, thresholds: Thresholds) -> list[Row]:
    """Sizes of all bursts together; null where together they are too few to be told."""
    counted = bursts.with_columns(user_codes()).group_by("user").agg(n=pl.len().cast(pl.Int64))
    sizes = measure(counted.with_columns(all=pl.lit(0)), "all")
    fit = sizes.filter(thresholds.cells.reason().is_null())
    told = {name: float(fit[name].item()) if fit.height else None for name in ("conversations", "users")}
    if bursts.is_empty():
        told = {"conversations": 0.0, "users": 0.0}
    number = float(bursts["burst"].n_unique()) if told["users"] is not None else None
    return [
        (
            "bursts",
            "bursts",
            number,
            "Near-identical requests by many users on a day or several, far more than usual, counted as runs.",
        ),
        ("bursts", "conversations", told["conversations"], "Conversations in bursts. Null: too few to tell."),
        ("bursts", "users", told["users"], "Distinct users in bursts. Null: too few to tell."),
    ]
