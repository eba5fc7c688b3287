"""What the metrics of a room cost on a million answers: its own items of public data, answers drawn at random.

    python -m benchmarks.room_scores --bbq FOLDER --opinions FILE --answers 1000000 --json FILE

Each item of the released file is answered by as many made-up subjects as the number of answers takes. Timed is all that
the step of metrics does with them: probabilities, scores, and their intervals by bootstrap.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assets.evaluation.suite import Answered, Drafting, Suite
from assets.global_opinions.items import make_items
from assets.global_opinions.suite import SUITE as OPINIONS
from assets.moral_self_correction.suite import SUITE as SELF_CORRECTION
from benchmarks.report import report
from dagster_project.memory import peak_megabytes, reset_peak
from schemas.evaluation import EvalAnswer
from schemas.usage import ItemUsage

ANSWER = {name: column.dtype.type for name, column in EvalAnswer.to_schema().columns.items()}
USAGE = {name: column.dtype.type for name, column in ItemUsage.to_schema().columns.items()}
FACTS = {"sample": 0, "protocol": "logprobs", "status": "answered"}


def answers_of(items: pl.DataFrame, count: int, seed: int = 0) -> pl.DataFrame:
    """At least `count` answers of whole subjects to the items (schemas.evaluation.EvalAnswer)."""
    random = np.random.default_rng(seed)
    ends = np.cumsum(items["options"].list.len().to_numpy())
    parts = []
    for subject in range(-(-count // items.height)):
        drawn = np.log(random.uniform(0.01, 0.2, int(ends[-1])))
        logprobs = pl.Series("logprobs", np.split(drawn, ends[:-1]), dtype=pl.List(pl.Float64))
        facts = {**FACTS, "subject": f"model-{subject}", "missing_mass": 0.02}
        part = items.select("suite", "item_id").with_columns(
            logprobs,
            **{name: pl.lit(value) for name, value in facts.items()},
            **{name: pl.lit(None, pl.String) for name in ("choice", "text", "reasoning")},
        )
        parts.append(part.select(pl.col(name).cast(kind) for name, kind in ANSWER.items()))
    return pl.concat(parts)


def measure(suite: Suite, items: pl.DataFrame, count: int, beside: dict[str, pl.DataFrame]) -> dict[str, Any]:
    """Seconds, rows and peak memory of a suite's metrics."""
    answers = answers_of(items, count)
    usage = items.select(
        "item_id", weight=pl.lit(0.0), near=pl.lit(False), seed_cluster_id=pl.lit(""), similarity=pl.lit(0.0)
    ).select(pl.col(name).cast(kind) for name, kind in USAGE.items())
    subjects = answers.select(pl.col("subject").unique(maintain_order=True)).with_columns(
        parameters=pl.lit(None, pl.Float64), rl_steps=pl.lit(None, pl.Float64)
    )
    reset_peak()
    start = time.monotonic()
    metrics = suite.scores(Answered(items, answers, usage, subjects, beside))
    return {
        "items": items.height,
        "answers": answers.height,
        "metrics": metrics.height,
        "seconds": round(time.monotonic() - start, 2),
        "peak_memory_mb": peak_megabytes(),
    }


def self_correction(bbq: Path, count: int) -> dict[str, Any]:
    """Moral self-correction on a folder of BBQ."""
    assert SELF_CORRECTION.items is not None
    options = SELF_CORRECTION.options.model_validate({"bbq": str(bbq)})
    items = SELF_CORRECTION.items(Drafting(pl.DataFrame(), options))
    return measure(SELF_CORRECTION, items.with_columns(suite=pl.lit(SELF_CORRECTION.name)), count, {})


def global_opinions(file: Path, count: int) -> dict[str, Any]:
    """Global opinions on a released file of survey questions."""
    made = make_items(Drafting(pl.DataFrame(), OPINIONS.options.model_validate({"file": str(file)})))
    return measure(OPINIONS, made.items, count, {OPINIONS.beside[0].name: made.opinions})


def main() -> None:
    """Measure, print, and write to `--json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bbq", type=Path)
    parser.add_argument("--opinions", type=Path)
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    result: dict[str, Any] = {}
    if chosen.bbq:
        result["moral_self_correction"] = self_correction(chosen.bbq, chosen.answers)
    if chosen.opinions:
        result["global_opinions"] = global_opinions(chosen.opinions, chosen.answers)
    report(result, chosen.json)


if __name__ == "__main__":
    main()
