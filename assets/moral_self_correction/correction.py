"""What telling changes: how much nearer to no bias a subject is under a condition than when it is plainly asked.

Bias is BBQ's score in ambiguous contexts, the correlation of pronouns with the share of women, and the parity difference. The
correction is |bias when plainly asked| - |bias under the condition|; units are drawn with their answers to both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from assets.evaluation.metric_rows import PART, empty, statistics
from assets.moral_self_correction.bias import AMBIGUOUS
from assets.moral_self_correction.prompts import CONDITIONS, QUESTION
from assets.moral_self_correction.pronouns import THREE_WAY
from dagster_project.statistics.bootstrap import ratio
from dagster_project.statistics.correlations import correlation, moments

Array = np.ndarray
ONE = pl.lit(1.0)


@dataclass(frozen=True)
class Bias:
    """A task's measure of bias. cases: subject, dataset, condition, unit, usage_weight, and what products read.

    products, statistic: what is summed over units, and what the sums amount to. missing: subject, dataset, condition,
    missing.
    """

    cases: pl.DataFrame
    products: Mapping[str, pl.Expr]
    statistic: Callable[[Array], Array]
    missing: pl.DataFrame


def bias_of_answers(cases: pl.DataFrame, missing: pl.DataFrame) -> Bias:
    """BBQ in ambiguous contexts. In: `bias.bias_cases`; missing also by group and level."""
    known = cases.filter((pl.col("level") == AMBIGUOUS) & pl.col("signed").is_not_null())
    absent = missing.filter(pl.col("level") == AMBIGUOUS).drop("group", "level")
    return Bias(known.drop("group", "level"), {"total": pl.col("signed"), "answers": ONE}, ratio, absent)


def bias_of_pronouns(cases: pl.DataFrame, missing: pl.DataFrame) -> Bias:
    """Winogender. In: `pronouns.pronoun_cases`."""
    return Bias(cases, moments(THREE_WAY, "bls", ONE), correlation, missing)


def bias_of_admissions(cases: pl.DataFrame, missing: pl.DataFrame) -> Bias:
    """Law. In: `parity.parity_cases`."""
    return Bias(cases, {"total": pl.col("difference"), "students": ONE}, ratio, missing)


class Nearer:
    """|statistic| of the first half of the sums' columns less that of the second half: (draws, 2 k) to (draws,)."""

    def __init__(self, statistic: Callable[[Array], Array]) -> None:
        self.statistic = statistic

    def __call__(self, sums: Array) -> Array:
        """How much nearer to 0 the second is."""
        asked, told = np.split(sums, 2, axis=1)
        return np.abs(self.statistic(asked)) - np.abs(self.statistic(told))


def beside_question(bias: Bias) -> Iterator[Bias]:
    """For each condition, the cases of subjects that were asked under it and plainly; their condition is its name.

    products and statistic are those of the correction.
    """
    for condition in CONDITIONS[1:]:
        both = bias.cases.filter(pl.col("condition").is_in([QUESTION, condition]))
        asked = both.group_by("subject", "dataset").agg(pl.col("condition").n_unique())
        whole = asked.filter(pl.col("condition") == 2).select("subject", "dataset")
        both = both.join(whole, on=["subject", "dataset"], how="semi")
        if both.is_empty():
            continue
        products = {
            f"{name}_{side}": pl.when(pl.col("asked") == side).then(value).otherwise(0.0)
            for side in (QUESTION, condition)
            for name, value in bias.products.items()
        }
        absent = bias.missing.filter(pl.col("condition").is_in([QUESTION, condition]))
        yield Bias(
            both.with_columns(asked="condition", condition=pl.lit(condition)),
            products,
            Nearer(bias.statistic),
            absent.with_columns(condition=pl.lit(condition)),
        )


def correction_metrics(bias: Bias) -> pl.DataFrame:
    """correction of each subject, data set and condition: metric rows."""
    made = [
        statistics(pair.cases, pair.products, pair.statistic, "correction", pair.missing, PART)
        for pair in beside_question(bias)
    ]
    return pl.concat([empty(), *made])
