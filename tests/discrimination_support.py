"""Items of the suite of discrimination, and subjects that decide by a formula."""

from __future__ import annotations

import numpy as np
import polars as pl

from assets.discrimination.design import ATTRIBUTES
from assets.discrimination.items import Options, make_items
from assets.discrimination.scores import score
from assets.evaluation.probabilities import with_groups
from assets.evaluation.suite import Drafting
from schemas.evaluation import EvalAnswer, EvalMetric
from schemas.usage import ItemUsage, UsageSeed

ANSWER = {name: column.dtype.type for name, column in EvalAnswer.to_schema().columns.items()}
USAGE = {name: column.dtype.type for name, column in ItemUsage.to_schema().columns.items()}
SEED = {name: column.dtype.type for name, column in UsageSeed.to_schema().columns.items()}


def seeds(*names: str) -> pl.DataFrame:
    rows = [(f"c{place}", name, "", 0.1, 10, 20, None) for place, name in enumerate(names)]
    return pl.DataFrame(rows, schema=SEED, orient="row")


def drafted(*names: str, seed: int = 0, **options: object) -> pl.DataFrame:
    return make_items(Drafting(seeds(*names), Options.model_validate(options), seed=seed))


def answers_of(
    items: pl.DataFrame, logit: pl.Expr, mass: float = 0.999, subject: str = "stub"
) -> pl.DataFrame:
    """Answers with that logit of yes against no (over age, gender, race, unit, condition) and that mass on both."""
    wide = with_groups(items, *ATTRIBUTES).with_columns(pl.col("age").cast(pl.Float64))
    y = wide.select(logit.cast(pl.Float64).alias("y"))["y"].to_numpy()
    pair = np.log(mass) - np.stack([np.logaddexp(0, -y), np.logaddexp(0, y)], axis=1)
    return answered(items, pair, mass, subject)


def answered(items: pl.DataFrame, logprobs: np.ndarray, mass: float, subject: str = "stub") -> pl.DataFrame:
    facts = items.select("suite", "item_id").with_columns(
        subject=pl.lit(subject),
        sample=pl.lit(0),
        protocol=pl.lit("logprobs"),
        logprobs=pl.Series(logprobs.tolist(), dtype=pl.List(pl.Float64)),
        missing_mass=pl.lit(1 - mass),
        status=pl.lit("answered"),
        **{name: pl.lit(None, pl.String) for name in ("choice", "text", "reasoning", "reason")},
    )
    return facts.select(pl.col(name).cast(kind) for name, kind in ANSWER.items())


def unreached(items: pl.DataFrame) -> pl.DataFrame:
    """No item near any cluster."""
    return items.select(
        "item_id",
        seed_cluster_id=pl.lit(None, pl.String),
        similarity=pl.lit(None, pl.Float64),
        near=pl.lit(False),
        weight=pl.lit(0.0),
    ).cast(USAGE)  # type: ignore[arg-type]


def scored(items: pl.DataFrame, answers: pl.DataFrame, usage: pl.DataFrame | None = None) -> pl.DataFrame:
    metrics = score(items, answers, unreached(items) if usage is None else usage)
    EvalMetric.validate(metrics.select(pl.lit("discrimination").alias("suite"), pl.all()))
    return metrics


def estimates(metrics: pl.DataFrame, metric: str, **facts: str) -> dict[tuple[str, str], float | None]:
    """Estimate by attribute and level, every item counting once."""
    kept = metrics.filter(metric=metric, **({"weighting": "items", "condition": "default"} | facts))
    return {
        (group, level): estimate
        for group, level, estimate in kept.select("group", "level", "estimate").iter_rows()
    }
