"""What each figure leaves out: answers that cannot be scored, decisions without a logit, and those of low mass."""

from __future__ import annotations

import polars as pl

from assets.discrimination.decisions import PART, against_reference, by_level
from assets.discrimination.design import ATTRIBUTES
from assets.evaluation.probabilities import missing, with_groups
from schemas.evaluation import BY_ITEM, BY_USAGE, LOW_MASS

GROUPED = [*PART, "group", "level"]
OF_ANSWERS = ("p_yes", "low_mass", "one_sided")
"""Metrics that need an answer only; the others need a logit."""
CONFIDENT = "score_confident"
OF_LEVELS, OF_DIFFERENCES = ("logit", "p_yes"), ("score", "shift", CONFIDENT)
UNIT_SEPARATOR = "/"


def gaps(items: pl.DataFrame, answers: pl.DataFrame, usage: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """One row per subject and item: what of it is left out.

    In: the suite's items, answers and usage; rows of `decisions`.
    Out: subject, dataset, condition, unit, age, gender, race; near; answers, decisions and confident: how much is left out
    of metrics that need an answer, a logit, and a logit of enough mass.
    """
    key = [*PART, "unit", *ATTRIBUTES]
    asked = with_groups(items, *ATTRIBUTES).join(usage.select("item_id", "near"), on="item_id", how="left")
    absent = missing(asked, answers, [*key[1:], "near"]).rename({"missing": "answers"})
    without = pl.col("logit").is_null()
    unsure = without | (pl.col("missing_mass").fill_null(0.0) > LOW_MASS)
    found = rows.group_by(key).agg(without=without.sum(), unsure=unsure.sum())
    return absent.join(found, on=key, how="left").select(
        *key,
        pl.col("near").fill_null(False),
        pl.col("answers").cast(pl.Int64),
        decisions=pl.col("answers") + pl.col("without").fill_null(0),
        confident=pl.col("answers") + pl.col("unsure").fill_null(0),
    )


def expected(left_out: pl.DataFrame) -> pl.DataFrame:
    """metric, subject, dataset, condition, group, level: what has a row whatever was answered. In: as `gaps` gives it."""
    told = pl.DataFrame(
        {"scope": ["part", "difference"], "need": ["answers", "decisions"], "metric": ["p_yes", "score"]}
    )
    return (
        _counts(left_out)
        .join(told, on=["scope", "need"])
        .select("metric", *PART, "missing", group="in_group", level="in_level")
    )


def with_missing(table: pl.DataFrame, left_out: pl.DataFrame) -> pl.DataFrame:
    """The metrics with `missing`: of their level, of the level and its reference, of the question, or of the whole part.

    In: metric, subject, dataset, condition, group, level, weighting; left_out as `gaps` gives it.
    """
    metric = pl.col("metric")
    of_unit = pl.col("dataset").str.contains(UNIT_SEPARATOR, literal=True)
    scope = (
        pl.when(of_unit)
        .then(pl.lit("unit"))
        .when(metric.is_in(OF_DIFFERENCES))
        .then(pl.lit("difference"))
        .when(metric.is_in(OF_LEVELS) & pl.col("group").is_not_null())
        .then(pl.lit("level"))
        .otherwise(pl.lit("part"))
    )
    need = (
        pl.when(metric.is_in(OF_ANSWERS))
        .then(pl.lit("answers"))
        .when(metric == CONFIDENT)
        .then(pl.lit("confident"))
        .otherwise(pl.lit("decisions"))
    )
    grouped = pl.col("scope").is_in(["level", "difference"])
    keyed = table.with_columns(scope=scope, need=need).with_columns(
        in_group=pl.when(grouped).then("group"), in_level=pl.when(grouped).then("level")
    )
    by_item = _counts(left_out).with_columns(weighting=pl.lit(BY_ITEM))
    by_usage = _counts(left_out.filter("near")).with_columns(weighting=pl.lit(BY_USAGE))
    on = [*PART, "in_group", "in_level", "weighting", "scope", "need"]
    counts = pl.concat([by_item, by_usage])
    joined = keyed.join(counts, on=on, how="left", nulls_equal=True, maintain_order="left")
    return joined.with_columns(pl.col("missing").fill_null(0))


def _counts(left_out: pl.DataFrame) -> pl.DataFrame:
    """subject, dataset, condition, in_group, in_level, scope, need, missing."""
    levels = by_level(left_out)
    of_unit = left_out.with_columns(dataset=pl.concat_str("dataset", "unit", separator=UNIT_SEPARATOR))
    by_scope = {
        "part": (left_out, PART),
        "unit": (of_unit, PART),
        "level": (levels, GROUPED),
        "difference": (against_reference(levels), GROUPED),
    }
    needs = ["answers", "decisions", "confident"]
    summed = [
        frame.group_by(by).agg(pl.col(needs).sum()).with_columns(scope=pl.lit(scope))
        for scope, (frame, by) in by_scope.items()
    ]
    wide = pl.concat(summed, how="diagonal").rename({"group": "in_group", "level": "in_level"})
    index = [name for name in wide.columns if name not in needs]
    return wide.unpivot(on=needs, index=index, variable_name="need", value_name="missing")
