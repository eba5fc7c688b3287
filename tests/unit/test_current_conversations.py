"""Which version of a conversation counts."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from assets.conversations.current import choose_current
from assets.conversations.duplicates import drop_known

SCHEMA = {
    "conversation_id": pl.String,
    "content_hash": pl.String,
    "started_at": pl.Datetime("us", "UTC"),
    "updated_at": pl.Datetime("us", "UTC"),
    "batch": pl.String,
}


def frame(*rows: tuple[str, str, int | None, str]) -> pl.DataFrame:
    times = [None if day is None else datetime(2026, 1, day, tzinfo=UTC) for _, _, day, _ in rows]
    data = [(i, h, None, time, b) for (i, h, _, b), time in zip(rows, times, strict=True)]
    return pl.DataFrame(data, schema=SCHEMA, orient="row")


ORDER = {"one": 1, "two": 2, "three": 3}


def test_the_latest_counts_and_the_rest_is_counted() -> None:
    current, counts = choose_current(
        frame(("a", "x", 1, "one"), ("a", "y", 2, "two"), ("a", "y", 2, "three"), ("b", "z", 1, "one")), ORDER
    )
    assert dict(current.iter_rows()) == {"a": "three", "b": "one"}
    assert counts == {"conversations": 2, "dropped_identical": 1, "superseded": 1}


VERSION = st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.none() | st.integers(1, 3))


@given(st.lists(st.lists(VERSION, max_size=2, unique_by=lambda v: v[0]), max_size=5), st.randoms())
def test_what_reading_drops_as_known_does_not_change_which_content_counts(
    batches: list[list[tuple[str, str, int | None]]], rng: random.Random
) -> None:
    order = {f"n{index}": index for index in range(len(batches))}
    held = {
        batch: frame(*((*row, batch) for row in rows)) for batch, rows in zip(order, batches, strict=True)
    }
    read: dict[str, pl.DataFrame] = {}
    for batch in rng.sample(list(order), len(order)):
        unread = max((order[b] for b in order if b not in read and order[b] < order[batch]), default=-1)
        before = [read[b].with_columns(position=order[b]) for b in read if unread < order[b] < order[batch]]
        known = pl.concat([frame().with_columns(position=pl.lit(0)), *before], how="vertical_relaxed")
        read[batch] = held[batch].filter(drop_known(held[batch], known).keep)
    contents = []
    for frames in (held, read):
        versions = pl.concat([frame(), *frames.values()])
        current, _ = choose_current(versions, order)
        contents.append(versions.join(current, on=["conversation_id", "batch"]).sort("conversation_id"))
    told, kept = (found.select("conversation_id", "content_hash").rows() for found in contents)
    assert told == kept


def test_a_later_batch_with_older_content_does_not_win() -> None:
    current, _ = choose_current(frame(("a", "new", 9, "one"), ("a", "old", 3, "two")), ORDER)
    assert current["batch"].to_list() == ["one"]


def test_without_times_the_later_batch_counts() -> None:
    current, _ = choose_current(frame(("a", "x", None, "two"), ("a", "y", None, "one")), ORDER)
    assert current["batch"].to_list() == ["two"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from("xy"),
            st.one_of(st.none(), st.integers(1, 3)),
            st.sampled_from(list(ORDER)),
        ),
        max_size=12,
        unique_by=lambda row: (row[0], row[3]),
    ),
    st.randoms(),
)
def test_the_order_of_rows_changes_nothing_and_all_are_counted(rows: list, random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, counts = choose_current(frame(*rows), ORDER)
    second, _ = choose_current(frame(*shuffled), ORDER)
    assert first.equals(second)
    assert sum(counts.values()) == len(rows)
