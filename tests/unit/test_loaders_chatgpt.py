"""ChatGPT's export: which messages are the conversation, and whose it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from assets.conversations.ingest import probe
from assets.conversations.loaders.registry import detect_format
from tests.export_support import chatgpt, node, write_zip
from tests.reading_support import ingest, key, save, spoken, write_rows

USER = {"id": "user-7", "email": "person@example.org", "chatgpt_plus_user": True}


def read_one(tmp_path: Path, record: Any) -> list[tuple[str, str]]:
    conversations, quarantine, _ = ingest(write_rows(tmp_path / "c.jsonl", record), "chatgpt")
    assert quarantine.height == 0
    return spoken(conversations)[0]


def test_the_zip_gives_conversations_of_one_user(tmp_path: Path) -> None:
    path = write_zip(
        tmp_path / "export.zip",
        {
            "chat.html": b"<html></html>",
            "user.json": USER,
            "conversations.json": [
                chatgpt(n, "how do I graft a pear tree", "Cut a scion.") for n in range(3)
            ],
            "message_feedback.json": [],
            "shared_conversations.json": [],
        },
    )
    assert detect_format(path) == "chatgpt"
    conversations, quarantine, counts = ingest(path, "chatgpt")
    assert (counts.rows_in, counts.conversations, quarantine.height) == (3, 3, 0)
    assert conversations["user_key"].unique().to_list() == [key("user-7")]
    row = conversations.row(1, named=True)
    assert (row["conversation_id"], row["model"], row["source"]) == ("chat-1", "gpt-5", "chatgpt")
    assert row["started_at"] == datetime.fromtimestamp(1_750_000_001.25, UTC)
    assert row["updated_at"] == datetime.fromtimestamp(1_750_000_091.5, UTC)
    assert spoken(conversations)[0] == [("user", "how do I graft a pear tree"), ("assistant", "Cut a scion.")]
    assert probe(path, "chatgpt").has_user_ids


def test_shards_are_read_in_order_and_faults_name_theirs(tmp_path: Path) -> None:
    broken = json.dumps([chatgpt(3, "c"), {"id": "x"}], indent=1).encode()
    path = write_zip(
        tmp_path / "export.zip",
        {"conversations-001.json": broken, "conversations-000.json": [chatgpt(1, "a"), chatgpt(2, "b")]},
    )
    conversations, quarantine, counts = ingest(path, "chatgpt")
    assert conversations["conversation_id"].to_list() == ["chat-1", "chat-2", "chat-3"]
    assert counts.rows_in == 4
    (fault,) = quarantine.rows()
    assert (fault[0], fault[2], fault[3]) == ("export.zip:conversations-001.json", 2, "missing_field")
    assert json.loads(broken[fault[1] :].rsplit(b"]", 1)[0]) == {"id": "x"}


@pytest.mark.parametrize(
    ("user", "found"),
    [
        (USER, "user-7"),
        ({"email": "person@example.org"}, "person@example.org"),
        ([USER], "user-7"),
        ([USER, USER], None),
        ({"id": 5}, None),
        (b"{not json", None),
        (None, None),
    ],
)
def test_whose_export_it_is(tmp_path: Path, user: Any, found: str | None) -> None:
    members = {"data/conversations.json": [chatgpt(1, "a")]} | ({"data/user.json": user} if user else {})
    path = write_zip(tmp_path / "export.zip", members)
    assert ingest(path, "chatgpt")[0]["user_key"].to_list() == [key(found) if found else None]
    assert probe(path, "chatgpt").has_user_ids == (found is not None)


def test_the_bare_file_names_no_user_unless_a_mapping_does(tmp_path: Path) -> None:
    path = save(tmp_path / "conversations.json", json.dumps([chatgpt(1, "a", owner="me")]).encode())
    assert detect_format(path) == "chatgpt"
    assert not probe(path, "chatgpt").has_user_ids
    assert ingest(path, "chatgpt", mapping={"user": "owner"})[0]["user_key"].to_list() == [key("me")]


def test_the_thread_of_the_current_node_is_followed(tmp_path: Path) -> None:
    edited = (
        node("n2b", "n1", "user", "a better question"),
        node("n3b", "n2b", "assistant", "a better answer"),
    )
    record = chatgpt(1, "first", "reply", "question", "answer", extra=edited, current_node="n3b")
    assert [text for _, text in read_one(tmp_path, record)] == [
        "first",
        "reply",
        "a better question",
        "a better answer",
    ]


@pytest.mark.parametrize(
    "hidden",
    [
        {"weight": 0},
        {"weight": 0.0},
        {"recipient": "browser"},
        {"channel": "commentary"},
        {"channel": "analysis"},
        {"content": {"content_type": "thoughts", "thoughts": [{"content": "hm"}]}},
        {"content": {"content_type": "reasoning_recap", "content": "Thought for 3s"}},
        {"content": {"content_type": "user_editable_context", "user_profile": "I am"}},
        {"metadata": {"is_visually_hidden_from_conversation": True}},
        {"content": None},
        {"content": {"content_type": "text", "parts": ["", None, " "]}},
    ],
)
def test_what_the_page_does_not_show_is_left_out(tmp_path: Path, hidden: dict[str, Any]) -> None:
    extra = (
        node("h", "n0", "assistant", "secret", **hidden),
        node("last", "h", "assistant", "shown", channel="final"),
    )
    record = chatgpt(1, "asked", extra=extra, current_node="last")
    assert read_one(tmp_path, record) == [("user", "asked"), ("assistant", "shown")]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"content_type": "multimodal_text", "parts": [{"content_type": "image_asset_pointer", "asset_pointer": "x"}, "what is it"]}, "[image]\nwhat is it"),
        ({"content_type": "multimodal_text", "parts": [{"content_type": "audio_transcription", "text": "hello"}, {"content_type": "audio_asset_pointer"}]}, "hello\n[audio]"),
        ({"content_type": "multimodal_text", "parts": [{"content_type": "something_new"}]}, "[file]"),
        ({"content_type": "code", "language": "python", "text": "print(1)"}, "print(1)"),
        ({"content_type": "tether_browsing_display", "result": "found it", "summary": None}, "found it"),
    ],
)  # fmt: skip
def test_contents_of_other_kinds(tmp_path: Path, content: dict[str, Any], text: str) -> None:
    extra = (node("last", "n0", "user", content=content),)
    assert read_one(tmp_path, chatgpt(1, "asked", extra=extra, current_node="last"))[1] == ("user", text)


def test_the_model_is_that_of_the_first_answer_else_the_default(tmp_path: Path) -> None:
    unnamed = chatgpt(2, "asked", extra=(node("a", "n0", "assistant", "x", metadata={}),), current_node="a")
    path = write_rows(tmp_path / "c.jsonl", chatgpt(1, "asked", "answered"), unnamed | {"gizmo_id": "g-1"})
    conversations = ingest(path, "chatgpt")[0]
    assert conversations["model"].to_list() == ["gpt-5", "auto"]
    assert orjson.loads(conversations["metadata"][1]) == {"gizmo_id": "g-1"}


def looped() -> dict[str, Any]:
    record = chatgpt(1, "a", "b", "c")
    record["mapping"]["n0"]["parent"] = "n2"
    return record


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (looped(), "broken_thread"),
        (chatgpt(1, "a", current_node="absent"), "broken_thread"),
        (chatgpt(1, "a", extra=(node("x", "absent", "user", "b"),), current_node="x"), "broken_thread"),
        (chatgpt(1, "a", extra=(node("x", "x", "user", "b"),), current_node="x"), "broken_thread"),
        (chatgpt(1, "a", current_node=None), "missing_field"),
        (chatgpt(1, "a", current_node=7), "wrong_type"),
        (chatgpt(1, "a", current_node=["n0"]), "wrong_type"),
        (chatgpt(1, "a", mapping=None), "missing_field"),
        (chatgpt(1, "a", mapping=[]), "wrong_type"),
        (chatgpt(1, "a", mapping={"n0": "text"}), "wrong_type"),
        (chatgpt(1, "a", mapping={"n0": {"message": "text"}}), "wrong_type"),
        (chatgpt(1, "a", extra=(node("x", None, "user", 5),), current_node="x"), "wrong_type"),
        (chatgpt(1, "a", extra=(node("x", None, "oracle", "b"),), current_node="x"), "unknown_role"),
        (chatgpt(1, "a", extra=(node("x", None, "user", author=None),), current_node="x"), "wrong_type"),
        (chatgpt(1, "a", extra=(node("x", None, "assistant", "b"),), current_node="x"), "no_user_message"),
        (chatgpt(1), "no_messages"),
        (chatgpt(1, "a", id={"a": 1}), "wrong_type"),
    ],
)
def test_broken_conversations_are_quarantined_and_others_kept(
    tmp_path: Path, record: Any, reason: str
) -> None:
    path = write_rows(tmp_path / "c.jsonl", chatgpt(8, "before"), record, chatgpt(9, "after"))
    conversations, quarantine, _ = ingest(path, "chatgpt")
    assert quarantine.select("line", "reason").rows() == [(2, reason)]
    assert conversations["conversation_id"].to_list() == ["chat-8", "chat-9"]


def test_a_conversation_of_ten_thousand_nodes(tmp_path: Path) -> None:
    record = chatgpt(1, *(f"turn {n}" for n in range(10_000)))
    assert [text for _, text in read_one(tmp_path, record)][-1] == "turn 9999"
