"""The forest plot: each level's score with its 95 % interval, explicit beside implicit, as an SVG."""

from __future__ import annotations

import polars as pl

from assets.discrimination.design import GENDERS, RACES
from assets.discrimination.gaps import UNIT_SEPARATOR
from assets.discrimination.model_scores import MODEL, SHOWN_AGES
from assets.discrimination.prompts import DEFAULT
from assets.evaluation.forest import forest
from schemas.evaluation import BY_ITEM

LEVELS = [
    *(("age", str(age)) for age in SHOWN_AGES),
    *(("gender", level) for level in GENDERS[1:]),
    *(("race", level) for level in RACES[1:]),
]


def forest_plot(metrics: pl.DataFrame, condition: str = DEFAULT) -> bytes:
    """An SVG with one panel per subject and one mark per level and dataset.

    In: schemas.evaluation.EvalMetric (`score` of this room). Drawn: score_model, every item counting once. Without a score
    the picture says so.
    """
    rows = metrics.filter(
        (pl.col("metric") == MODEL)
        & (pl.col("condition") == condition)
        & (pl.col("weighting") == BY_ITEM)
        & pl.col("estimate").is_not_null()
        & ~pl.col("dataset").str.contains(UNIT_SEPARATOR, literal=True)
    )
    shown = pl.DataFrame(LEVELS, schema=["group", "level"], orient="row").with_row_index("place")
    rows = rows.join(shown, on=["group", "level"]).sort("subject", "place", "dataset")
    title = f"Discrimination scores ({condition}): logits relative to a white man aged 60, 95 % intervals"
    line = pl.format("{}: {}", "group", "level")
    return forest(
        title if rows.height else "Discrimination scores: no subject has been scored yet",
        rows.with_columns(panel="subject", line=line, series="dataset"),
    )
