"""OpenAI chat messages, in all the shapes that their content comes in."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from assets.conversations.ingest import ingest_file, probe
from assets.conversations.loaders.registry import detect_format
from tests.reading_support import ingest, key, said, write_rows


def test_a_full_record_lands_in_the_contract(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "log.jsonl",
        {
            "id": "c1",
            "user": "Ada",
            "created_at": "2026-01-02T03:04:05+02:00",
            "updated_at": 1767323045,
            "model": "m-1",
            "messages": said("hello", "hi"),
            "metadata": {"topic": "greeting"},
        },
    )
    row = ingest(path, "openai")[0].row(0, named=True)
    assert row["messages"] == [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    assert (row["conversation_id"], row["user_key"], row["model"], row["source"]) == (
        "c1",
        key("Ada"),
        "m-1",
        "openai",
    )
    assert row["started_at"] == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert row["updated_at"] == datetime.fromtimestamp(1767323045, UTC)
    assert orjson.loads(row["metadata"]) == {"topic": "greeting"}
    assert not row["truncated"]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"conversation_id": "x", "user_id": 7, "timestamp": 1700000000}, ("x", key("7"), 1700000000)),
        ({"conversation_id": 12, "user": 7.0, "created": "1700000000"}, ("12", key("7"), 1700000000)),
        ({"id": "x", "user": "  ", "started_at": 1700000000_000}, ("x", None, 1700000000)),
        ({"id": "x", "user": None, "created": None}, ("x", None, None)),
    ],
)
def test_the_usual_names_of_the_fields_around_it(tmp_path: Path, record: dict, expected: tuple) -> None:
    row = ingest(write_rows(tmp_path / "log.jsonl", record | {"messages": said("a")}), "openai")[0].row(
        0, named=True
    )
    seconds = row["started_at"] and row["started_at"].timestamp()
    assert (row["conversation_id"], row["user_key"], seconds) == expected


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        ([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}], "one\ntwo"),
        ([{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "x"}}], "see\n[image]"),
        ([{"type": "input_text", "text": "in"}, "bare"], "in\nbare"),
        ([{"type": "thinking", "thinking": "hidden"}, {"type": "output_text", "text": "seen"}], "seen"),
        ([{"type": "tool_result", "content": [{"type": "text", "text": "42"}]}], "42"),
        ([{"type": "something_new"}], "[attachment]"),
        ({"type": "text", "text": "one part"}, "one part"),
    ],
)
def test_content_in_parts_becomes_text(tmp_path: Path, content: Any, text: str) -> None:
    conversations, _, _ = ingest(write_rows(tmp_path / "log.jsonl", {"messages": said(content)}), "openai")
    assert conversations["messages"][0].to_list() == [{"role": "user", "content": text}]


def test_tool_calls_count_as_text_of_the_assistant(tmp_path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    messages = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "rain"},
        {
            "role": "assistant",
            "content": "Looking.",
            "function_call": {"name": "wind", "arguments": {"a": 1}},
        },
        {"role": "assistant", "content": ""},
    ]
    conversations, _, _ = ingest(write_rows(tmp_path / "log.jsonl", {"messages": messages}), "openai")
    assert [tuple(message.values()) for message in conversations["messages"][0].to_list()] == [
        ("system", "be brief"),
        ("user", "weather?"),
        ("assistant", '[tool call] weather({"city": "Oslo"})'),
        ("tool", "rain"),
        ("assistant", 'Looking.\n[tool call] wind({"a":1})'),
    ]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"text": "no messages here"}, "missing_field"),
        ({"messages": None}, "missing_field"),
        ({"messages": "hello"}, "wrong_type"),
        ({"messages": ["hello"]}, "wrong_type"),
        ({"messages": [{"role": "user", "content": 5}]}, "wrong_type"),
        ({"messages": [{"role": 5, "content": "x"}]}, "wrong_type"),
        ({"messages": [{"content": "x"}]}, "missing_field"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "unknown_role"),
        ({"messages": [{"role": "user", "content": [{"type": ["text"]}]}]}, "wrong_type"),
        ({"messages": [{"role": "assistant", "content": "x", "tool_calls": "y"}]}, "wrong_type"),
        ({"messages": []}, "no_messages"),
        ({"messages": said("", " \n")}, "no_messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "no_user_message"),
        ({"messages": said("x"), "id": {"a": 1}}, "wrong_type"),
        ({"messages": said("x"), "user": True}, "wrong_type"),
        (["not", "an", "object"], "wrong_type"),
        ("text", "wrong_type"),
    ],
)
def test_what_is_no_conversation_is_quarantined_with_its_reason(
    tmp_path: Path, record: Any, reason: str
) -> None:
    path = write_rows(
        tmp_path / "log.jsonl", {"messages": said("before")}, record, {"messages": said("after")}
    )
    conversations, quarantine, _ = ingest(path, "openai")
    offset = len(orjson.dumps({"messages": said("before")})) + 1
    assert quarantine.rows() == [("log.jsonl", offset, 2, reason)]
    assert [messages[0]["content"] for messages in conversations["messages"].to_list()] == ["before", "after"]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress, bytes])
def test_compression_is_told_by_content_and_changes_nothing(tmp_path: Path, compress: Any) -> None:
    plain = write_rows(
        tmp_path / "log.jsonl", *({"id": str(n), "messages": said(f"text {n}")} for n in range(300))
    )
    packed = tmp_path / "other-name"
    packed.write_bytes(compress(plain.read_bytes()))
    assert detect_format(packed) == "openai"
    assert ingest(packed, "openai")[0].equals(ingest(plain, "openai")[0])


def test_chunks_have_the_asked_size_and_report_progress(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "log.jsonl", *({"id": str(n), "messages": said(f"text {n}")} for n in range(25))
    )
    progress: list[int] = []
    chunks = list(
        ingest_file(path, format_name="openai", pseudonymise=key, chunk_rows=10, progress=progress.append)
    )
    assert [chunk.conversations.height for chunk in chunks] == [10, 10, 5]
    assert progress == [10, 20, 25]


def test_an_empty_file_gives_one_empty_chunk_with_all_columns(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").touch()
    conversations, quarantine, counts = ingest(tmp_path / "log.jsonl", "openai")
    assert (conversations.height, quarantine.height, counts.rows_in) == (0, 0, 0)


def test_probe_tells_whether_there_are_users_and_times(tmp_path: Path) -> None:
    with_both = write_rows(tmp_path / "a.jsonl", {"user": "u", "created": 1700000000, "messages": said("x")})
    without = write_rows(tmp_path / "b.jsonl", {"messages": said("x")}, {"messages": []})
    assert (probe(with_both, "openai").has_user_ids, probe(with_both, "openai").has_times) == (True, True)
    found = probe(without, "openai")
    assert (found.format, found.has_user_ids, found.has_times, found.readable, found.rows) == (
        "openai",
        False,
        False,
        1,
        2,
    )


def test_a_mapping_names_other_columns_even_nested_ones(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "log.jsonl", {"account": {"id": "u1"}, "user": "wrong", "messages": said("x")}
    )
    conversations, _, _ = ingest(path, "openai", mapping={"user": "account.id"})
    assert conversations["user_key"].to_list() == [key("u1")]
    assert probe(path, "openai", {"user": "account.id"}).has_user_ids


def test_where_each_conversation_is_its_own_user_every_key_differs(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "log.jsonl", *({"id": i, "user": "same", "messages": said("x")} for i in "ab")
    )
    conversations, _, _ = ingest(path, "openai", privacy_unit="conversation")
    assert conversations["user_key"].to_list() == [key("conversation:a"), key("conversation:b")]


def test_users_are_pseudonymised_once_each(tmp_path: Path) -> None:
    calls: list[str] = []
    path = write_rows(
        tmp_path / "log.jsonl", *({"user": f"u{n % 3}", "messages": said("x")} for n in range(50))
    )
    ingest(path, "openai", pseudonymise=lambda raw_id: calls.append(raw_id) or key(raw_id))
    assert sorted(calls) == ["u0", "u1", "u2"]
