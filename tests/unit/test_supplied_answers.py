"""Answers that somebody else collected: every format gives what asking would have given, and bad rows are counted."""

from __future__ import annotations

import json
import math
from pathlib import Path

import polars as pl
import pytest

from assets.evaluation.items import completed, messages_of
from assets.evaluation.probabilities import option_scores
from assets.evaluation.supplied import answers_of, read_supplied, subjects_in
from dagster_project.errors import ObservatoryError
from schemas.evaluation import EvalAnswer

FRAME = completed(
    "model_written",
    pl.DataFrame(
        {"text": ["a", "b"], "dataset": "d", "unit": ["a", "b"], "options": [[" Yes", " No"], [" No", " Yes"]],
         "target": " Yes"}
    ).with_columns(messages=messages_of("text")),
)  # fmt: skip
ONE, TWO = FRAME["item_id"]


def jsonl(folder: Path, *rows: dict) -> pl.DataFrame:
    path = folder / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_supplied(path)


def read(frame: pl.DataFrame, subject: str = "m") -> pl.DataFrame:
    answers = answers_of(frame, FRAME, subject).answers
    EvalAnswer.validate(answers)
    return answers


@pytest.mark.parametrize(
    "rows",
    [
        [{"item_id": ONE, "logprobs": [math.log(0.6), math.log(0.2)]}, {"item_id": TWO, "logprobs": [math.log(0.2), math.log(0.6)]}],
        [{"item_id": ONE, "logprobs": {" Yes": math.log(0.6), " No": math.log(0.2)}}, {"item_id": TWO, "logprobs": {" Yes": math.log(0.6), " No": math.log(0.2)}}],
        [{"item_id": ONE, "probabilities": [0.6, 0.2]}, {"item_id": TWO, "probabilities": [0.2, 0.6]}],
        [{"item_id": ONE, "probabilities": {" No": 0.2, " Yes": 0.6}}, {"item_id": TWO, "probabilities": {" No": 0.2, " Yes": 0.6}}],
    ],
)  # fmt: skip
def test_probabilities_in_every_form_say_the_same(tmp_path: Path, rows: list[dict]) -> None:
    answers = read(jsonl(tmp_path, *rows))
    assert answers["status"].to_list() == ["answered"] * 2 and answers["choice"].to_list() == [" Yes"] * 2
    assert answers["missing_mass"].to_list() == pytest.approx([0.2, 0.2])
    assert option_scores(FRAME, answers)["p_target"].to_list() == pytest.approx([0.75, 0.75])


def test_choices_and_texts_are_read(tmp_path: Path) -> None:
    rows = [{"item_id": ONE, "choice": "Yes"}, {"item_id": TWO, "choice": "perhaps"}]
    answers = read(jsonl(tmp_path, *rows))
    assert answers["choice"].to_list() == [" Yes", None]
    assert answers["status"].to_list() == ["answered", "unparseable"]
    said = [{"item_id": ONE, "text": "No, never"}, {"item_id": TWO, "text": "I'm sorry, I can't say."}]
    answers = read(jsonl(tmp_path, *said))
    assert answers["choice"].to_list() == [" No", None]
    assert answers["status"].to_list() == ["answered", "refused"]


def test_samples_are_numbered_where_the_file_does_not(tmp_path: Path) -> None:
    answers = read(jsonl(tmp_path, *({"item_id": ONE, "choice": said} for said in ("Yes", "Yes", "No"))))
    assert answers["sample"].to_list() == [0, 1, 2]
    assert option_scores(FRAME, answers)["p_target"].item() == pytest.approx(2.5 / 4)


@pytest.mark.parametrize("sample", ["first", -1, None])
def test_a_sample_that_is_no_ordinal_is_refused_with_advice(tmp_path: Path, sample: object) -> None:
    rows = [{"item_id": ONE, "choice": "Yes", "sample": sample}]
    with pytest.raises(ObservatoryError, match="whole number"):
        answers_of(jsonl(tmp_path, *rows), FRAME, "m")


def test_unknown_and_repeated_rows_are_counted(tmp_path: Path) -> None:
    rows = [{"item_id": ONE, "sample": 0, "choice": "Yes"}] * 2 + [
        {"item_id": "x", "sample": 0, "choice": "Yes"}
    ]
    found = answers_of(jsonl(tmp_path, *rows), FRAME, "m")
    assert (found.answers.height, found.unknown, found.repeated) == (1, 1, 1)


def test_an_empty_answer_is_a_fault(tmp_path: Path) -> None:
    rows = [{"item_id": ONE, "text": None}, {"item_id": TWO, "text": "Yes"}]
    assert read(jsonl(tmp_path, *rows)).select("status", "reason").rows() == [
        ("fault", "no_answer"),
        ("answered", None),
    ]


def test_a_text_is_a_refusal_by_its_beginning_as_where_it_is_asked(tmp_path: Path) -> None:
    free = completed(
        "model_written",
        pl.DataFrame({"text": ["a", "b"], "dataset": "d", "unit": ["a", "b"]}).with_columns(
            messages=messages_of("text")
        ),
    )
    one, two = free["item_id"]
    rows = [{"item_id": one, "text": "I'm sorry, no."}, {"item_id": two, "text": "x" * 300 + " I'm sorry"}]
    answers = answers_of(jsonl(tmp_path, *rows), free, "m").answers
    assert answers["status"].to_list() == ["refused", "answered"]


def test_several_subjects_are_told_apart(tmp_path: Path) -> None:
    rows = [
        {"item_id": ONE, "subject": "s", "choice": "Yes"},
        {"item_id": ONE, "subject": "l", "choice": "No"},
    ]
    frame = jsonl(tmp_path, *rows)
    assert subjects_in(frame) == ["l", "s"]
    assert read(frame, "s")["choice"].to_list() == [" Yes"]


def test_csv_and_parquet_are_read_too(tmp_path: Path) -> None:
    frame = pl.DataFrame({"item_id": [ONE, TWO], "choice": ["Yes", "No"]})
    frame.write_csv(tmp_path / "a.csv")
    frame.write_parquet(tmp_path / "a.parquet")
    for name in ("a.csv", "a.parquet"):
        assert read(read_supplied(tmp_path / name))["choice"].to_list() == [" Yes", " No"]


@pytest.mark.parametrize("content", ["{", '{"item": 1}\n', '{"item_id": "1"}\n'])
def test_what_is_no_file_of_answers_is_refused_with_advice(tmp_path: Path, content: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(content)
    with pytest.raises(ObservatoryError, match="item_id"):
        read_supplied(path)


def test_answers_to_other_items_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ObservatoryError, match="no answer"):
        answers_of(jsonl(tmp_path, {"item_id": "x", "choice": "Yes"}), FRAME, "m")


def test_what_is_no_probability_is_a_fault_and_spoils_no_other_row(tmp_path: Path) -> None:
    rows = [{"item_id": ONE, "probabilities": [-0.1, 1.1]}, {"item_id": TWO, "probabilities": [0.2, 0.8]}]
    answers = read(jsonl(tmp_path, *rows))
    assert answers["status"].to_list() == ["fault", "answered"] and answers["logprobs"][0] is None
    assert option_scores(FRAME, answers)["p_target"].to_list() == pytest.approx([0.8])


def test_the_only_subject_of_a_file_may_be_called_otherwise(tmp_path: Path) -> None:
    frame = jsonl(tmp_path, {"item_id": ONE, "choice": "Yes", "subject": "its own name"})
    assert read(frame, "another")["subject"].to_list() == ["another"]
