"""Langfuse: which observation stands for a trace, in all shapes that its exports have."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.conversations.ingest import probe
from assets.conversations.loaders.exchange import read_exchange
from assets.conversations.loaders.registry import detect_format
from tests.export_support import observation
from tests.reading_support import ingest, key, said, save, spoken, write_rows

CAMEL = {
    "trace_id": "traceId",
    "start_time": "startTime",
    "end_time": "endTime",
    "user_id": "userId",
    "session_id": "sessionId",
    "provided_model_name": "model",
    "parent_observation_id": "parentObservationId",
}


def camel(row: dict[str, Any]) -> dict[str, Any]:
    """The observation as the API gives it: camel case, input and output parsed."""
    found = {CAMEL.get(name, name): value for name, value in row.items()}
    return found | {name: json.loads(found[name]) for name in ("input", "output") if found[name][:1] in "[{"}


def other(trace: str, second: int, kind: str, **more: Any) -> dict[str, Any]:
    return observation(trace, second, "in", "out", type=kind, **more)


AGENT = [
    other("t1", 0, "SPAN"),
    observation("t1", 1, said("how tall is an oak"), {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "look", "arguments": "{}"}}]}),
    other("t1", 2, "TOOL"),
    observation("t1", 3, [*said("how tall is an oak"), {"role": "tool", "content": "20 m"}], {"role": "assistant", "content": "About 20 m."}),
    other("t1", 4, "EVENT"),
]  # fmt: skip
TOLD = [("user", "how tall is an oak"), ("tool", "20 m"), ("assistant", "About 20 m.")]


def test_the_last_generation_stands_for_its_trace(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "o.jsonl", *AGENT, observation("t2", 9, "hello", "hi", user_id=None))
    assert detect_format(path) == "langfuse"
    conversations, quarantine, counts = ingest(path, "langfuse")
    assert (counts.rows_in, counts.conversations, counts.rows_folded, quarantine.height) == (6, 2, 4, 0)
    assert spoken(conversations) == [TOLD, [("user", "hello"), ("assistant", "hi")]]
    row = conversations.row(0, named=True)
    assert (row["conversation_id"], row["user_key"], row["model"]) == ("t1", key("u1"), "gpt-5")
    assert row["started_at"] == datetime(2025, 6, 15, 10, 0, 3, 250_000, tzinfo=UTC)
    assert row["updated_at"] == datetime(2025, 6, 15, 10, 0, 3, 750_000, tzinfo=UTC)
    found = probe(path, "langfuse")
    assert (found.has_user_ids, found.has_times, found.readable, found.rows) == (True, True, 2, 6)


def test_all_shapes_of_an_export_give_the_same(tmp_path: Path) -> None:
    pages = [
        {"data": [camel(row) for row in AGENT[:2]], "meta": {"page": 1}},
        {"data": [camel(row) for row in AGENT[2:]]},
    ]
    trace = {
        "id": "t1",
        "timestamp": "2025-06-15T10:00:00Z",
        "userId": "u1",
        "sessionId": None,
        "input": "q",
        "output": "a",
    }
    nested = trace | {
        "observations": [{k: v for k, v in camel(row).items() if k != "userId"} for row in AGENT],
        "scores": [],
    }
    files = [
        write_rows(tmp_path / "blob.jsonl", *AGENT),
        write_rows(tmp_path / "api.jsonl", *pages),
        save(tmp_path / "trace-t1.json", json.dumps(nested, indent=2).encode()),
        save(
            tmp_path / "ui.json",
            json.dumps({"trace": trace, "observations": nested["observations"]}, indent=2).encode(),
        ),
        save(tmp_path / "table.json", json.dumps(list(map(camel, AGENT))).encode()),
    ]
    found = [ingest(path, detect_format(path)) for path in files]
    assert [counts.rows_in for _, _, counts in found] == [5, 5, 6, 6, 5]
    for conversations, quarantine, _ in found:
        assert quarantine.height == 0
        assert spoken(conversations) == [TOLD]
        assert conversations.drop("metadata").equals(found[0][0].drop("metadata"))
    pl.DataFrame([row | {"metadata": None} for row in AGENT]).write_parquet(tmp_path / "o.parquet")
    assert ingest(tmp_path / "o.parquet", detect_format(tmp_path / "o.parquet"))[0].equals(
        ingest(write_rows(tmp_path / "o.jsonl", *(row | {"metadata": None} for row in AGENT)), "langfuse")[0]
    )


def test_traces_of_a_session_are_joined_in_time_without_repeating(tmp_path: Path) -> None:
    rows = [
        observation("t2", 20, said("one", "1", "two"), "2", session_id="s"),
        observation("t1", 10, said("one"), "1", session_id="s"),
        other("t3", 5, "SPAN", session_id="s"),
        observation("t3", 30, said("three"), "3", session_id=None),
    ]
    for order in (rows, rows[::-1]):
        conversations, _, counts = ingest(write_rows(tmp_path / "o.jsonl", *order), "langfuse")
        assert (conversations["conversation_id"].to_list(), counts.rows_folded) == (["s"], 3)
        assert spoken(conversations)[0] == [
            (m["role"], m["content"]) for m in said("one", "1", "two", "2", "three", "3")
        ]


def test_legacy_traces_give_users_sessions_and_their_own_exchange(tmp_path: Path) -> None:
    def legacy(name: str, **more: Any) -> dict[str, Any]:
        return {"id": name, "timestamp": "2025-06-15 10:00:00.000000", "name": "chat", "user_id": "u9", "session_id": None, "tags": [], "input": "asked", "output": "told"} | more  # fmt: skip

    bare = {name: value for name, value in AGENT[3].items() if name not in ("user_id", "session_id")}
    path = write_rows(
        tmp_path / "all.jsonl", legacy("t1"), legacy("t5"), bare, legacy("t6", input=None, output=None)
    )
    conversations, quarantine, counts = ingest(path, detect_format(path))
    assert sorted(spoken(conversations)) == sorted([TOLD, [("user", "asked"), ("assistant", "told")]])
    assert conversations["user_key"].to_list() == [key("u9")] * 2
    assert (counts.rows_folded, counts.rows_skipped, quarantine.height) == (1, 1, 0)


def test_what_is_no_call_is_folded_or_skipped_and_what_is_broken_is_neither(tmp_path: Path) -> None:
    rows = [
        other("chain", 0, "SPAN"),
        other("chain", 1, "EMBEDDING"),
        observation("good", 2, "hello", "hi"),
        observation("good", 3, [*said("x"), {"role": "oracle", "content": "y"}], "z"),
        other("good", 4, "RETRIEVER"),
        observation("bad", 5, [{"role": "oracle", "content": "y"}], "z"),
        other("bad", 6, "SPAN"),
        observation("mute", 7, "", "z"),
        observation("mute", 8, [{"role": "system", "content": "only"}], ""),
        observation("partly", 9, "", "z", session_id="s"),
        observation("spoken", 10, "hello", "hi", session_id="s"),
        observation("x", 11, "a", "b", trace_id={"a": 1}),
    ]
    conversations, quarantine, counts = ingest(write_rows(tmp_path / "o.jsonl", *rows), "langfuse")
    assert sorted(conversations["conversation_id"]) == ["good", "s"]
    assert sorted(quarantine.select("line", "reason").rows()) == [
        (4, "unknown_role"),
        (6, "unknown_role"),
        (7, "unknown_role"),
        (8, "no_user_message"),
        (9, "no_user_message"),
        (12, "wrong_type"),
    ]
    assert (counts.rows_in, counts.rows_ok, counts.rows_skipped, counts.rows_folded) == (12, 4, 2, 2)


def test_mappings_replace_what_the_format_says(tmp_path: Path) -> None:
    rows = [
        observation(f"t{n}", n, f"q{n}", "a", metadata={"customer": "c", "thread": "th"}) for n in range(2)
    ]
    path = write_rows(tmp_path / "o.jsonl", *rows)
    conversations = ingest(path, "langfuse", mapping={"user": "metadata.customer", "id": "metadata.thread"})[
        0
    ]
    assert (conversations["user_key"].to_list(), conversations["conversation_id"].to_list()) == (
        [key("c")],
        ["th"],
    )
    assert probe(path, "langfuse", {"user": "metadata.customer"}).has_user_ids


def test_few_traces_are_held_and_all_rows_accounted_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assets.conversations.loaders.langfuse import LangfuseLoader

    monkeypatch.setattr(LangfuseLoader, "max_held_characters", 5_000)
    rows = [observation(f"t{n % 50}", n, f"question {n}", "x" * 100) for n in range(150)]
    conversations, _, counts = ingest(write_rows(tmp_path / "o.jsonl", *rows), "langfuse")
    assert (counts.rows_in, counts.rows_ok) == (150, 150)
    assert conversations.height > 50
    assert conversations["conversation_id"].n_unique() == 50


SHAPES = [
    ("q", "a", "qa"),
    (said("q"), {"role": "assistant", "content": "a"}, "qa"),
    (json.dumps(said("q")), json.dumps({"role": "assistant", "content": "a"}), "qa"),
    ({"messages": said("q"), "model": "m"}, {"choices": [{"message": {"role": "assistant", "content": "a"}}]}, "qa"),
    ({"system": "s", "messages": said("q")}, {"role": "assistant", "content": [{"type": "text", "text": "a"}]}, "sqa"),
    ({"instructions": "s", "input": "q"}, {"output": [{"type": "reasoning"}, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}]}, "sqa"),
    ({"contents": [{"role": "user", "parts": [{"text": "q"}]}]}, {"role": "model", "parts": [{"text": "a"}]}, "qa"),
    ([[{"type": "human", "content": "q"}]], {"type": "ai", "content": "a"}, "qa"),
    ([{"lc": 1, "id": ["langchain", "HumanMessage"], "kwargs": {"content": "q"}}], [{"lc": 1, "id": ["x", "AIMessageChunk"], "kwargs": {"content": "a"}}], "qa"),
    ({"question": "q"}, {"answer": "a"}, "qa"),
    ({"prompt": "q"}, {"text": "a"}, "qa"),
    ([{"type": "text", "text": "q"}], ["a"], 'q["a"]'),
    ({"ticket": 5}, {"class": "b"}, '{"ticket":5}{"class":"b"}'),
    ('{"ticket": 5}', 7, '{"ticket": 5}7'),
    ("{half", "[half", "{half[half"),
    (None, [], ""),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "answered", "text"), SHAPES)
def test_inputs_and_outputs_of_all_shapes(asked: Any, answered: Any, text: str) -> None:
    roles, contents = read_exchange(asked, answered)
    assert "".join(contents) == text
    assert roles == (["system"] if text.startswith("s") else []) + ["user", "assistant"] * (text != "")
