"""From items to answers to probabilities: every item has its rows, and nothing that failed is dropped."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from assets.evaluation.answering import COLUMNS, Asked, ask_items, read_option
from assets.evaluation.inventory import inventory, losses
from assets.evaluation.items import completed, groups_of, messages_of
from assets.evaluation.probabilities import missing, option_scores, with_groups
from dagster_project.errors import ObservatoryError
from dagster_project.language_models import Asker, CallCache, Fault, Limits, Meter, Request, Response, Usage
from schemas.evaluation import EvalAnswer, EvalItem, EvalLoss, EvalSuite
from tests.language_model_support import ScriptedModel


def items(*texts: str, **columns: object) -> pl.DataFrame:
    frame = pl.DataFrame({"text": texts, "dataset": "d", "unit": texts}).with_columns(
        **{name: value if isinstance(value, pl.Expr) else pl.lit(value) for name, value in columns.items()}
    )
    return completed("discrimination", frame.with_columns(messages=messages_of("text")))


def subject(folder: Path, answer=lambda request: "yes", **facts: object) -> tuple[Asked, ScriptedModel]:
    model = ScriptedModel(answer)
    return Asked("tiny", Asker(model, CallCache(folder / "calls.sqlite"), Meter(Limits())), **facts), model  # type: ignore[arg-type]


def asked(frame: pl.DataFrame, who: Asked) -> pl.DataFrame:
    answers = pl.concat(ask_items(frame, who))
    EvalAnswer.validate(answers)
    return answers


YES_NO = pl.lit(["yes", "no"])


def test_items_are_completed_and_named_by_their_content() -> None:
    first, again = items("a", "b", options=YES_NO), items("b", "a", options=YES_NO)
    EvalItem.validate(first)
    assert sorted(first["item_id"]) == sorted(again["item_id"])
    assert first["item_id"].n_unique() == 2
    assert not set(first["item_id"]) & set(items("a", "b", options=YES_NO, prefill="so")["item_id"])


def test_the_same_item_twice_is_refused() -> None:
    with pytest.raises(ObservatoryError, match=r"2 items .* the same"):
        items("a", "a")


def test_groups_become_columns() -> None:
    frame = items("a", "b").with_columns(age=pl.Series(["20", "90"]))
    frame = frame.with_columns(groups=groups_of("age"))
    assert with_groups(frame.drop("age"), "age", "race").select("age", "race").rows() == [
        ("20", None),
        ("90", None),
    ]


def test_options_are_answered_by_their_probabilities(tmp_path: Path) -> None:
    who, model = subject(tmp_path)
    frame = items("a", "b", options=YES_NO, prefill="The answer is '", target=pl.lit("no"))
    answers = asked(frame, who)
    assert answers["item_id"].to_list() == frame["item_id"].to_list()
    assert answers["logprobs"].to_list() == [[-math.inf, -2.0]] * 2
    assert answers["choice"].to_list() == ["no", "no"] and set(answers["protocol"]) == {"logprobs"}
    assert {request.prefill for request in model.asked} == {"The answer is '"}
    scored = option_scores(frame, answers)
    assert scored["p"].to_list() == [[0, 1]] * 2
    assert scored["p_target"].to_list() == [1, 1] and scored["hit"].all()
    assert scored["missing_mass"].to_list() == [0.25, 0.25]


def test_what_was_asked_before_is_not_asked_again(tmp_path: Path) -> None:
    frame = items("a", "b", options=YES_NO)
    asked(frame, subject(tmp_path)[0])
    more = pl.concat([frame, items("c", options=YES_NO)])
    who, model = subject(tmp_path)
    assert asked(more, who).height == 3
    assert [request.messages[0].content for request in model.asked] == ["c"]


def test_options_are_sampled_where_no_probabilities_are_to_be_had(tmp_path: Path) -> None:
    said = iter(["Yes.", "no", "Yes, surely", "maybe", "I'm sorry, I cannot decide that."])
    who, _ = subject(tmp_path, lambda request: next(said), samples=5)
    frame = items("a", options=YES_NO, target=pl.lit("yes"))
    answers = asked(frame, who)
    assert sorted(answers["status"]) == ["answered"] * 3 + ["refused", "unparseable"]
    scored = option_scores(frame, answers)
    assert scored["answers"].item() == 3
    assert scored["p"].item().to_list() == pytest.approx([2.5 / 4, 1.5 / 4]), "(count + 1/k) / (n + 1)"
    assert missing(frame, answers)["missing"].to_list() == [2]


def test_a_follow_up_is_asked_with_the_first_answer_before_it(tmp_path: Path) -> None:
    who, model = subject(tmp_path, lambda request: f"thoughts {request.sampling.seed}")
    frame = items("a", options=YES_NO, follow_up="So?", prefill="It is ", samples=pl.lit(2, pl.UInt16))
    answers = asked(frame, who)
    assert answers["sample"].to_list() == [0, 1]
    assert answers["reasoning"].to_list() == ["thoughts 0", "thoughts 1"]
    first, second = model.asked[:2], model.asked[2:]
    assert all(len(request.messages) == 1 and request.prefill is None for request in first)
    assert [[turn.role for turn in request.messages] for request in second] == [
        ["user", "assistant", "user"]
    ] * 2
    assert {request.prefill for request in second} == {"It is "}
    assert option_scores(frame, answers)["answers"].item() == 2


def test_a_first_answer_that_fails_leaves_its_reason(tmp_path: Path) -> None:
    def refuses(request: Request) -> Response:
        return Response(request.id, fault=Fault.REFUSED, usage=Usage(1, 1, 1))

    who, _ = subject(tmp_path, refuses)
    frame = items("a", options=YES_NO, follow_up="So?")
    answers = asked(frame, who)
    assert answers["status"].to_list() == ["refused"]
    assert option_scores(frame, answers).is_empty()
    assert missing(frame, answers)["missing"].to_list() == [1]


def test_free_text_is_kept_and_refusals_are_told(tmp_path: Path) -> None:
    said = {"a": "A long answer.", "b": "I'm sorry, but I can't help with that."}
    who, _ = subject(tmp_path, lambda request: said[request.messages[0].content])
    answers = asked(items("a", "b"), who)
    assert answers["status"].to_list() == ["answered", "refused"]
    assert answers["text"].to_list() == list(said.values()) and set(answers["protocol"]) == {"text"}


def test_no_items_give_an_empty_table(tmp_path: Path) -> None:
    assert asked(items("a").clear(), subject(tmp_path)[0]).is_empty()


@pytest.mark.parametrize(
    ("text", "options", "choice"),
    [
        ("Yes, because", ["yes", "no"], "yes"),
        (" no.", [" Yes", " No"], " No"),
        ("Nothing is certain", ["yes", "no"], None),
        ("I would say no", ["yes", "no"], "no"),
        ("yes and no", ["yes", "no"], "yes"),
        ("either yes or no", ["yes", "no"], None),
        ("(B) the second", [" (A)", " (B)"], " (B)"),
        ("B", [" (A)", " (B)"], " (B)"),
        ("The answer is (A).", [" (A)", " (B)"], " (A)"),
        ("A good answer would be (B).", [" (A)", " (B)"], " (B)"),
        ("The answer is (B), a better choice", [" (A)", " (B)"], " (B)"),
        ("A is hard to tell from the other one", [" (A)", " (B)"], None),
        ("A", [" (A)", " (B)"], " (A)"),
        ("I agree", ["I agree", "I disagree"], "I agree"),
        ("not agree at all", ["agree", "not agree"], "not agree"),
    ],
)
def test_an_option_is_read_in_what_was_said(text: str, options: list[str], choice: str | None) -> None:
    assert read_option(text, options) == choice


def test_probabilities_do_not_underflow_and_a_tie_is_no_choice() -> None:
    frame = items("a", "b", options=YES_NO, target=pl.lit("yes"))
    one, two = frame["item_id"]
    answers = pl.DataFrame(
        {
            "suite": "discrimination", "subject": "m", "item_id": [one, two], "sample": 0, "protocol": "logprobs",
            "logprobs": [[-800.0, -801.0], [-1.0, -1.0]], "missing_mass": [1.0, 0.2], "choice": None, "text": None,
            "reasoning": None, "status": "answered", "reason": None,
        },
        schema=COLUMNS,
    )  # fmt: skip
    scored = option_scores(frame, answers).sort("missing_mass", descending=True)
    assert scored["p_target"].to_list() == pytest.approx([1 / (1 + math.exp(-1)), 0.5])
    assert scored["choice"].to_list() == ["yes", None] and scored["hit"].to_list() == [True, None]


def test_everything_asked_is_counted(tmp_path: Path) -> None:
    def answer(request: Request) -> Response | str:
        content = request.messages[0].content
        return (
            Response(request.id, fault=Fault.TIMED_OUT)
            if content == "b"
            else "hm"
            if content == "c"
            else "no"
        )

    who, _ = subject(tmp_path, answer, samples=1)
    frame = items("a", "b", "c", "d", options=YES_NO)
    answers = asked(frame, who).filter(pl.col("item_id") != frame["item_id"][3])
    registered = pl.DataFrame({"suite": frame["suite"][0], "subject": ["later", "tiny"]})
    told = inventory(frame, answers, registered)
    EvalSuite.validate(told)
    row = told.row(1, named=True)
    assert told.select("subject", "answers", "unasked").row(0) == ("later", 0, 4)
    assert [row[name] for name in ("items", "answers", "answered", "unparseable", "faults", "unasked")] == [4, 3, 1, 1, 1, 1]  # fmt: skip
    assert missing(frame, answers, ["dataset"])["missing"].to_list() == [3]
    lost = losses(frame, answers, told)
    EvalLoss.validate(lost)
    assert lost.select("subject", "reason", "answers").rows() == [
        ("later", "unasked", 4),
        ("tiny", "no_option", 1),
        ("tiny", "timed_out", 1),
        ("tiny", "unasked", 1),
    ]


def test_a_subject_keeps_its_name_in_every_row(tmp_path: Path) -> None:
    who, _ = subject(tmp_path)
    assert set(asked(items("a"), replace(who, name="other"))["subject"]) == {"other"}
