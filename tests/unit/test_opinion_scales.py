"""Which options are on a scale."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.global_opinions.released import read_released
from assets.global_opinions.scales import is_ordinal, substantive


@pytest.mark.parametrize(
    "options",
    [
        ["Very good", "Somewhat good", "Somewhat bad", "Very bad"],
        ["A great deal", "Quite a lot", "Not very much", "None at all"],
        ["Very important", "Somewhat important", "Not too important", "Not important at all"],
        ["Agree strongly", "Agree", "Neither agree nor disagree", "Disagree", "Disagree strongly"],
        ["Trust completely", "Trust somewhat", "Do not trust very much", "Do not trust at all"],
        ["Never justifiable", "2", "3", "4", "5", "6", "7", "8", "9", "Always justifiable"],
        ["1", "2", "3", "4"],
        ["Major threat", "Minor threat", "Not a threat"],
        ["Yes", "No"],
    ],
)
def test_options_that_go_up_or_down_are_on_a_scale(options: list[str]) -> None:
    assert is_ordinal(options) and is_ordinal(options[::-1])


@pytest.mark.parametrize(
    "options",
    [
        ["Better", "Worse", "About the same"],
        ["United States", "China", "Russia"],
        ["Very good", "Very bad", "Somewhat good"],
        ["Agree", "Hard to say", "Disagree"],
        ["1", "3", "2", "4"],
        ["Yes"],
    ],
)
def test_what_has_no_order_as_it_is_listed_is_on_none(options: list[str]) -> None:
    assert not is_ordinal(options)


def test_refusals_answer_nothing() -> None:
    said = [
        "Yes",
        "DK/Refused",
        "Don't know",
        "No answer",
        "Missing; Unknown",
        "Other (VOL)",
        "Don't belong",
        "None",
    ]
    assert substantive(said) == [True, False, False, False, False, True, True, True]


def test_a_large_part_of_the_released_questions_is_on_a_scale(data_dir: Path) -> None:
    opinions = read_released(data_dir / "global-opinions" / "eval.json").opinions.unique("question_id")
    assert 0.5 < opinions["ordinal"].sum() / opinions.height < 0.95
