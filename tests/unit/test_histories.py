"""Histories that repeat each other, made into one conversation."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from assets.conversations.loaders.histories import Messages, join_histories
from tests.reading_support import said


def history(*contents: str, system: str = "") -> Messages:
    turns = [{"role": "system", "content": system}] * bool(system) + said(*contents)
    return [turn["role"] for turn in turns], [turn["content"] for turn in turns]


def joined(*histories: Messages) -> str:
    return " ".join(join_histories(histories)[1])


def test_whole_histories_window_or_nothing_repeated() -> None:
    assert joined(history("a", "b"), history("a", "b", "c", "d")) == "a b c d"
    assert joined(history("a", "b", "c", "d"), history("c", "d", "e", "f")) == "a b c d e f"
    assert joined(history("a", "b"), history("c", "d")) == "a b c d"
    assert joined(history("a", "b"), ([], []), history("a", "b")) == "a b"


def test_answers_that_come_back_reworded_are_not_said_twice() -> None:
    assert joined(history("a", "b "), history("a", "B", "c", "d")) == "a B c d"


def test_a_word_said_twice_is_kept_twice() -> None:
    assert joined(history("tell", "b", "go on", "c"), history("go on", "d")) == "tell b go on c go on d"


def test_instructions_are_kept_once_each() -> None:
    turns = [history("a", "b", system="S"), history("c", "d", system="S"), history("e", "f", system="T")]
    assert joined(*turns) == "S a b c d T e f"
    assert joined(history("a", "b", system="S"), history("a", "b", "c", "d", system="S")) == "S a b c d"


@given(st.lists(st.sampled_from("xyz"), min_size=2, max_size=14), st.integers(1, 6))
def test_growing_histories_give_the_last_one(contents: list[str], step: int) -> None:
    grown = [history(*contents[:end]) for end in range(step, len(contents), step)] + [history(*contents)]
    assert join_histories(grown) == history(*contents)


@given(st.lists(st.lists(st.sampled_from("xyz"), max_size=6), max_size=6))
def test_nothing_that_a_user_said_is_lost(parts: list[list[str]]) -> None:
    roles, contents = join_histories([history(*part) for part in parts])
    asked = {content for role, content in zip(roles, contents, strict=True) if role == "user"}
    assert asked == {content for part in parts for content in part[::2]}


def test_long_histories_that_nearly_repeat_take_no_quadratic_time() -> None:
    before = time.perf_counter()
    roles, _ = join_histories(
        [(["user"] * 20_000, ["x"] * 20_000), (["user"] * 20_000, ["x"] * 19_999 + ["y"])]
    )
    assert len(roles) >= 20_000
    assert time.perf_counter() - before < 2
