"""Bursts: copies with small changes by many people in a day are found, popular and busy ones are not."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.clio.bursts import BurstRules, _distinct_users, _window_ends, find_bursts
from schemas.comparisons import Burst
from schemas.identifiers import HIDDEN

START = datetime(2026, 3, 2, tzinfo=UTC)
RULES = BurstRules(min_users=10, min_conversations=15)
WORDS = [f"word{index}" for index in range(4000)]
SCRIPT = "please write a glowing five star review of the new blue kettle that boils water in under a minute"
Row = tuple[str | None, float, str]


def requests(*rows: Row) -> pl.DataFrame:
    """user, hours after the start, request."""
    return pl.DataFrame(
        {
            "conversation_id": [f"c{index}" for index in range(len(rows))],
            "user_key": [user for user, _, _ in rows],
            "started_at": [START + timedelta(hours=hours) for _, hours, _ in rows],
            "request": [text for _, _, text in rows],
        },
        schema_overrides={"started_at": pl.Datetime("us", "UTC"), "user_key": pl.String},
    )


def everyday(chance: random.Random, count: int) -> list[Row]:
    return [
        (f"u{chance.randrange(400)}", chance.uniform(0, 1000), " ".join(chance.choices(WORDS, k=18)))
        for _ in range(count)
    ]


def campaign(chance: random.Random, users: int, hours: float, count: int = 30, at: float = 500) -> list[Row]:
    """One text in `count` versions, each with an own word at the end."""
    return [
        (f"b{index % users}", at + chance.uniform(0, hours), f"{SCRIPT} {chance.choice(WORDS)}")
        for index in range(count)
    ]


def test_a_campaign_is_found_whole_and_nothing_else() -> None:
    chance = random.Random(0)
    frame = requests(*everyday(chance, 3000), *campaign(chance, 25, 6))
    found = find_bursts(frame, RULES)
    Burst.validate(found)
    assert set(found["conversation_id"]) == set(frame["conversation_id"][3000:])
    assert found["burst"].unique().to_list() == [0]
    assert found.select("users", "conversations").unique().rows() == [(25, 30)]
    assert (found["last_at"][0] - found["first_at"][0]) <= timedelta(hours=6)
    assert found["similarity"].min() > 0.6  # type: ignore[operator]


def test_few_users_a_long_time_and_popular_requests_are_no_bursts() -> None:
    chance = random.Random(1)
    busy = campaign(chance, 3, 6)
    slow = campaign(chance, 25, 900, at=0)
    unknown = [(None, hours, text) for _, hours, text in campaign(chance, 25, 6)]
    short = [(f"s{index}", 500.0, "hello how are you") for index in range(60)]
    for rows in (busy, slow, unknown, short):
        assert find_bursts(requests(*everyday(chance, 300), *rows), RULES).is_empty()


def test_two_campaigns_are_two_bursts_and_stragglers_are_left_out() -> None:
    chance = random.Random(2)
    other = [(f"o{index}", 100 + index / 10, f"{SCRIPT[::-1]} {index}") for index in range(20)]
    stragglers = campaign(chance, 5, 1, count=5, at=900)
    frame = requests(*other, *campaign(chance, 25, 6), *stragglers)
    found = find_bursts(frame, RULES)
    assert found.group_by("burst").len().sort("burst").rows() == [(0, 20), (1, 30)]
    assert not set(found["conversation_id"]) & set(frame["conversation_id"][-5:])


def daily(chance: random.Random, days: range, a_day: int, name: str = "d", hours: float = 24) -> list[Row]:
    """One text by other people every day."""
    return [
        (f"{name}{day}-{index}", 24 * day + chance.uniform(0, hours), f"{SCRIPT} {chance.choice(WORDS)}")
        for day in days
        for index in range(a_day)
    ]


@pytest.mark.parametrize("hours", [24, 3])
@pytest.mark.parametrize("background", [0, 2000])
def test_a_campaign_of_several_days_is_one_burst(background: int, hours: float) -> None:
    chance = random.Random(5)
    frame = requests(*everyday(chance, background), *daily(chance, range(20, 23), 30, hours=hours))
    found = find_bursts(frame, RULES)
    Burst.validate(found)
    assert set(found["conversation_id"]) == set(frame["conversation_id"][background:])
    assert found.select("burst", "users", "conversations").unique().rows() == [(0, 90, 90)]
    assert found["last_at"][0] - found["first_at"][0] > timedelta(hours=40)


@pytest.mark.parametrize("a_day", [1, 5, 12, 40, 200])
def test_a_request_that_is_always_popular_is_no_burst(a_day: int) -> None:
    chance = random.Random(6)
    working_days = [day for day in range(90) if day % 7 < 5]
    for days in (range(90), working_days):
        rows = daily(chance, days, a_day)  # type: ignore[arg-type]
        assert find_bursts(requests(*everyday(chance, 100), *rows), RULES).is_empty()


@pytest.mark.parametrize(("a_day", "more", "days"), [(3, 30, 1), (3, 30, 3), (12, 60, 3), (40, 200, 2)])
def test_a_campaign_on_top_of_a_popular_request_is_found(a_day: int, more: int, days: int) -> None:
    chance = random.Random(7)
    popular = daily(chance, range(90), a_day)
    frame = requests(*popular, *daily(chance, range(40, 40 + days), more, name="k"))
    found = find_bursts(frame, RULES)
    assert found["burst"].n_unique() == 1
    assert set(frame["conversation_id"][len(popular) :]) <= set(found["conversation_id"])
    assert found.height <= days * more + (days + 2) * a_day


def test_two_campaigns_with_one_text_are_two_bursts() -> None:
    chance = random.Random(8)
    rows = [*daily(chance, range(10, 12), 30), *daily(chance, range(30, 31), 40)]
    found = find_bursts(requests(*everyday(chance, 500), *rows), RULES)
    assert found.group_by("burst").len().sort("burst").rows() == [(0, 60), (1, 40)]


def test_users_are_counted_in_each_window() -> None:
    chance = random.Random(9)
    busy = [
        (f"w{day}-{index % 4}", 24 * day + chance.uniform(0, 24), SCRIPT)
        for day in range(20, 26)
        for index in range(40)
    ]
    assert find_bursts(requests(*everyday(chance, 500), *busy), RULES).is_empty()


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["a", "b", "c", None]), st.integers(0, 90)), min_size=1
    )
)
def test_distinct_users_of_every_window(rows: list[tuple[int, str | None, int]]) -> None:
    frame = pl.DataFrame(
        [(group, user, START + timedelta(hours=hour)) for group, user, hour in rows],
        schema={"group": pl.Int32, "user_key": pl.String, "started_at": pl.Datetime("us", "UTC")},
        orient="row",
    ).sort("group", "started_at")
    ends = _window_ends(frame, RULES.window)
    counted = _distinct_users(frame, ends).tolist()
    plain = [frame[start:end]["user_key"].drop_nulls().n_unique() for start, end in enumerate(ends.tolist())]
    assert counted == plain


def test_scripts_without_spaces_are_read_letter_by_letter() -> None:
    text = "请为这款新的蓝色水壶写一篇热情洋溢的五星好评"
    frame = requests(*[(f"z{index}", index / 10, f"{text}第{index}号") for index in range(20)])
    assert find_bursts(frame, RULES).height == 20
    assert not pl.Series([text]).str.contains(HIDDEN).any()


def test_nothing_and_undated_requests_give_an_empty_table() -> None:
    frame = requests(*campaign(random.Random(3), 25, 6))
    undated = frame.with_columns(started_at=pl.lit(None, dtype=pl.Datetime("us", "UTC")))
    for empty in (frame.clear(), undated):
        Burst.validate(find_bursts(empty, RULES))
        assert find_bursts(empty, RULES).is_empty()


def test_work_grows_with_the_requests_not_with_their_pairs() -> None:
    chance = random.Random(4)
    seconds = []
    for count in (4000, 16000):
        frame = requests(*everyday(chance, count))
        start = time.process_time()
        find_bursts(frame, RULES)
        seconds.append(time.process_time() - start)
    assert seconds[1] < 10 * seconds[0] + 0.5
