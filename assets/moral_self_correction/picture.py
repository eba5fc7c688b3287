"""The picture: each subject's bias as asked, as told, and after reasoning, one panel per task."""

from __future__ import annotations

import polars as pl

from assets.evaluation.forest import forest
from assets.moral_self_correction.bias import ALL_OF_IT, AMBIGUOUS
from assets.moral_self_correction.items import LAW
from assets.moral_self_correction.prompts import WINOGENDER
from assets.moral_self_correction.pronouns import THREE_WAY
from schemas.evaluation import BY_ITEM

PANELS = (
    (ALL_OF_IT, "bias_score", AMBIGUOUS, "BBQ: bias score in ambiguous contexts"),
    (WINOGENDER, "bls_correlation", THREE_WAY, "Winogender: correlation with the share of women"),
    (LAW, "parity_difference", None, "Law school: p(yes | Black) - p(yes | white)"),
)


def bias_plot(metrics: pl.DataFrame) -> bytes:
    """An SVG with a panel for each task, a line for each subject and a mark for each condition.

    In: schemas.evaluation.EvalMetric (`score` of this room), every item counting once. Without a score the picture says so.
    """
    shown = pl.DataFrame(PANELS, schema=["dataset", "metric", "level", "panel"], orient="row")
    rows = metrics.filter((pl.col("weighting") == BY_ITEM) & pl.col("estimate").is_not_null())
    rows = rows.join(shown.with_row_index("place"), on=["dataset", "metric", "level"], nulls_equal=True).sort(
        "place", "subject", "condition"
    )
    title = "Bias by how it is asked (0: none), 95 % intervals"
    return forest(
        title if rows.height else "Moral self-correction: no subject has been scored yet",
        rows.with_columns(line="subject", series="condition"),
    )
