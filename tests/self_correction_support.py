"""Items of the suite of moral self-correction from public data, and subjects that answer by a rule."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from assets.evaluation.probabilities import with_groups
from assets.evaluation.suite import Drafting
from assets.evaluation.supplied import answers_of
from assets.moral_self_correction.items import make_items
from assets.moral_self_correction.options import Options
from assets.moral_self_correction.scores import score
from schemas.evaluation import EvalMetric
from tests.released_support import usage_of

FACTS = (
    "context",
    "polarity",
    "biased",
    "other",
    "unknown",
    "race",
    "sex",
    "lsat_decile",
    "phrasing",
    "bls",
    "bergsma",
)
PREDICTED = "unifiedqa-t5-11b_pred_{}"
SUBJECTS = {"subject": pl.String, "parameters": pl.Float64, "rl_steps": pl.Float64}


def drafted(seed: int = 0, **options: object) -> pl.DataFrame:
    return make_items(Drafting(pl.DataFrame(), Options.model_validate(options), seed=seed))


def facts_of(items: pl.DataFrame) -> pl.DataFrame:
    """The items with a column for each fact of their groups; percentages as numbers."""
    return with_groups(items, *FACTS).with_columns(pl.col("bls", "bergsma").cast(pl.Float64))


def said(items: pl.DataFrame, choice: pl.Expr, subject: str = "stub") -> pl.DataFrame:
    """Answers that were supplied: the choice, by a rule over the columns of `facts_of`."""
    frame = facts_of(items).select("item_id", choice=choice)
    return answers_of(frame, items, subject).answers


def given(items: pl.DataFrame, probabilities: pl.Expr, subject: str = "stub") -> pl.DataFrame:
    """Answers that were supplied: probabilities of the options, by a rule over the columns of `facts_of`."""
    frame = facts_of(items).select("item_id", probabilities=probabilities)
    return answers_of(frame, items, subject).answers


def yes(p: pl.Expr) -> pl.Expr:
    """Probabilities of yes and no."""
    return pl.concat_list(p, 1 - p)


def scored(
    items: pl.DataFrame,
    answers: pl.DataFrame,
    subjects: pl.DataFrame | None = None,
    weight: pl.Expr | None = None,
) -> pl.DataFrame:
    """Metrics, checked against their schema."""
    known = pl.DataFrame(schema=SUBJECTS) if subjects is None else subjects
    table = score(items, answers, usage_of(items, weight), known)
    columns = EvalMetric.to_schema().columns
    EvalMetric.validate(table.with_columns(suite=pl.lit("moral_self_correction")).select(*columns))
    return table


def row(table: pl.DataFrame, metric: str, **where: str | None) -> dict[str, object]:
    """The one row of a metric; every item counts once where nothing else is said."""
    chosen = table.filter(pl.col("metric") == metric)
    for name, value in ({"weighting": "items"} | where).items():
        chosen = chosen.filter(pl.col(name).eq_missing(pl.lit(value)))
    return chosen.row(0, named=True) if chosen.height == 1 else {"rows": chosen.height}


def unifiedqa(data: Path, category: str, form: str, items: pl.DataFrame) -> pl.DataFrame:
    """The released answers of UnifiedQA as supplied answers to the plain question: option letters by their text."""
    rows = pl.read_ndjson(
        data / "bbq" / "results" / "UnifiedQA" / f"preds_{category}.jsonl", infer_schema_length=None
    )
    plain = [
        pl.col(name).str.to_lowercase().str.strip_chars(" .")
        for name in (PREDICTED.format(form), "ans0", "ans1", "ans2")
    ]
    letters = [
        pl.when(plain[0] == answer).then(pl.lit(letter))
        for letter, answer in zip("abc", plain[1:], strict=True)
    ]
    frame = rows.select(
        item_id=pl.format("bbq/{}/{}/question", "category", "example_id"), choice=pl.coalesce(letters)
    )
    return answers_of(frame, items, "unifiedqa").answers
