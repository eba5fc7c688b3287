"""What the answers amount to: similarity to the people of each country with intervals, and what stands beside it.

Questions are drawn anew, the same ones for all countries. Sources: arXiv 2306.16388, section 2; specs/global_opinions.md 3.3 to
3.7. docs/papers/global_opinions.md lists every metric.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

from assets.evaluation.metric_rows import with_unanswered
from assets.evaluation.probabilities import missing
from assets.evaluation.suite import Answered
from assets.global_opinions.opinions import PART, QUESTION, SIMILARITIES, compared
from dagster_project.statistics.joint_bootstrap import joint_means
from schemas.catalogue import HUMAN_OPINIONS
from schemas.evaluation import ANSWERED, BY_ITEM, BY_USAGE, FAULT, UNAVAILABLE, EvalMetric

ALL, COUNTRY = "all", "country"
BASE_E = "similarity_base_e"
SCALE_E = math.sqrt(math.log(2))
"""A Jensen-Shannon distance in base e is that in base 2 times this."""
OF_COUNTRIES = (*SIMILARITIES, "relative", "shift")
OF_ANSWERS = ("similarity", "entropy", "human_entropy", "overconfidence", "missing_mass", "half_missing")
DIFFERENCES = ("relative", "shift")
REFUSED = "refused"
MOSTLY_MISSING = 0.5
UNREACHED = "nothing of real usage is near"
JENSEN_SHANNON = "1 - Jensen-Shannon distance, base 2"
MEASURES = {
    "similarity": JENSEN_SHANNON,
    BASE_E: "1 - Jensen-Shannon distance, base e",
    "similarity_substantive": f"{JENSEN_SHANNON}, without options that answer nothing",
    "similarity_ordinal": "1 - earth mover's distance over its scale",
    "relative": f"{JENSEN_SHANNON}, less its mean over the countries of each question",
    "shift": f"{JENSEN_SHANNON}, less that by default",
}
COLUMNS = {
    name: column.dtype.type for name, column in EvalMetric.to_schema().columns.items() if name != "suite"
}
KEY = ["metric", *PART, "group", "level", "weighting"]


def scores(answered: Answered) -> pl.DataFrame:
    """All metrics (schemas.evaluation.EvalMetric without `suite`) of all subjects. In `beside`: schemas.opinions.HumanOpinion."""
    opinions = answered.beside[HUMAN_OPINIONS.name]
    rows = compared(answered.items, answered.answers, answered.usage, opinions)
    countries = _means(_with_all(rows), OF_COUNTRIES, [*PART, COUNTRY]).rename({COUNTRY: "level"})
    countries = countries.with_columns(group=pl.lit(COUNTRY))
    whole = _means(_with_all(_of_items(rows)), OF_ANSWERS, PART)
    refused = _means(_with_all(_refusals(answered)), [REFUSED], PART)
    found = pl.concat([countries, whole, refused], how="diagonal")
    table = pl.concat([found, _in_base_e(found)])
    absent = _missing(answered, opinions)
    expected = absent.filter(pl.col("weighting") == BY_ITEM).drop("weighting")
    table = with_unanswered(table, expected.with_columns(metric=pl.lit("similarity")))
    measure = pl.col("metric").replace_strict(MEASURES, default=None, return_dtype=pl.String)
    table = table.with_columns(method=pl.concat_str(measure, "method", separator="; ", ignore_nulls=True))
    counted = table.join(absent, on=KEY[1:], how="left", nulls_equal=True)
    return counted.select(
        pl.col(name).fill_null(0).cast(kind) if name == "missing" else pl.col(name).cast(kind)
        for name, kind in COLUMNS.items()
    ).sort(KEY, nulls_last=True)


def _with_all(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows, and once more for all surveys together."""
    return pl.concat([rows, rows.with_columns(dataset=pl.lit(ALL))])


def _means(rows: pl.DataFrame, values: Sequence[str], by: Sequence[str]) -> pl.DataFrame:
    """Means with every item counting once, and by real usage; what no usage is near has no estimate there."""
    by_item = joint_means(rows, values, by=by, signed=DIFFERENCES)
    reached = joint_means(rows, values, by=by, weight="usage", signed=DIFFERENCES)
    key = ["value", *by]
    by_usage = (
        by_item.select(key)
        .join(reached, on=key, how="left", maintain_order="left")
        .with_columns(pl.col("n", "units").fill_null(0), pl.col("method").fill_null(UNREACHED))
    )
    both = [
        part.with_columns(weighting=pl.lit(name)) for name, part in ((BY_ITEM, by_item), (BY_USAGE, by_usage))
    ]
    return pl.concat(both).rename({"value": "metric"})


def _of_items(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per subject and item: means over its countries."""
    key = [*PART, "item_id", "unit"]
    table = rows.group_by(key).agg(
        pl.col("similarity", "human_entropy").mean(), pl.col("entropy", "missing_mass", "usage").first()
    )
    return table.with_columns(
        overconfidence=pl.col("human_entropy") - pl.col("entropy"),
        half_missing=(pl.col("missing_mass") > MOSTLY_MISSING).cast(pl.Float64),
    ).sort(key)


def _refusals(answered: Answered) -> pl.DataFrame:
    """One row per answer that came: refused, 1 where it is a refusal or names no option."""
    near = answered.usage.select("item_id", usage=pl.when("near").then("weight").otherwise(0.0))
    facts = answered.items.select("item_id", "dataset", "condition", "unit").join(
        near, on="item_id", how="left"
    )
    came = answered.answers.filter(~pl.col("status").is_in([FAULT, UNAVAILABLE]))
    return came.join(facts, on="item_id").select(
        *PART, "unit", pl.col("usage").fill_null(0.0), refused=(pl.col("status") != ANSWERED).cast(pl.Float64)
    )


def _in_base_e(found: pl.DataFrame) -> pl.DataFrame:
    """The similarities of countries in base e: 1 - S shrinks by the same factor for every question."""
    ends = [(1 - SCALE_E * (1 - pl.col(name))).alias(name) for name in ("estimate", "ci_low", "ci_high")]
    own = (pl.col("metric") == "similarity") & (pl.col("group") == COUNTRY)
    return found.filter(own).with_columns(*ends, metric=pl.lit(BASE_E))


def _missing(answered: Answered, opinions: pl.DataFrame) -> pl.DataFrame:
    """subject, dataset, condition, group, level, weighting, missing: answers that cannot be scored, by country and in all."""
    near = answered.usage.select("item_id", "near")
    asked = answered.items.select("item_id", "dataset", "condition", question_id=QUESTION)
    asked = asked.join(near, on="item_id", how="left").with_columns(pl.col("near").fill_null(False))
    of_countries = asked.join(opinions.select("question_id", level=COUNTRY), on="question_id")
    parts = [
        _with_all(frame.with_columns(level=level, group=group))
        for frame, group, level in (
            (asked, pl.lit(None, pl.String), pl.lit(None, pl.String)),
            (of_countries, pl.lit(COUNTRY), pl.col("level")),
        )
    ]
    every = pl.concat(
        part.select("item_id", "dataset", "condition", "group", "level", "near") for part in parts
    )
    by = ["dataset", "condition", "group", "level"]
    weighted = [
        missing(part, answered.answers, by).with_columns(weighting=pl.lit(name))
        for name, part in ((BY_ITEM, every), (BY_USAGE, every.filter("near")))
    ]
    return pl.concat(weighted)
