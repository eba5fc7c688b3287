"""Flags: what a classifier of the file said of a conversation, from the release's own fields or a mapped column."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.conversations.loaders.base import any_flagged, as_flag
from tests.export_support import openinference, span
from tests.reading_support import ingest, write_rows

TURNS = [{"content": "hi", "role": "user"}, {"content": "hello", "role": "assistant"}]
WHEN = datetime(2024, 5, 1, tzinfo=UTC)


def save(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def judged(*flags: bool | None) -> list[dict[str, Any]]:
    return [{"flagged": flag} for flag in flags]


def test_wildchat_is_flagged_by_its_own_verdict_else_by_moderation(tmp_path: Path) -> None:
    cases = [
        (True, judged(False)),
        (False, judged(True)),
        (None, judged(False, True)),
        (None, judged(False)),
        (None, []),
    ]
    rows = [
        {"conversation_hash": f"h{n}", "model": "m", "timestamp": WHEN, "conversation": TURNS, "language": "English",
         "hashed_ip": f"ip{n}", "toxic": toxic, "openai_moderation": moderation}
        for n, (toxic, moderation) in enumerate(cases)
    ]  # fmt: skip
    conversations, _, _ = ingest(save(tmp_path / "w.parquet", rows), "wildchat")
    assert conversations["flagged"].to_list() == [True, False, True, False, None]


def test_lmsys_is_flagged_by_moderation_unless_a_column_is_named(tmp_path: Path) -> None:
    rows = [
        {"conversation_id": f"c{n}", "model": "m", "conversation": TURNS, "language": "English",
         "openai_moderation": moderation, "mine": not n}
        for n, moderation in enumerate([judged(False), judged(False, True)])
    ]  # fmt: skip
    path = save(tmp_path / "l.parquet", rows)
    assert ingest(path, "lmsys")[0]["flagged"].to_list() == [False, True]
    assert ingest(path, "lmsys", mapping={"flag": "mine"})[0]["flagged"].to_list() == [True, False]


def test_any_table_can_name_its_column(tmp_path: Path) -> None:
    values: list[object] = [True, 0, "yes", "FALSE", None, "perhaps", {"deep": True}, 1.0]
    path = tmp_path / "any.jsonl"
    lines = [
        json.dumps({"q": f"how do I bake bread {n}", "m": {"hit": value}}) for n, value in enumerate(values)
    ]
    path.write_text("\n".join(lines), "utf-8")
    conversations, quarantine, _ = ingest(path, "mapping", mapping={"text": "q", "flag": "m.hit"})
    assert conversations["flagged"].to_list() == [True, False, True, False, None, None, None, True]
    assert quarantine.is_empty()


FLAGS = [((True, False), True), ((False, None), False), ((None, None), None), ((None, True), True)]


@pytest.mark.parametrize(("said", "flag"), FLAGS)
def test_a_trace_is_flagged_where_any_of_its_spans_is(
    tmp_path: Path, said: tuple[bool | None, ...], flag: bool | None
) -> None:
    turns = (("user", "how do bees see"), ("assistant", "In ultraviolet."))
    guarded = [
        {"openinference.span.kind": "GUARDRAIL", "guard.hit": said[0]},
        openinference(*turns, **{"guard.hit": said[1]}),
    ]
    spans = [span("t", second, attributes) for second, attributes in enumerate(guarded)]
    path = write_rows(tmp_path / "s.jsonl", *spans)
    assert ingest(path, "openinference", mapping={"flag": "guard.hit"})[0]["flagged"].to_list() == [flag]


@pytest.mark.parametrize(
    ("value", "flag"), [(1, True), (0.0, False), (2, None), ("1", True), ([], None), (float("nan"), None)]
)
def test_only_clear_answers_count(value: object, flag: bool | None) -> None:
    assert as_flag(value) is flag


def test_moderation_without_an_answer_says_nothing() -> None:
    assert any_flagged(None) is None
    assert any_flagged([{"flagged": None}, "x"]) is None
    assert any_flagged("flagged") is None
