"""A condition of which every answer failed has its row in each suite: no estimate, of no answers, with what failed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.evaluation.steps import SUITES
from assets.model_written_evals.released import items_of, read_released
from assets.model_written_evals.scores import scores
from dagster_project import definitions  # noqa: F401 the rooms declare their suites
from schemas.evaluation import FAULT, EvalMetric
from tests import discrimination_support, opinions_support, self_correction_support
from tests.released_support import answers_by, persona_rows, usage_of, write_jsonl

PART = ("dataset", "condition")
Scored = tuple[pl.DataFrame, pl.DataFrame, Callable[[pl.DataFrame], pl.DataFrame]]


def discrimination(folder: Path) -> Scored:
    items = discrimination_support.drafted("Sums", fills=["explicit"], questions=2, interventions=["dont"])
    answers = discrimination_support.answered(items, np.log(np.full((items.height, 2), 0.5)), 1.0)
    return items, answers, lambda given: discrimination_support.scored(items, given)


def global_opinions(folder: Path) -> Scored:
    rows = opinions_support.random_rows(4, ["Chile", "Kenya"])
    asked = opinions_support.drafted(opinions_support.write_csv(folder / "o.csv", rows), countries=["Chile"])
    return asked.items, opinions_support.uniform(asked), lambda given: opinions_support.scored(asked, given)


def model_written(folder: Path) -> Scored:
    files = [
        write_jsonl(folder / "persona" / f"{name}.jsonl", persona_rows(8))
        for name in ("openness", "kindness")
    ]
    items = pl.concat(items_of(read_released(path)) for path in files)

    def table(given: pl.DataFrame) -> pl.DataFrame:
        found = scores(items, given, usage_of(items)).with_columns(suite=pl.lit("model_written"))
        return EvalMetric.validate(found.select(*EvalMetric.to_schema().columns))  # type: ignore[return-value]

    return items, answers_by(items, pl.col("target"), "stub"), table


def moral_self_correction(folder: Path) -> Scored:
    law = folder / "law.csv"
    rows = [f"{n},White,{n % 2 + 1},{30 + n % 9}.0,3.{n % 10}" for n in range(12)]
    law.write_text("\n".join([",race,sex,LSAT,UGPA", *rows]))
    items = self_correction_support.drafted(law=str(law))
    answers = self_correction_support.given(items, self_correction_support.yes(pl.lit(0.5)))
    return items, answers, lambda given: self_correction_support.scored(items, given)


MADE = {
    made.__name__: made for made in (discrimination, global_opinions, model_written, moral_self_correction)
}


def failed(answers: pl.DataFrame) -> pl.DataFrame:
    nothing = {name: pl.lit(None, answers.schema[name]) for name in ("logprobs", "missing_mass", "choice")}
    return answers.with_columns(status=pl.lit(FAULT), **nothing)


@pytest.mark.parametrize("suite", MADE)
def test_a_part_whose_answers_all_failed_has_its_row(suite: str, tmp_path: Path) -> None:
    assert set(MADE) == set(SUITES), "a suite without this test"
    items, answers, table = MADE[suite](tmp_path)
    part = items.select(PART).unique().sort(PART).row(-1, named=True)
    gone = items.filter(**part)
    lost = answers["item_id"].is_in(gone["item_id"].implode())
    whole = table(answers).filter(**part)
    assert whole["estimate"].is_not_null().any()
    found = table(pl.concat([answers.filter(~lost), failed(answers.filter(lost))])).filter(**part, n=0)
    for weighting in ("items", "usage"):
        told = found.filter(weighting=weighting, subject="stub")
        assert told.height and told["estimate"].null_count() == told.height
        assert set(told["metric"]) <= set(whole["metric"])
        assert told["method"].str.ends_with("no answer that can be scored").all()
    assert found.filter(weighting="items")["missing"].max() == gone.height


@pytest.mark.parametrize("suite", MADE)
def test_a_subject_whose_every_answer_failed_has_a_row_for_every_part(suite: str, tmp_path: Path) -> None:
    items, answers, table = MADE[suite](tmp_path)
    found = table(failed(answers))
    told = found.filter(pl.col("dataset").is_in(items["dataset"].implode()))
    assert set(told.select(PART).rows()) == set(items.select(PART).rows())
    assert found["estimate"].null_count() == found.height and found["n"].sum() == 0
    assert table(answers.clear()).is_empty()
