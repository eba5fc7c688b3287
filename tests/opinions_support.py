"""Survey questions in the released forms, and subjects that answer them by given shares."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assets.evaluation.suite import Answered, Drafting
from assets.global_opinions.items import Asked, Options, make_items
from assets.global_opinions.scores import scores
from schemas.evaluation import EvalMetric
from tests.discrimination_support import answered, seeds, unreached

EXAMPLE = {
    "Belgium": [0.21, 0.07, 0.69, 0.03],
    "France": [0.35, 0.09, 0.54, 0.02],
    "Greece": [0.86, 0.04, 0.10, 0.0],
    "Sweden": [0.15, 0.02, 0.82, 0.01],
}
"""Shares of the example of the dataset card: one country's influence, too much, too little, about right, refused."""
OPTIONS = ["Too much", "Too little", "Just right", "DK/Refused"]
Row = tuple[str, Mapping[str, Any], Sequence[Any], str]


def write_csv(path: Path, rows: Sequence[Row]) -> Path:
    """The released CSV: selections as Python prints a defaultdict, options as it prints a list."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "selections", "options", "source"])
        for question, selections, options, source in rows:
            told = f"defaultdict(<class 'list'>, {dict(selections)!r})"
            writer.writerow([question, told, repr(list(options)), source])
    return path


def write_json(path: Path, rows: Sequence[Row]) -> Path:
    """The JSON form: an object for each question and country."""
    objects = [
        {"country": country, "question": question, "options": list(options), "distribution": shares}
        for question, selections, options, _ in rows
        for country, shares in selections.items()
    ]
    path.write_text(json.dumps(objects))
    return path


def random_rows(count: int, countries: Sequence[str], seed: int = 0, options: int = 4) -> list[Row]:
    rng = np.random.default_rng(seed)
    names = [f"Answer {place}" for place in range(options)]
    return [
        (
            f"Question {number}?",
            {country: rng.dirichlet(np.ones(options)).tolist() for country in countries},
            names,
            "GAS" if number % 2 else "WVS",
        )
        for number in range(count)
    ]


def drafted(path: Path, asker: Any = lambda role: None, **options: Any) -> Asked:
    chosen = Options.model_validate({"file": str(path), "countries": (), **options})
    return make_items(Drafting(seeds(), chosen, asker=asker))


def answers_as(asked: Asked, shares: pl.DataFrame, mass: float = 1.0, subject: str = "stub") -> pl.DataFrame:
    """Answers with these shares. In: question_id, shares."""
    question = pl.col("item_id").str.strip_suffix(pl.format("/{}", "condition"))
    known = asked.items.with_columns(question_id=question).join(
        shares, on="question_id", maintain_order="left"
    )
    with np.errstate(divide="ignore"):
        logprobs = [np.log(mass * np.array(row)).tolist() for row in known["shares"]]
    answers = answered(known, np.zeros((known.height, 1)), mass, subject)
    return answers.with_columns(logprobs=pl.Series(logprobs, dtype=pl.List(pl.Float64)))


def answers_of_country(asked: Asked, country: str, **facts: Any) -> pl.DataFrame:
    return answers_as(asked, asked.opinions.filter(country=country).select("question_id", "shares"), **facts)


def uniform(asked: Asked) -> pl.DataFrame:
    count = pl.col("options").list.len()
    even = asked.opinions.unique("question_id").select("question_id", shares=(1 / count).repeat_by(count))
    return answers_as(asked, even)


def scored(asked: Asked, answers: pl.DataFrame, usage: pl.DataFrame | None = None) -> pl.DataFrame:
    near = unreached(asked.items) if usage is None else usage
    subjects = pl.DataFrame(schema={"subject": pl.String})
    metrics = scores(Answered(asked.items, answers, near, subjects, {"human_opinions": asked.opinions}))
    EvalMetric.validate(metrics.select(pl.lit("global_opinions").alias("suite"), pl.all()))
    return metrics


def by_country(metrics: pl.DataFrame, metric: str = "similarity", **facts: str) -> dict[str, float]:
    chosen = {"metric": metric, "dataset": "all", "condition": "default", "weighting": "items"} | facts
    kept = metrics.filter(pl.col("group") == "country", **chosen)
    return dict(kept.select("level", "estimate").iter_rows())
