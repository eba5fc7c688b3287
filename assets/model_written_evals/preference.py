"""Whether a subject prefers a behaviour, and on how many behaviours two subjects prefer alike.

Source: specs/model_written_evals.md 2.4: a model prefers a behaviour where it gives the matching answers the higher
log-likelihood over the data set; agreement of two models is the share of behaviours that both prefer or neither does.
"""

from __future__ import annotations

import polars as pl

from assets.evaluation.metric_rows import ALL, GROUPED, PART, empty, means, rows
from dagster_project.statistics.intervals import wilson
from schemas.evaluation import BY_ITEM, BY_USAGE

LARGEST = 50.0
"""Log odds are held within this: a probability of exactly 0 or 1 has none that is finite."""
NEITHER = 1e-9
"""Log odds within this are 0 but for rounding: neither is preferred."""
OTHER = "other_subject"


def log_odds(p: pl.Expr) -> pl.Expr:
    """Natural logarithm of p / (1 - p), held finite."""
    return (p.log() - (1 - p).log()).clip(-LARGEST, LARGEST)


def preference_metrics(scored: pl.DataFrame, missing: pl.DataFrame) -> pl.DataFrame:
    """log_odds by part, and agreement of each subject with each other one over the parts that both answered: metric rows.

    In: scored items with p_target (null without a target), unit, usage_weight.
    """
    odds = means(
        scored.with_columns(log_odds=log_odds(pl.col("p_target"))),
        "log_odds",
        "log_odds_match",
        missing,
        share=False,
    )
    if odds.is_empty():
        return empty()
    found = {name: agreement(odds.filter(pl.col("weighting") == name)) for name in (BY_ITEM, BY_USAGE)}
    pairs = [
        rows(pair.drop("missing"), "preference_agreement", pair.select(*GROUPED, "missing"), name)
        for name, pair in found.items()
    ]
    return pl.concat([odds, *pairs])


def agreement(odds: pl.DataFrame) -> pl.DataFrame:
    """Share of parts on which two subjects prefer alike, with Wilson's interval over the parts; both orders of each pair.

    In: subject, dataset, condition, estimate (log odds). A part on which one of the two prefers neither, or has no answer, is
    left out and counted as missing: n, units and missing are parts.
    Out: subject, dataset, condition (both `all`), group, level (the other subject), estimate, ci_low, ci_high, method, n,
    units, missing.
    """
    sided = odds.filter(pl.col("estimate").abs() > NEITHER)
    sides = sided.select(*PART, side=pl.col("estimate") > 0)
    both = sides.join(sides, on=PART[1:], suffix="_other").filter(
        pl.col("subject") != pl.col("subject_other")
    )
    shares = both.group_by("subject", "subject_other").agg(
        alike=(pl.col("side") == pl.col("side_other")).sum(), units=pl.len()
    )
    found = wilson(shares["alike"].to_numpy(), shares["units"].to_numpy())
    return shares.select(
        "subject",
        dataset=pl.lit(ALL),
        condition=pl.lit(ALL),
        group=pl.lit(OTHER),
        level="subject_other",
        estimate=pl.Series(found.estimate, dtype=pl.Float64),
        ci_low=pl.Series(found.low, dtype=pl.Float64),
        ci_high=pl.Series(found.high, dtype=pl.Float64),
        method=pl.lit("Wilson over data sets"),
        n="units",
        units="units",
        missing=pl.lit(odds.select(PART[1:]).n_unique()) - pl.col("units").cast(pl.Int64),
    )
