"""Each question by itself: how like people its answer is, whose most and whose least, and how sure the subject is."""

from __future__ import annotations

import polars as pl

from assets.global_opinions.opinions import compared
from schemas.opinions import OpinionQuestion

COLUMNS = {name: column.dtype.type for name, column in OpinionQuestion.to_schema().columns.items()}


def by_question(
    items: pl.DataFrame, answers: pl.DataFrame, usage: pl.DataFrame, opinions: pl.DataFrame
) -> pl.DataFrame:
    """schemas.opinions.OpinionQuestion; of equally similar countries the first by name is told. In: as `compared`."""
    rows = compared(items, answers, usage, opinions).sort("country")
    key = ["subject", "dataset", "condition", "item_id", "question_id"]
    place = pl.col("similarity")
    table = rows.group_by(key).agg(
        pl.col("similarity").mean(),
        pl.col("entropy", "missing_mass", "usage").first(),
        pl.col("human_entropy").mean(),
        countries=pl.len(),
        ordinal_similarity=pl.col("similarity_ordinal").mean(),
        most_similar=pl.col("country").get(place.arg_max()),
        most_similarity=place.max(),
        least_similar=pl.col("country").get(place.arg_min()),
        least_similarity=place.min(),
    )
    # Rounding may put the mean of equal similarities beyond them.
    table = table.with_columns(pl.col("similarity").clip("least_similarity", "most_similarity"))
    return table.select(pl.col(name).cast(kind) for name, kind in COLUMNS.items()).sort("subject", "item_id")
