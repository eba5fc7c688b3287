"""What each subject was asked and what came of it, counted so that nothing is dropped unseen."""

from __future__ import annotations

import polars as pl

from schemas.evaluation import (
    ANSWERED,
    FAULT,
    LOW_MASS,
    REFUSED,
    UNASKED,
    UNAVAILABLE,
    UNPARSEABLE,
    EvalLoss,
    EvalSuite,
)

PART = ("suite", "dataset", "condition")
COLUMNS = {name: column.dtype.type for name, column in EvalSuite.to_schema().columns.items()}
LOSSES = {name: column.dtype.type for name, column in EvalLoss.to_schema().columns.items()}


def inventory(items: pl.DataFrame, answers: pl.DataFrame, subjects: pl.DataFrame) -> pl.DataFrame:
    """One row per subject, part of a suite and protocol; a subject that has not been asked yet has its rows, too.

    In: suite, item_id, dataset, condition, seed_cluster_id of schemas.evaluation.EvalItem; suite, subject, item_id,
    protocol, missing_mass, status of EvalAnswer; suite, subject of those that are registered. Out: schemas.evaluation.EvalSuite.
    """
    parts = items.group_by(PART).agg(items=pl.len(), seeded=pl.col("seed_cluster_id").is_not_null().sum())
    placed = answers.join(items.select("item_id", *PART), on=["suite", "item_id"])
    status = pl.col("status")
    counted = placed.group_by(*PART, "subject", "protocol").agg(
        answers=pl.len(),
        answered=(status == ANSWERED).sum(),
        refused=(status == REFUSED).sum(),
        unparseable=(status == UNPARSEABLE).sum(),
        faults=status.is_in([FAULT, UNAVAILABLE]).sum(),
        low_mass=(pl.col("missing_mass") > LOW_MASS).sum(),
        missing_mass=pl.col("missing_mass").mean(),
        asked=pl.col("item_id").n_unique(),
    )
    known = pl.concat([subjects, answers.select("suite", "subject")]).unique()
    every = parts.join(known, on="suite")
    table = every.join(counted, on=[*PART, "subject"], how="left").with_columns(
        pl.col("answers", "answered", "refused", "unparseable", "faults", "low_mass", "asked").fill_null(0)
    )
    table = table.with_columns(
        unasked=pl.col("items") - pl.col("asked").sum().over(*PART, "subject").clip(0, pl.col("items"))
    )
    return table.select(pl.col(name).cast(kind) for name, kind in COLUMNS.items()).sort(
        "suite", "subject", "dataset", "condition", "protocol"
    )


def losses(items: pl.DataFrame, answers: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """Why answers cannot be scored: schemas.evaluation.EvalLoss.

    In: items and answers as `inventory` takes them, the answers with reason; asked: what it makes of them.
    """
    placed = answers.drop_nulls("reason").join(items.select("item_id", *PART), on=["suite", "item_id"])
    counted = placed.group_by("subject", *PART, "reason").agg(answers=pl.len())
    unasked = asked.filter(pl.col("unasked") > 0).select(
        "subject", *PART, reason=pl.lit(UNASKED), answers="unasked"
    )
    both = [
        part.select(pl.col(name).cast(kind) for name, kind in LOSSES.items())
        for part in (counted, unasked.unique())
    ]
    return pl.concat(both).sort(*LOSSES)
