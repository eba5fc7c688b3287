"""WildChat in both versions and LMSYS-Chat-1M, from Parquet as it is released."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.conversations.ingest import probe
from assets.conversations.loaders.registry import detect_format
from tests.reading_support import ingest, key, spoken

ENDED = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
STARTED = ENDED - timedelta(minutes=9)


def turns(**extra: Any) -> list[dict[str, Any]]:
    return [
        {"content": "hi", "role": "user", "language": "English"} | extra,
        {"content": "hello", "role": "assistant", "language": "English"} | dict.fromkeys(extra),
    ]


def save(path: Path, rows: list[dict[str, Any]], schema: pa.Schema | None = None) -> Path:
    pq.write_table(pa.Table.from_pylist(rows, schema), path, row_group_size=2)
    return path


def wildchat_row(number: int) -> dict[str, Any]:
    return {
        "conversation_hash": f"hash{number}",
        "model": "gpt-4",
        "timestamp": ENDED,
        "conversation": turns(hashed_ip=f"ip{number}", timestamp=STARTED, turn_identifier=number),
        "turn": 1,
        "language": "English",
        "openai_moderation": [{"flagged": False}],
        "hashed_ip": "of the row",
    }


def test_wildchat_takes_user_and_start_from_the_first_user_turn(tmp_path: Path) -> None:
    path = save(tmp_path / "w.parquet", [wildchat_row(number) for number in range(5)])
    assert detect_format(path) == "wildchat"
    assert probe(path, "wildchat").has_user_ids
    conversations, _, _ = ingest(path, "wildchat")
    assert conversations["user_key"].to_list() == [key(f"ip{number}") for number in range(5)]
    row = conversations.row(0, named=True)
    assert (row["conversation_id"], row["model"], row["metadata"]) == (
        "hash0",
        "gpt-4",
        '{"language":"English"}',
    )
    assert (row["started_at"], row["updated_at"]) == (STARTED, ENDED)
    assert spoken(conversations)[0] == [("user", "hi"), ("assistant", "hello")]


def test_the_first_wildchat_names_no_users(tmp_path: Path) -> None:
    naive = ENDED.replace(tzinfo=None)
    rows = [
        {
            "conversation_id": "id1",
            "model": "m",
            "timestamp": naive,
            "conversation": turns(),
            "language": "English",
        }
    ]
    path = save(tmp_path / "w.parquet", rows)
    assert detect_format(path) == "wildchat"
    assert not probe(path, "wildchat").has_user_ids
    row = ingest(path, "wildchat")[0].row(0, named=True)
    assert (row["conversation_id"], row["user_key"], row["started_at"]) == ("id1", None, ENDED)


def test_lmsys_has_neither_users_nor_times(tmp_path: Path) -> None:
    rows = [
        {
            "conversation_id": "id1",
            "model": "vicuna",
            "conversation": turns(),
            "turn": 1,
            "language": "English",
        }
    ]
    path = save(tmp_path / "l.parquet", rows)
    assert detect_format(path) == "lmsys"
    found = probe(path, "lmsys")
    assert (found.has_user_ids, found.has_times) == (False, False)
    row = ingest(path, "lmsys")[0].row(0, named=True)
    assert (row["conversation_id"], row["model"], row["user_key"], row["started_at"]) == (
        "id1",
        "vicuna",
        None,
        None,
    )


def test_other_columns_can_be_named(tmp_path: Path) -> None:
    path = save(tmp_path / "w.parquet", [wildchat_row(1)])
    mapping = {"user": "hashed_ip", "id": "model", "time": "turn"}
    row = ingest(path, "wildchat", mapping=mapping)[0].row(0, named=True)
    assert (row["user_key"], row["conversation_id"], row["started_at"]) == (key("of the row"), "gpt-4", None)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_any_resolution(tmp_path: Path, unit: str) -> None:
    moment = ENDED.replace(microsecond=0)
    column = pa.array([moment], pa.timestamp(unit, "Europe/Oslo"))
    talk = pa.array([turns()])
    table = pa.table({"conversation_id": ["a"], "timestamp": column, "conversation": talk})
    pq.write_table(table, tmp_path / "w.parquet", store_schema=True)
    assert ingest(tmp_path / "w.parquet", "wildchat")[0]["started_at"].to_list() == [moment]


def test_absent_lists_and_structs_are_faults_with_their_row(tmp_path: Path) -> None:
    schema = pa.schema(
        [
            ("conversation_id", pa.string()),
            ("conversation", pa.list_(pa.struct([("content", pa.string()), ("role", pa.string())]))),
        ]
    )
    good = {"conversation_id": "a", "conversation": turns()}
    rows = [
        good,
        {"conversation_id": "b", "conversation": None},
        {"conversation_id": "c", "conversation": []},
    ]
    rows += [{"conversation_id": "d", "conversation": [None]}, good | {"conversation_id": "e"}]
    conversations, quarantine, _ = ingest(save(tmp_path / "l.parquet", rows, schema), "lmsys")
    assert conversations["conversation_id"].to_list() == ["a", "e"]
    assert quarantine.rows() == [
        ("l.parquet", -1, 2, "missing_field"),
        ("l.parquet", -1, 3, "no_messages"),
        ("l.parquet", -1, 4, "wrong_type"),
    ]


def test_text_that_is_no_utf8_costs_its_own_row(tmp_path: Path) -> None:
    data = pa.array([b"fine", b"b\xffad", b"good"], pa.binary())
    text = pa.StringArray.from_buffers(3, data.buffers()[1], data.buffers()[2])
    pq.write_table(pa.table({"text": text}), tmp_path / "t.parquet")
    conversations, quarantine, _ = ingest(tmp_path / "t.parquet", "text")
    assert spoken(conversations) == [[("user", "fine")], [("user", "good")]]
    assert quarantine.rows() == [("t.parquet", -1, 2, "bad_encoding")]
