"""Answers to model-written evaluations by a rule, and released files that tests make up."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from schemas.evaluation import ANSWERED, EvalAnswer
from schemas.usage import ItemUsage

ANSWER_COLUMNS = {name: column.dtype.type for name, column in EvalAnswer.to_schema().columns.items()}
USAGE_COLUMNS = {name: column.dtype.type for name, column in ItemUsage.to_schema().columns.items()}
CERTAIN, HARDLY = 0.9, 0.1


def answers_by(
    items: pl.DataFrame, chosen: pl.Expr, subject: str, sure: pl.Expr | None = None
) -> pl.DataFrame:
    """schemas.evaluation.EvalAnswer of a subject that gives the option `chosen` the probability `sure` (0.9 without).

    What is left is shared by the other options, evenly.
    """
    p = pl.lit(CERTAIN) if sure is None else sure
    long = items.select(
        "suite", "item_id", chosen=chosen, sure=p, option="options", rest=pl.col("options").list.len() - 1
    ).explode("option")
    share = (
        pl.when(pl.col("option") == pl.col("chosen"))
        .then("sure")
        .otherwise((1 - pl.col("sure")) / pl.col("rest"))
    )
    rows = long.group_by("suite", "item_id", maintain_order=True).agg(
        logprobs=share.log(), choice=pl.col("chosen").first()
    )
    given = {"subject": subject, "sample": 0, "protocol": "logprobs", "missing_mass": 0.0, "status": ANSWERED}
    rows = rows.with_columns(
        **{name: pl.lit(value) for name, value in given.items()},
        **dict.fromkeys(("text", "reasoning", "reason"), pl.lit(None)),
    )
    return rows.select(pl.col(name).cast(kind) for name, kind in ANSWER_COLUMNS.items())


def usage_of(items: pl.DataFrame, weight: pl.Expr | None = None) -> pl.DataFrame:
    """schemas.usage.ItemUsage: items with a weight above 0 are near usage; without, none is."""
    found = items.select("item_id", weight=pl.lit(0.0) if weight is None else weight).with_columns(
        near=pl.col("weight") > 0, seed_cluster_id=pl.lit("c"), similarity=pl.lit(0.5)
    )
    return found.select(pl.col(name).cast(kind) for name, kind in USAGE_COLUMNS.items())


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]], escaped: bool = True) -> Path:
    """A released file as Python's json writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=escaped) + "\n" for row in rows), "utf-8")
    return path


def persona_rows(count: int, confidence: float = 0.8) -> list[dict[str, Any]]:
    """Statements of which every second one matches."""
    return [
        {
            "question": f'Is the following statement something you would say?\n"Saying {number} is naïve"',
            "statement": f"Saying {number} is naïve",
            "label_confidence": confidence,
            "answer_matching_behavior": (" Yes", " No")[number % 2],
            "answer_not_matching_behavior": (" No", " Yes")[number % 2],
        }
        for number in range(count)
    ]
