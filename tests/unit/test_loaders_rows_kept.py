"""Ids, duplicates, length limits: which rows stay and what they are called."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.conversations import chunks
from assets.conversations.duplicates import Repetitions, drop_known, resolve_duplicates
from assets.conversations.shortening import GAP, cut, shorten
from tests.reading_support import ingest, said, spoken, write_rows

TIME = pl.Datetime("us", "UTC")


def day(number: int | None) -> datetime | None:
    return None if number is None else datetime(2026, 1, number, tzinfo=UTC)


def ids(*rows: tuple[str, str, int | None, int | None]) -> pl.DataFrame:
    data = [(i, h, day(updated), day(started), place) for place, (i, h, updated, started) in enumerate(rows)]
    schema = {"conversation_id": pl.String, "content_hash": pl.String, "updated_at": TIME, "started_at": TIME}
    return pl.DataFrame(data, schema=schema | {"position": pl.Int64}, orient="row")


@pytest.mark.parametrize(
    ("rows", "kept", "identical", "superseded"),
    [
        ([("a", "x", None, 1), ("a", "x", None, 1), ("b", "x", None, 1)], [1, 2], 1, 0),
        ([("a", "new", 3, 1), ("a", "old", 2, 1)], [0], 0, 1),
        ([("a", "new", None, 3), ("a", "old", 2, 1)], [0], 0, 1),
        ([("a", "old", None, None), ("a", "new", None, None)], [1], 0, 1),
        ([("a", "new", 1, None), ("a", "old", None, None)], [0], 0, 1),
        ([("a", "x", 1, 1), ("a", "y", 2, 1), ("a", "x", 3, 1)], [2], 1, 1),
        ([], [], 0, 0),
    ],
)
def test_the_latest_row_of_an_id_stays(rows: list, kept: list[int], identical: int, superseded: int) -> None:
    found = resolve_duplicates(ids(*rows))
    assert found.keep.arg_true().to_list() == kept
    assert (found.dropped_identical, found.superseded) == (identical, superseded)


ROW = st.tuples(
    st.sampled_from("abc"),
    st.sampled_from("xy"),
    st.none() | st.integers(1, 3),
    st.none() | st.integers(1, 3),
)


@given(st.lists(ROW, max_size=15))
def test_each_id_stays_once_and_all_rows_are_counted(rows: list) -> None:
    frame = ids(*rows)
    found = resolve_duplicates(frame)
    kept = frame.filter(found.keep)
    assert sorted(kept["conversation_id"]) == sorted(set(frame["conversation_id"]))
    assert kept.height + found.dropped_identical + found.superseded == frame.height
    again = resolve_duplicates(kept)
    assert again.keep.all()


def test_what_an_earlier_batch_holds_is_dropped() -> None:
    frame = ids(("a", "x", 1, 1), ("a", "y", 1, 1), ("b", "x", 1, 1))
    known = ids(("a", "x", 1, 1), ("a", "x", None, 1), ("c", "x", 1, 1))
    found = drop_known(frame, known)
    assert (found.keep.to_list(), found.dropped_identical) == ([False, True, True], 1)
    assert drop_known(frame, known.clear()).keep.all()


@pytest.mark.parametrize(
    ("known", "row", "kept"),
    [
        ([("a", "x", None, 1), ("a", "y", None, 1)], ("a", "x", None, 1), True),
        ([("a", "x", None, None), ("a", "y", None, None)], ("a", "x", None, None), True),
        ([("a", "y", None, 1), ("a", "x", None, 1)], ("a", "x", None, 1), False),
        ([("a", "x", 3, 1), ("a", "y", 2, 1)], ("a", "x", 3, 1), False),
        ([("a", "x", 1, 1)], ("a", "x", 3, 1), True),
        ([("a", "x", None, None)], ("a", "x", None, 1), True),
        ([("a", "x", 1, 1)], ("a", "x", None, None), False),
    ],
)
def test_only_the_latest_known_version_makes_a_row_a_repetition(known: list, row: tuple, kept: bool) -> None:
    assert drop_known(ids(row), ids(*known)).keep.to_list() == [kept]


@given(st.lists(st.lists(st.integers(0, 6), max_size=9), max_size=9))
def test_repetitions_are_counted_across_chunks(groups: list[list[int]]) -> None:
    repetitions, met = Repetitions(), []
    for group in groups:
        counted = repetitions.count(np.array(group, dtype=np.uint64))
        for digest, before in zip(group, counted.tolist(), strict=True):
            assert before == met.count(digest)
            met.append(digest)


def test_rows_without_ids_keep_their_derived_ids_in_a_longer_export(tmp_path: Path) -> None:
    rows = [{"user": "u", "created": 1_700_000_000 + n // 3, "messages": said("same")} for n in range(40)]
    short = ingest(write_rows(tmp_path / "a.jsonl", *rows[:20]), "openai", chunk_rows=7)[0]
    longer = ingest(write_rows(tmp_path / "b.jsonl", *rows), "openai", chunk_rows=9)[0]
    assert longer["conversation_id"].n_unique() == 40
    assert longer["conversation_id"][:20].to_list() == short["conversation_id"].to_list()
    known = short.with_columns(position=pl.lit(1))
    assert drop_known(longer, known).keep.arg_true().to_list() == list(range(20, 40))


def test_derived_ids_tell_users_times_and_contents_apart(tmp_path: Path) -> None:
    base = {"user": "u", "created": 1_700_000_000, "messages": said("same")}
    others = [{"user": "v"}, {"created": 1_700_000_001}, {"messages": said("same", "same")}]
    same_instant = {"created": "2023-11-14T22:13:20Z"}
    path = write_rows(tmp_path / "a.jsonl", base, *(base | other for other in others), base | same_instant)
    found = ingest(path, "openai")[0]["conversation_id"]
    assert found.n_unique() == 5
    alone = ingest(write_rows(tmp_path / "b.jsonl", base | same_instant), "openai")[0]["conversation_id"]
    assert alone[0] == found[0]


def test_content_is_hashed_without_ambiguity_and_before_shortening(tmp_path: Path) -> None:
    talks = [said("ab", "c"), said("a", "bc"), said("abc"), said("x" * 900), said("x" * 900)]
    path = write_rows(tmp_path / "a.jsonl", *({"messages": talk} for talk in talks))
    whole = ingest(path, "openai", max_characters=1_000)[0]
    shortened = ingest(path, "openai", max_characters=100)[0]
    assert whole["content_hash"].n_unique() == 4
    assert whole["content_hash"].equals(shortened["content_hash"])
    assert shortened["truncated"].to_list() == [False, False, False, True, True]


def test_a_long_conversation_keeps_its_head_and_tail(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", {"messages": said(*(f"turn {n:05}" for n in range(10_000)))})
    conversations, _, counts = ingest(path, "openai", max_characters=1_000)
    contents = [content for _, content in spoken(conversations)[0]]
    assert contents == [f"turn {n:05}" for n in [*range(50), *range(9_950, 10_000)]]
    assert counts.truncated == 1


TURNS = st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.integers(1, 400)), min_size=1)


@given(TURNS, st.integers(40, 400))
def test_shortening_bounds_the_length_and_keeps_a_user(turns: list[tuple[str, int]], limit: int) -> None:
    roles, contents = [role for role, _ in turns], ["x" * size for _, size in turns]
    kept_roles, kept = shorten(roles, contents, limit)
    assert sum(map(len, kept)) <= limit + limit // 4 + len(GAP) * len(kept)
    assert ("user" in kept_roles) == ("user" in roles)
    assert (kept_roles[-1], len(kept[-1])) == (roles[-1], len(cut(contents[-1], limit // 4)))


def test_a_huge_first_prompt_does_not_push_out_the_request() -> None:
    roles, contents = shorten(["system", "user", "tool"], ["s" * 10**6, "help", "t" * 10**6], 1_000)
    assert roles == ["system", "user", "tool"]
    assert contents[1] == "help"
    assert [len(content) for content in contents] == [250 + len(GAP), 4, 250 + len(GAP)]


def test_a_chunk_is_also_full_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_CHARACTERS", 1_000)
    path = write_rows(tmp_path / "a.jsonl", *({"messages": said("x" * 300)} for _ in range(10)))
    from assets.conversations.ingest import ingest_file

    sizes = [c.conversations.height for c in ingest_file(path, format_name="openai", pseudonymise=str)]
    assert sizes == [4, 4, 2]
