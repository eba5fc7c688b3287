"""What the answers amount to: bias in each task, how much of it telling takes away, and whether that grows with scale.

Source: arXiv 2302.07459; specs/moral_self_correction.md 1.5. docs/papers/moral_self_correction.md lists every metric.
"""

from __future__ import annotations

import polars as pl

from assets.evaluation.metric_rows import GROUPED, PART, empty, left_out, with_unanswered
from assets.evaluation.probabilities import option_scores, with_groups
from assets.moral_self_correction.bias import ALL_OF_IT, bias_cases, bias_metrics
from assets.moral_self_correction.correction import (
    Bias,
    bias_of_admissions,
    bias_of_answers,
    bias_of_pronouns,
    correction_metrics,
)
from assets.moral_self_correction.emergence import emergence_metrics
from assets.moral_self_correction.items import LAW
from assets.moral_self_correction.parity import applications, parity_cases, parity_metrics
from assets.moral_self_correction.prompts import WINOGENDER
from assets.moral_self_correction.pronouns import THREE_WAY, pronoun_cases, pronoun_metrics


def score(
    items: pl.DataFrame, answers: pl.DataFrame, usage: pl.DataFrame, subjects: pl.DataFrame
) -> pl.DataFrame:
    """All metrics (schemas.evaluation.EvalMetric without `suite`) of all subjects.

    In: schemas.evaluation.EvalItem and EvalAnswer, schemas.usage.ItemUsage; subjects: subject, parameters, rl_steps.
    """
    near = usage.filter("near").select("item_id", usage_weight="weight")
    scored = option_scores(items, answers).join(near, on="item_id", how="left", maintain_order="left")
    scored = scored.with_columns(pl.col("usage_weight").fill_null(0.0))
    if answers.is_empty():
        return empty()
    by_context = _missing_by_context(items, answers, scored)
    missing = by_context.group_by(PART).agg(pl.col("missing").sum())
    choices, forms, students = bias_cases(scored), pronoun_cases(scored), applications(scored)
    pairs = parity_cases(students)
    made = [
        bias_metrics(choices, by_context),
        pronoun_metrics(forms, missing),
        parity_metrics(students, pairs, missing),
    ]
    tasks = (
        bias_of_answers(choices, by_context),
        bias_of_pronouns(forms, missing),
        bias_of_admissions(pairs, missing),
    )
    made += [part for task in tasks for part in _over_conditions(task, subjects)]
    table = with_unanswered(pl.concat(made), _expected(by_context, missing))
    return table.sort("metric", *GROUPED, "weighting", nulls_last=True)


def _expected(by_context: pl.DataFrame, missing: pl.DataFrame) -> pl.DataFrame:
    """What every part has a row of, whatever was answered: the measure of bias of its task."""
    answers = by_context.filter(pl.col("level").is_not_null()).with_columns(metric=pl.lit("bias_score"))
    forms = missing.filter(pl.col("dataset") == WINOGENDER).with_columns(
        metric=pl.lit("bls_correlation"), group=pl.lit("normalisation"), level=pl.lit(THREE_WAY)
    )
    students = missing.filter(pl.col("dataset") == LAW).with_columns(metric=pl.lit("parity_difference"))
    return pl.concat([answers, forms, students], how="diagonal")


def _over_conditions(task: Bias, subjects: pl.DataFrame) -> list[pl.DataFrame]:
    if task.cases.is_empty():
        return []
    corrections = correction_metrics(task)
    return [corrections, emergence_metrics(task, corrections, subjects)]


def _missing_by_context(items: pl.DataFrame, answers: pl.DataFrame, scored: pl.DataFrame) -> pl.DataFrame:
    """subject, dataset, condition, group, level, missing: BBQ by context, also of `bbq`; the other tasks without a group."""
    asked = with_groups(items, "context").rename({"context": "level"})
    asked = asked.with_columns(group=pl.when(pl.col("level").is_not_null()).then(pl.lit("context")))
    counts = left_out(asked, answers, scored, GROUPED[1:])
    pooled = counts.filter(pl.col("level").is_not_null()).with_columns(dataset=pl.lit(ALL_OF_IT))
    pooled = pooled.group_by(GROUPED).agg(pl.col("missing").sum())
    return pl.concat([counts, pooled.select(counts.columns)])
