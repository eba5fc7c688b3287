"""A subject's answers beside those of the people of every country.

Source: specs/global_opinions.md 3.3: Sim = 1 - Jensen-Shannon distance, of probabilities over the options' letters; beside it
1 - earth mover's distance where the options stand on a scale, and both readings of 3.5 of options that answer nothing.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from assets.evaluation.probabilities import option_scores
from assets.global_opinions.items import DEFAULT
from dagster_project.statistics.distances import earth_movers_distance, entropy, jensen_shannon_distance

BASE = 2.0
PART = ("subject", "dataset", "condition")
"""What every figure is told apart by."""
ANSWER = ("subject", "item_id")
SIMILARITIES = ("similarity", "similarity_substantive", "similarity_ordinal")
QUESTION = pl.col("item_id").str.strip_suffix(pl.format("/{}", "condition"))
"""The question of an item."""


def compared(
    items: pl.DataFrame, answers: pl.DataFrame, usage: pl.DataFrame, opinions: pl.DataFrame
) -> pl.DataFrame:
    """One row per subject, item with an answer that can be scored, and country whose people answered the question.

    In: schemas.evaluation.EvalItem and EvalAnswer, schemas.usage.ItemUsage, schemas.opinions.HumanOpinion.
    Out: subject, dataset, condition, item_id, question_id, unit, country; similarity (base 2), similarity_substantive (without
    options that answer nothing; null where nothing is left), similarity_ordinal (earth mover's; null on no scale);
    relative, the similarity less its mean over the question's countries (null of a lone one); shift, the similarity
    less that by default (null by default); entropy, human_entropy (bits); missing_mass; usage (0 where none is near).
    """
    near = usage.select("item_id", usage=pl.when("near").then("weight").otherwise(0.0))
    scored = (
        option_scores(items, answers)
        .join(near, on="item_id", how="left")
        .select(
            *PART,
            "unit",
            "item_id",
            "p",
            "missing_mass",
            pl.col("usage").fill_null(0.0),
            question_id=QUESTION,
        )
    )
    rows = scored.join(opinions.drop("unit", "dataset", "options"), on="question_id").sort(*ANSWER, "country")
    key = (*PART, "item_id", "question_id", "unit", "country", "missing_mass", "usage")
    found = rows.select(key).with_columns(**_distances(rows))
    lone = pl.len().over(ANSWER) < 2
    relative = pl.col("similarity") - pl.col("similarity").mean().over(ANSWER)
    return _shifted(found.with_columns(relative=pl.when(~lone).then(relative)))


def _distances(rows: pl.DataFrame) -> dict[str, pl.Series]:
    p, q = padded(rows["p"]), padded(rows["shares"])
    kept = padded(rows["substantive"]).astype(bool)
    scale = 1 - earth_movers_distance(p, q, kept)
    found = {
        "similarity": 1 - jensen_shannon_distance(p, q, BASE),
        "similarity_substantive": 1 - jensen_shannon_distance(p * kept, q * kept, BASE),
        "similarity_ordinal": np.where(rows["ordinal"].to_numpy(), scale, np.nan),
        "entropy": entropy(p),
        "human_entropy": entropy(q),
    }
    return {name: pl.Series(values, dtype=pl.Float64, nan_to_null=True) for name, values in found.items()}


def padded(lists: pl.Series) -> np.ndarray:
    """Lists of numbers as an array (rows, longest), with 0 behind the end of each."""
    lengths = lists.list.len().to_numpy()
    filled = np.arange(int(lengths.max()) if len(lengths) else 0) < lengths[:, None]
    array = np.zeros(filled.shape)
    array[filled] = lists.explode(empty_as_null=False).to_numpy()
    return array


def _shifted(rows: pl.DataFrame) -> pl.DataFrame:
    own = ["subject", "question_id", "country"]
    plain = rows.filter(pl.col("condition") == DEFAULT).select(*own, plain="similarity")
    changed = pl.col("condition") != DEFAULT
    shift = pl.when(changed).then(pl.col("similarity") - pl.col("plain"))
    return rows.join(plain, on=own, how="left", maintain_order="left").with_columns(shift=shift).drop("plain")
