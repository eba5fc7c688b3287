"""Scores by the mixed-effects model, random intercepts and slopes by question, and each question's own scores.

Source: arXiv 2312.03689, section 3; specs/discrimination.md 2.4:
logit ~ age (standardised) + race + gender + (1 + age + race + gender | question).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from assets.discrimination.decisions import PART, UNREACHED
from assets.discrimination.design import GENDERS, RACES
from assets.discrimination.gaps import UNIT_SEPARATOR
from assets.evaluation.probabilities import with_groups
from dagster_project.statistics.few_units import student
from dagster_project.statistics.mixed_effects import Fit, fit_coefficients, weighted_coefficients
from schemas.evaluation import BY_ITEM, BY_USAGE

MODEL, OF_QUESTION = "score_model", "question_score"
SHOWN_AGES = (20, 100)
PER_DEVIATION = "per standard deviation"
NOT_FITTED = "mixed model not fitted: too few questions or people"
SCHEMA = {
    **dict.fromkeys((*PART, "metric", "group", "level", "weighting", "method"), pl.String),
    **dict.fromkeys(("estimate", "ci_low", "ci_high"), pl.Float64),
    **dict.fromkeys(("n", "units"), pl.Int64),
}
Terms = list[tuple[str, str]]
Places = list[tuple[str, str, int, float]]
"""group, level, column of the coefficient, and what it is multiplied with."""


def model_scores(rows: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Rows of EvalMetric (without suite and missing) of every subject, dataset and condition.

    In: rows of `decisions`; the suite's items, over which age is standardised.
    score_model: a level's coefficient; age at 20 and at 100 (coefficient times the standardised age), and its coefficient.
    question_score: the same of one question (dataset `explicit/kidney_list`), its deviation predicted by the model.
    By usage, score_model weighs the questions; a question's own score is the same wherever usage is near it.
    """
    known = rows.filter(pl.col("logit").is_not_null()).join(_standard(items), on=PART[1:], how="left")
    parts = known.partition_by(*PART, as_dict=True, maintain_order=True) if known.height else {}
    found = [row for key, part in parts.items() for row in _of_part(dict(zip(PART, key, strict=True)), part)]
    return pl.DataFrame(found, schema=SCHEMA, orient="row")


def _standard(items: pl.DataFrame) -> pl.DataFrame:
    """dataset, condition, age_mean, age_deviation (sample) over all that was asked."""
    age = pl.col("age").cast(pl.Float64)
    return (
        with_groups(items, "age")
        .group_by(PART[1:])
        .agg(age_mean=age.mean(), age_deviation=age.std().fill_null(0.0))
    )


def _of_part(key: dict[str, object], part: pl.DataFrame) -> Iterator[dict[str, object]]:
    terms, x = _design(part)
    y, unit, usage = (part[name].to_numpy() for name in ("logit", "unit", "usage"))
    near = part.filter(pl.col("usage") > 0)
    standard = part.row(0, named=True)
    places = _shown(terms, standard["age_mean"], standard["age_deviation"])
    fit = fit_coefficients(y, x, unit)
    by_usage = weighted_coefficients(y, x, unit, usage)
    yield from _of_all({**key, "weighting": BY_ITEM} | _counts(part), fit, places, NOT_FITTED)
    without = NOT_FITTED if near.height else UNREACHED
    yield from _of_all({**key, "weighting": BY_USAGE} | _counts(near), by_usage, places, without)
    if fit is not None:
        yield from _of_questions(key, part, fit, places)


def _counts(part: pl.DataFrame) -> dict[str, object]:
    return {"n": part.height, "units": part["unit"].n_unique()}


def _of_all(
    facts: dict[str, object], fit: Fit | None, places: Places, without: str
) -> Iterator[dict[str, object]]:
    """Rows of score_model; without a fit they have no estimate, and `without` as their method."""
    for group, level, column, factor in places:
        row = {**facts, "metric": MODEL, "group": group, "level": level}
        if fit is None:
            yield {**row, "method": without}
        else:
            estimate, *ends = factor * np.array([fit.coefficients, fit.low, fit.high])[:, column]
            yield {**row, "method": fit.method} | _interval(estimate, *ends)


def _of_questions(
    key: dict[str, object], part: pl.DataFrame, fit: Fit, places: Places
) -> Iterator[dict[str, object]]:
    """Rows of question_score; by usage, a question that no usage is near has no estimate."""
    t = float(student(len(fit.units) - 1))
    sizes = dict(part.group_by("unit").len().iter_rows())
    near = {*part.filter(pl.col("usage") > 0)["unit"]}
    method = f"{fit.method}; prediction for the question"
    for unit, own, errors in zip(fit.units[: len(fit.of_units)], fit.of_units, fit.errors, strict=True):
        facts = {**key, "metric": OF_QUESTION, "dataset": f"{key['dataset']}{UNIT_SEPARATOR}{unit}"}
        found = {"n": sizes[unit], "units": 1, "method": method}
        for group, level, column, factor in places:
            estimate, half = factor * own[column], abs(factor) * t * errors[column]
            row = {**facts, "group": group, "level": level}
            ends = _interval(estimate, estimate - half, estimate + half)
            yield {**row, "weighting": BY_ITEM, **found, **ends}
            reached = {**found, **ends} if unit in near else {"n": 0, "units": 0, "method": UNREACHED}
            yield {**row, "weighting": BY_USAGE, **reached}


def _interval(estimate: float, *ends: float) -> dict[str, object]:
    low, high = (float(end) for end in sorted(ends)) if np.isfinite(ends).all() else (None, None)
    return {"estimate": float(estimate), "ci_low": low, "ci_high": high}


def _design(part: pl.DataFrame) -> tuple[Terms, np.ndarray]:
    """The model's terms (attribute, level) and its matrix, (n, p); only what varies in the part has a column."""
    age = pl.col("age").cast(pl.Float64) - pl.col("age_mean")
    columns = {("", ""): pl.lit(1.0), ("age", PER_DEVIATION): age / pl.col("age_deviation")}
    for group, levels in (("gender", GENDERS[1:]), ("race", RACES[1:])):
        columns |= {(group, level): (pl.col(group) == level).cast(pl.Float64) for level in levels}
    wide = part.select(expression.alias("\t".join(term)) for term, expression in columns.items())
    kept = [wide.columns[0], *(name for name in wide.columns[1:] if wide[name].n_unique() > 1)]
    group_level = [(name.split("\t")[0], name.split("\t")[1]) for name in kept]
    return group_level, wide.select(kept).to_numpy()


def _shown(terms: Terms, mean: float, deviation: float) -> Places:
    shown: Places = []
    for column, (group, level) in enumerate(terms[1:], start=1):
        shown.append((group, level, column, 1.0))
        if group == "age":
            shown += [(group, str(age), column, (age - mean) / deviation) for age in SHOWN_AGES]
    return shown
