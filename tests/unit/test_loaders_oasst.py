"""OpenAssistant trees: which path becomes the conversation, and what happens to broken trees."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.conversations.loaders.base import Fields, Parsed
from assets.conversations.loaders.oasst import OasstLoader, best_path
from assets.conversations.loaders.registry import detect_format
from assets.conversations.reading import Row
from tests.reading_support import ingest, key, spoken, write_rows


def message(identity: str, parent: str | None, **more: Any) -> dict[str, Any]:
    role = "prompter" if identity.count(".") % 2 == 0 else "assistant"
    tree = identity.split(".")[0]
    return {
        "message_id": identity,
        "parent_id": parent,
        "message_tree_id": tree,
        "text": identity,
        "role": role,
        "user_id": f"user of {identity}",
        "created_date": "2023-02-07T17:29:24+00:00",
        "lang": "en",
    } | more


def quality(value: float) -> dict[str, Any]:
    return {"name": ["spam", "quality"], "value": [0.0, value], "count": [3, 3]}


TREE = [
    message("t", None),
    message("t.a", "t", rank=1),
    message("t.b", "t", rank=0, created_date="2023-03-01T00:00:00+00:00", model_name="m"),
    message("t.c", "t"),
    message("t.b.x", "t.b", labels=quality(0.4)),
    message("t.b.y", "t.b", labels=quality(0.9)),
    message("t.b.z", "t.b", labels=quality(1.0), deleted=True),
]


def nested(messages: list[dict[str, Any]], root: str) -> dict[str, Any]:
    own = next(entry for entry in messages if entry["message_id"] == root)
    answers = [nested(messages, entry["message_id"]) for entry in messages if entry["parent_id"] == root]
    labels = own.get("labels")
    if labels:
        own = own | {
            "labels": dict(zip(labels["name"], ({"value": value} for value in labels["value"]), strict=True))
        }
    return own | {"replies": answers}


def test_the_best_path_of_a_tree_becomes_its_conversation(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "m.jsonl", *TREE, message("u", None, created_date=None), message("u.a", "u"))
    assert detect_format(path) == "oasst"
    conversations, quarantine, counts = ingest(path, "oasst")
    assert quarantine.height == 0
    assert (counts.rows_in, counts.conversations, counts.rows_folded) == (9, 2, 7)
    assert spoken(conversations)[0] == [("user", "t"), ("assistant", "t.b"), ("user", "t.b.y")]
    row = conversations.row(0, named=True)
    assert (row["conversation_id"], row["user_key"], row["model"]) == ("t", key("user of t"), "m")
    assert row["started_at"] == datetime(2023, 2, 7, 17, 29, 24, tzinfo=UTC)
    assert orjson.loads(row["metadata"]) == {"language": "en"}


def test_trees_and_messages_give_the_same_conversation(tmp_path: Path) -> None:
    as_tree = write_rows(tmp_path / "t.jsonl", {"message_tree_id": "t", "prompt": nested(TREE, "t")})
    as_messages = write_rows(tmp_path / "m.jsonl", *TREE)
    assert detect_format(as_tree) == "oasst-tree"
    one, two = ingest(as_tree, "oasst-tree")[0], ingest(as_messages, "oasst")[0]
    assert one.drop("source").equals(two.drop("source"))


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"rank": 0, "labels": quality(0.0)}, {"rank": 2, "labels": quality(1.0)}),
        ({"rank": 5}, {"labels": quality(1.0)}),
        ({"rank": 5}, {"rank": float("nan")}),
        ({"labels": quality(0.8)}, {"labels": quality(0.2), "review_result": True}),
        ({"review_result": True}, {"review_result": False}),
        ({"review_result": True}, {}),
        ({"created_date": "2023-01-01"}, {"created_date": "2023-01-02"}),
        ({"created_date": "2023-01-01"}, {"created_date": None}),
        ({"message_id": "r.a"}, {"message_id": "r.b"}),
    ],
)
def test_preferences(better: dict, worse: dict) -> None:
    answers = [message("r.m", "r") | better, message("r.n", "r") | worse]
    for order in (answers, answers[::-1]):
        assert best_path(message("r", None) | {"replies": order})[1] is answers[0]


@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rng: random.Random) -> None:
    shuffled = list(TREE)
    rng.shuffle(shuffled)
    rows = [Row(index, index, value) for index, value in enumerate(shuffled)]
    (found,) = OasstLoader().read(rows, Fields())
    assert isinstance(found, Parsed)
    assert found.contents == ["t", "t.b", "t.b.y"]


@pytest.mark.parametrize(
    ("rows", "reasons"),
    [
        ([message("t.a", "t")], ["orphan_message"]),
        ([message("t", None, deleted=True), message("t.a", "t")], ["orphan_message"] * 2),
        ([message("t", None, text=" ")], ["orphan_message"]),
        ([message("t", None), message("t.a.b", "t.a")], ["orphan_message"]),
        ([message("t", None, text=None)], ["missing_field"]),
        ([message("t", None, text=["x"])], ["wrong_type"]),
        ([message("t", None, message_id=None)], ["missing_field"]),
        ([message("t", None, role="narrator")], ["unknown_role"]),
        ([message("t", None, role="assistant")], ["no_user_message"]),
        ([message("t", None, user_id={"a": 1})], ["wrong_type"]),
        (["text"], ["wrong_type"]),
    ],
)
def test_broken_trees_are_quarantined_and_others_kept(tmp_path: Path, rows: list, reasons: list[str]) -> None:
    path = write_rows(tmp_path / "m.jsonl", message("before", None), *rows, message("z", None))
    conversations, quarantine, _ = ingest(path, "oasst")
    assert quarantine["reason"].to_list() == reasons
    assert {"before", "z"} <= set(conversations["conversation_id"].to_list())


def test_messages_that_answer_each_other_in_a_circle_end() -> None:
    rows = [message("t", None), message("t.a", "t"), message("t.a", "t.a")]
    (found,) = OasstLoader().read([Row(0, n, value) for n, value in enumerate(rows)], Fields())
    assert isinstance(found, Parsed)
    assert found.contents == ["t", "t.a", "t.a"]


def test_held_messages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OasstLoader, "max_held_messages", 10)
    taken = 0

    def rows() -> Any:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield Row(0, taken, message(f"t{number}", None))

    found = OasstLoader().read(rows(), Fields())
    assert isinstance(next(iter(found)), Parsed)
    assert taken == 11
    assert len(list(found)) == 99


def test_a_deep_tree_is_no_danger(tmp_path: Path) -> None:
    tree: dict[str, Any] = message("t.leaf", "t")
    for number in range(450):
        tree = message(f"t.{number}", "t") | {"replies": [tree]}
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"message_tree_id": "t", "prompt": tree | {"role": "prompter"}}))
    assert len(spoken(ingest(path, "oasst-tree")[0])[0]) == 451


def test_the_real_messages(data_dir: Path) -> None:
    path = data_dir / "oasst" / "en-validation.jsonl"
    assert detect_format(path) == "oasst"
    conversations, quarantine, counts = ingest(path, "oasst")
    assert (counts.rows_in, conversations.height, quarantine["reason"].to_list()) == (
        2022,
        188,
        ["orphan_message"] * 3,
    )
    assert conversations.select("user_key", "started_at").null_count().row(0) == (0, 0)
    messages = {entry["message_id"]: entry for entry in map(orjson.loads, path.read_bytes().splitlines())}
    roots = {entry["message_tree_id"]: entry["text"] for entry in messages.values() if not entry["parent_id"]}
    assert {
        row[0]: row[1][0][1]
        for row in zip(conversations["conversation_id"], spoken(conversations), strict=True)
    } == roots
    answers = [
        entry
        for entry in messages.values()
        if entry["rank"] == 0 and messages[entry["parent_id"]]["parent_id"] is None
    ]
    assert {entry["text"] for entry in answers if not entry["deleted"]} <= {
        c for turns in spoken(conversations) for _, c in turns
    }


def test_the_real_trees(data_dir: Path) -> None:
    path = data_dir / "oasst" / "en_100_tree.jsonl"
    assert detect_format(path) == "oasst-tree"
    conversations, quarantine, _ = ingest(path, "oasst-tree")
    assert (conversations.height, quarantine.height) == (100, 0)
    assert conversations["user_key"].null_count() == 100
