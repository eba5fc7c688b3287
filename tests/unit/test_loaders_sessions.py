"""Sessions of traces that several users share: each has a conversation of their own, and none takes another's rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.export_support import genai, observation, openinference, span
from tests.reading_support import ingest, key, spoken, write_rows

SHARED = {"session_id": "default"}


def call(trace: str, second: int, user: str | None, text: str) -> dict[str, Any]:
    return observation(trace, second, text, f"re {text}", user_id=user, **SHARED)


def by_user(conversations: pl.DataFrame) -> dict[str | None, list[str]]:
    """What each user's conversations say, in the words of users."""
    users = conversations["user_key"].to_list()
    told = [[text for role, text in row if role == "user"] for row in spoken(conversations)]
    assert len(set(users)) == len(users)
    return dict(zip(users, told, strict=True))


def test_each_user_of_a_session_has_a_conversation(tmp_path: Path) -> None:
    rows = [call("t2", 9, "bob", "b1"), call("t1", 1, "ann", "a1"), call("t3", 20, "ann", "a2")]
    conversations, _, counts = ingest(write_rows(tmp_path / "o.jsonl", *rows), "langfuse")
    assert by_user(conversations) == {key("ann"): ["a1", "a2"], key("bob"): ["b1"]}
    ids = conversations["conversation_id"].to_list()
    assert ids[0] == "default" and ids[1].startswith("default:") and "bob" not in ids[1]
    assert (counts.rows_in, counts.rows_ok, counts.rows_folded) == (3, 3, 1)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
def test_ids_do_not_depend_on_the_order_of_rows_and_stay_in_a_longer_export(
    tmp_path: Path, order: list[int]
) -> None:
    rows = [call(f"t{n}", 10 * n, user, f"q{n}") for n, user in enumerate(["ann", "bob", "ann", "cyd"])]
    whole, _, _ = ingest(write_rows(tmp_path / "w.jsonl", *(rows[n] for n in order)), "langfuse")
    short, _, _ = ingest(write_rows(tmp_path / "s.jsonl", *rows[:1]), "langfuse")
    half, _, _ = ingest(write_rows(tmp_path / "h.jsonl", *rows[:2]), "langfuse")
    ids = dict(whole.select("user_key", "conversation_id").iter_rows())
    assert ids[key("ann")] == short["conversation_id"].item() == "default"
    assert ids.items() > dict(half.select("user_key", "conversation_id").iter_rows()).items()
    assert by_user(whole)[key("ann")] == ["q0", "q2"]


def test_one_user_in_two_spellings_is_one(tmp_path: Path) -> None:
    rows = [call("t1", 1, "Ann", "a1"), call("t2", 2, " ann", "a2")]
    conversations, _, _ = ingest(write_rows(tmp_path / "o.jsonl", *rows), "langfuse")
    assert by_user(conversations) == {key("Ann"): ["a1", "a2"]}
    assert conversations["conversation_id"].to_list() == ["default"]


def test_rows_without_a_user_are_of_the_only_one_of_their_trace_else_of_the_session(tmp_path: Path) -> None:
    one = [call("t1", 1, None, "n1"), call("t2", 2, "ann", "a1"), call("t2", 3, None, "n2")]
    conversations, _, _ = ingest(write_rows(tmp_path / "one.jsonl", *one), "langfuse")
    assert by_user(conversations) == {key("ann"): ["n1", "n2"]}
    two = [*one, call("t3", 4, "bob", "b1")]
    conversations, quarantine, counts = ingest(write_rows(tmp_path / "two.jsonl", *two), "langfuse")
    assert by_user(conversations) == {None: ["n1"], key("ann"): ["n2"], key("bob"): ["b1"]}
    ids = dict(conversations.select("user_key", "conversation_id").iter_rows())
    assert ids[key("ann")] == "default" and len(set(ids.values())) == 3
    assert (counts.rows_ok, quarantine.height) == (4, 0)


def test_two_users_in_one_trace_keep_their_own_last_call(tmp_path: Path) -> None:
    for name, attributes in (("openinference", openinference), ("otel-genai", genai)):
        spans = [
            span("t", n, attributes(("user", text), ("assistant", "ok")) | {"user.id": user})
            for n, (user, text) in enumerate([("ann", "a1"), ("bob", "b1"), ("ann", "a2"), ("bob", "b2")])
        ]
        conversations, _, counts = ingest(write_rows(tmp_path / "s.jsonl", *spans), name)
        assert by_user(conversations) == {key("ann"): ["a2"], key("bob"): ["b2"]}
        assert (counts.rows_in, counts.rows_ok, counts.rows_folded) == (4, 4, 2)


def test_messages_of_one_call_are_joined_though_only_one_names_the_user(tmp_path: Path) -> None:
    def event(name: str, second: int, text: str, **more: Any) -> dict[str, Any]:
        log = {"traceId": "t", "spanId": "s", "timeUnixNano": str(second), "eventName": name}
        return log | {"attributes": {"session.id": "x"} | more, "body": {"content": text}}

    rows = [
        event("gen_ai.system.message", 1, "be brief"),
        event("gen_ai.user.message", 2, "how do bees see", **{"user.id": "ann"}),
        event("gen_ai.choice", 3, "In ultraviolet."),
    ]
    conversations, _, _ = ingest(write_rows(tmp_path / "l.jsonl", *rows), "otel-genai")
    assert spoken(conversations) == [
        [("system", "be brief"), ("user", "how do bees see"), ("assistant", "In ultraviolet.")]
    ]
    assert conversations["user_key"].to_list() == [key("ann")]


def test_what_one_user_says_is_no_excuse_for_another_users_broken_trace(tmp_path: Path) -> None:
    silent = call("t2", 2, "bob", "x") | {"input": [{"role": "system", "content": "s"}], "output": None}
    rows = [call("t1", 1, "ann", "a1"), silent]
    conversations, quarantine, counts = ingest(write_rows(tmp_path / "o.jsonl", *rows), "langfuse")
    assert by_user(conversations) == {key("ann"): ["a1"]}
    assert conversations["conversation_id"].to_list() == ["default"]
    assert (quarantine["reason"].to_list(), counts.rows_ok) == (["no_user_message"], 1)
