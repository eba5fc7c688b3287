"""What scoring costs: a million answers through probabilities and means with bootstrap intervals.

    python -m benchmarks.evaluation --part metrics --answers 1000000 --json FILE

The answers are synthetic: `subjects` models choose among four options of the same items, by log-probabilities. Each stage is one
that suites run: `option_scores`; means of 0 and 1 (`hit`), whose units are few cells; means of probabilities over units
of many rows, and over as many units as rows, each a cell of its own; and means of many groups from one draw of units.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assets.evaluation.items import completed
from assets.evaluation.probabilities import option_scores
from benchmarks.report import report
from dagster_project.memory import peak_megabytes, reset_peak
from dagster_project.statistics.bootstrap import cluster_means
from dagster_project.statistics.joint_bootstrap import joint_means
from schemas.evaluation import EvalAnswer

OPTIONS = ["A", "B", "C", "D"]
SUBJECTS, DATASETS, UNITS, GROUPS = 10, 20, 2_500, 140
ANSWER = {name: column.dtype.type for name, column in EvalAnswer.to_schema().columns.items()}


def items_of(count: int) -> pl.DataFrame:
    """Items with four options, in DATASETS data sets (schemas.evaluation.EvalItem)."""
    row = pl.int_range(count)
    frame = pl.select(
        item_id=pl.format("item-{}", row),
        dataset=pl.format("data-{}", row % DATASETS),
        unit=pl.format("unit-{}", row % UNITS),
        messages=pl.lit([{"role": "user", "content": "?"}]),
        options=pl.lit(OPTIONS),
        target=pl.lit(OPTIONS[0]),
    )
    return completed("synthetic", frame)


def answers_of(items: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """Answers of SUBJECTS models to every item (schemas.evaluation.EvalAnswer)."""
    random = np.random.default_rng(seed)
    parts = []
    for subject in range(SUBJECTS):
        shares = random.dirichlet(np.ones(len(OPTIONS)), items.height) * 0.98
        logprobs = pl.Series(np.log(shares), dtype=pl.Array(pl.Float64, len(OPTIONS))).cast(
            pl.List(pl.Float64)
        )
        facts = {"subject": f"model-{subject}", "sample": 0, "protocol": "logprobs", "status": "answered"}
        part = items.select("suite", "item_id", logprobs=logprobs, missing_mass=pl.lit(0.02)).with_columns(
            **{name: pl.lit(value) for name, value in facts.items()},
            **{name: pl.lit(None, pl.String) for name in ("choice", "text", "reasoning", "reason")},
        )
        parts.append(part.select(pl.col(name).cast(kind) for name, kind in ANSWER.items()))
    return pl.concat(parts)


def metrics(count: int) -> dict[str, Any]:
    """Seconds of each stage and peak memory for `count` answers."""
    items = items_of(count // SUBJECTS)
    answers = answers_of(items)
    reset_peak()
    seconds: dict[str, float] = {}

    def timed(stage: str, work: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        start = time.monotonic()
        found = work()
        seconds[stage] = round(time.monotonic() - start, 2)
        return found

    by = ["subject", "dataset"]
    scored = timed("option_scores", lambda: option_scores(items, answers))
    scored = scored.with_columns(group=pl.int_range(pl.len()) % GROUPS)
    timed("means of hits", lambda: cluster_means(scored, "hit", by=by))
    timed("means of probabilities by unit", lambda: cluster_means(scored, "p_target", by=by))
    timed("means of probabilities by item", lambda: cluster_means(scored, "p_target", by=by, unit="item_id"))
    timed(
        "joint means of groups",
        lambda: joint_means(scored, ["p_target", "missing_mass"], by=["subject", "group"]),
    )
    return {
        "answers": answers.height,
        "scored": scored.height,
        "seconds": seconds,
        "total_seconds": round(sum(seconds.values()), 2),
        "peak_memory_mb": peak_megabytes(),
    }


PARTS: dict[str, Callable[[int], dict[str, Any]]] = {"metrics": metrics}


def main() -> None:
    """Measure, print, and write to `--json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=sorted(PARTS), default="metrics")
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    report({chosen.part: PARTS[chosen.part](chosen.answers)}, chosen.json)


if __name__ == "__main__":
    main()
