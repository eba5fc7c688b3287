"""Claude.ai's export: which messages are the conversation, what is attached to them, and whose it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assets.conversations.ingest import probe
from assets.conversations.loaders.registry import detect_format
from tests.export_support import claude, write_zip
from tests.reading_support import ingest, key, save, spoken, write_rows


def changed(index: int, *turns: str, **message: Any) -> dict[str, Any]:
    record = claude(1, *turns)
    record["chat_messages"][index] |= message
    return record


def read_one(tmp_path: Path, record: Any) -> list[tuple[str, str]]:
    conversations, quarantine, _ = ingest(write_rows(tmp_path / "c.jsonl", record), "claude-ai")
    assert quarantine.height == 0
    return spoken(conversations)[0]


def test_the_zip_the_array_and_the_lines_give_the_same(tmp_path: Path) -> None:
    records = [claude(n, "when do I sow peas", "In March.", account=f"acc-{n % 2}") for n in range(4)]
    files = [
        write_zip(
            tmp_path / "data.zip", {"conversations.json": records, "users.json": [], "projects.json": []}
        ),
        save(tmp_path / "conversations.json", json.dumps(records).encode()),
        write_rows(tmp_path / "conversations.jsonl", *records),
    ]
    found = [ingest(path, "claude-ai")[0] for path in files]
    assert [detect_format(path) for path in files] == ["claude-ai"] * 3
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])
    assert found[0]["user_key"].to_list() == [key("acc-0"), key("acc-1")] * 2
    row = found[0].row(2, named=True)
    assert (row["conversation_id"], row["model"]) == ("claude-2", None)
    assert row["started_at"] == datetime(2025, 6, 15, 10, 0, 0, 250_000, tzinfo=UTC)
    assert row["updated_at"] == datetime(2025, 6, 15, 11, tzinfo=UTC)
    assert spoken(found[0])[0] == [("user", "when do I sow peas"), ("assistant", "In March.")]


@pytest.mark.parametrize(
    ("users", "found"), [([{"uuid": "acc-9"}], "acc-9"), ([{"uuid": "a"}, {"uuid": "b"}], None), ([], None)]
)
def test_the_one_account_of_an_archive_stands_in(tmp_path: Path, users: Any, found: str | None) -> None:
    record = claude(1, "a") | {"account": None}
    path = write_zip(tmp_path / "data.zip", {"conversations.json": [record], "users.json": users})
    assert ingest(path, "claude-ai")[0]["user_key"].to_list() == [key(found) if found else None]
    assert probe(path, "claude-ai").has_user_ids == (found is not None)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"text": "", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}, "one\ntwo"),
        ({"text": "only text", "content": []}, "only text"),
        ({"text": "only text", "content": None}, "only text"),
        ({"text": "only text", "content": [{"type": "text", "text": " "}]}, "only text"),
        ({"text": "x", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "token_budget"}, {"type": "text", "text": "said"}]}, "said"),
        ({"content": [{"type": "tool_use", "name": "search", "input": {"q": "peas"}}, {"type": "tool_result", "content": [{"type": "text", "text": "found"}]}, {"type": "text", "text": "done"}]}, '[tool call] search({"q":"peas"})\nfound\ndone'),
        ({"attachments": [{"file_name": "paste.txt", "extracted_content": "a long paste"}]}, "asked\n[file]\na long paste"),
        ({"attachments": [{"file_name": "a.pdf"}], "files": [{"file_kind": "image"}, {"file_name": "b.csv"}]}, "asked\n[file]\n[image]\n[file]"),
        ({"text": "", "content": [], "attachments": [{"extracted_content": "only a paste"}]}, "[file]\nonly a paste"),
    ],
)  # fmt: skip
def test_what_a_message_says(tmp_path: Path, message: dict[str, Any], text: str) -> None:
    assert read_one(tmp_path, changed(0, "asked", "answered", **message)) == [
        ("user", text),
        ("assistant", "answered"),
    ]


def test_the_thread_of_the_current_leaf_is_followed(tmp_path: Path) -> None:
    record = claude(1, "first", "reply", "question", "answer")
    retried = record["chat_messages"][3] | {
        "uuid": "m3b",
        "content": [{"type": "text", "text": "other answer"}],
    }
    record["chat_messages"].insert(3, retried)
    assert len(read_one(tmp_path, record)) == 5
    for leaf, last in (("m3", "answer"), ("m3b", "other answer")):
        found = read_one(tmp_path, record | {"current_leaf_message_uuid": leaf})
        assert [text for _, text in found] == ["first", "reply", "question", last]


def branched(**message: Any) -> dict[str, Any]:
    return changed(0, "a", "b", **message) | {"current_leaf_message_uuid": "m1"}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (branched(parent_message_uuid="m1"), "broken_thread"),
        (branched(parent_message_uuid="absent"), "broken_thread"),
        (branched(uuid=None), "missing_field"),
        (branched(uuid=["m0"]), "wrong_type"),
        (branched(parent_message_uuid=5), "wrong_type"),
        (claude(1, "a", current_leaf_message_uuid="absent"), "broken_thread"),
        (changed(0, "a", sender="narrator"), "unknown_role"),
        (changed(0, "a", sender=None), "missing_field"),
        (changed(0, "a", content="text", text=5, attachments="x"), "wrong_type"),
        (changed(0, "a", content=[], text=5), "wrong_type"),
        (changed(0, "a", attachments=["x"]), "wrong_type"),
        (claude(1, "a", chat_messages=None), "missing_field"),
        (claude(1, "a", chat_messages={}), "wrong_type"),
        (claude(1, "a", chat_messages=["a"]), "wrong_type"),
        (claude(1, "a", account={"uuid": {}}), "wrong_type"),
        (claude(1), "no_messages"),
        (changed(0, "a", sender="assistant"), "no_user_message"),
    ],
)
def test_broken_conversations_are_quarantined_and_others_kept(
    tmp_path: Path, record: Any, reason: str
) -> None:
    path = write_rows(tmp_path / "c.jsonl", claude(8, "before"), record, claude(9, "after"))
    conversations, quarantine, _ = ingest(path, "claude-ai")
    assert quarantine.select("line", "reason").rows() == [(2, reason)]
    assert conversations["conversation_id"].to_list() == ["claude-8", "claude-9"]
