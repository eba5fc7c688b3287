"""OpenInference spans: the same calls in every way that Phoenix writes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.conversations.ingest import probe
from assets.conversations.loaders.registry import detect_format
from assets.conversations.loaders.spans import nest
from tests.export_support import openinference, otlp, span
from tests.reading_support import ingest, key, save, spoken, write_rows

TURN_1 = (("system", "be brief"), ("user", "where do swifts sleep"), ("assistant", "In the air."))
TURN_2 = (*TURN_1, ("user", "all of them"), ("assistant", "Most."))
SPANS = [
    span("t1", 0, {"openinference.span.kind": "CHAIN", "input.value": "where"}),
    span("t1", 1, openinference(*TURN_1)),
    span("t1", 2, {"openinference.span.kind": "EMBEDDING", "embedding.embeddings.0.embedding.vector": "[1]"}),
    span("t2", 3, openinference(*TURN_2)),
    span("t3", 4, {"openinference.span.kind": "TOOL"}),
]


def as_columns(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Spans as rows of the data frame that Phoenix's client gives: a column per attribute, messages as lists."""
    rows = []
    for each in spans:
        tree = nest(each["attributes"])
        llm = tree.get("llm", {})
        messages = {
            f"attributes.llm.{name}": [
                {f"message.{key}": value for key, value in entry["message"].items()}
                for entry in llm[name].values()
            ]
            for name in ("input_messages", "output_messages")
            if name in llm
        }
        rows.append(
            {
                "name": each["name"],
                "span_kind": each["attributes"]["openinference.span.kind"],
                "parent_id": None,
                "start_time": datetime.fromisoformat(each["start_time"]),
                "end_time": datetime.fromisoformat(each["end_time"]),
                "context.trace_id": each["context"]["trace_id"],
                "context.span_id": each["context"]["span_id"],
                "attributes.llm.model_name": llm.get("model_name"),
                "attributes.session.id": tree.get("session", {}).get("id"),
                "attributes.user.id": tree.get("user", {}).get("id"),
                "attributes.llm.input_messages": None,
                "attributes.llm.output_messages": None,
            }
            | messages
        )
    return rows


def test_all_shapes_of_the_same_spans_give_the_same(tmp_path: Path) -> None:
    nested = [each | {"attributes": nest(each["attributes"])} for each in SPANS]
    texts = [each | {"attributes": json.dumps(each["attributes"])} for each in SPANS]
    frame = pl.DataFrame(as_columns(SPANS))
    frame.write_parquet(tmp_path / "spans.parquet")
    files = [
        write_rows(tmp_path / "flat.jsonl", *SPANS),
        write_rows(tmp_path / "nested.jsonl", *nested),
        write_rows(tmp_path / "texts.jsonl", *texts),
        write_rows(tmp_path / "otlp.jsonl", otlp(*SPANS[:2]), otlp(*SPANS[2:])),
        save(tmp_path / "otlp.json", json.dumps(otlp(*SPANS), indent=1).encode()),
        save(tmp_path / "frame.jsonl", frame.write_ndjson().encode()),
        tmp_path / "spans.parquet",
    ]
    for path in files:
        assert detect_format(path) == "openinference", path.name
        conversations, quarantine, counts = ingest(path, "openinference")
        assert (quarantine.height, counts.rows_in, counts.rows_folded, counts.rows_skipped) == (0, 5, 3, 1), (
            path.name
        )
        assert spoken(conversations) == [list(TURN_2)], path.name
        row = conversations.row(0, named=True)
        assert (row["conversation_id"], row["user_key"], row["model"]) == ("sess", key("u1"), "gpt-5")
        assert row["started_at"].replace(second=0, minute=0, hour=0, microsecond=0) == datetime(
            2025, 6, 15, tzinfo=UTC
        )
        assert row["updated_at"] > row["started_at"]


def test_a_session_named_by_any_span_of_a_trace_is_the_traces(tmp_path: Path) -> None:
    call = openinference(("user", "hello"), ("assistant", "hi"))
    bare = {name: value for name, value in call.items() if name not in ("session.id", "user.id")}
    root = span("t1", 0, {"openinference.span.kind": "CHAIN", "session.id": "s", "user.id": "u5"})
    for rows in ([root, span("t1", 1, bare)], [span("t1", 1, bare), root]):
        conversations = ingest(write_rows(tmp_path / "s.jsonl", *rows), "openinference")[0]
        assert conversations.select("conversation_id", "user_key").rows() == [("s", key("u5"))]


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"input.value": "q", "output.value": "a"}, [("user", "q"), ("assistant", "a")]),
        ({"input.value": json.dumps({"messages": [{"role": "user", "content": "q"}]}), "output.value": json.dumps({"choices": [{"message": {"role": "assistant", "content": "a"}}]})}, [("user", "q"), ("assistant", "a")]),
        ({"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.contents.0.message_content.type": "text", "llm.input_messages.0.message.contents.0.message_content.text": "look", "llm.input_messages.0.message.contents.1.message_content.type": "image", "llm.input_messages.0.message.contents.1.message_content.image.image.url": "x", "output.value": "a"}, [("user", "look\n[image]"), ("assistant", "a")]),
        ({"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "q", "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "f", "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"a":1}'}, [("user", "q"), ("assistant", '[tool call] f({"a":1})')]),
        ({f"llm.input_messages.{n}.message.{k}": v for n in range(12) for k, v in (("role", "user"), ("content", str(n)))}, [("user", str(n)) for n in range(12)]),
    ],
)  # fmt: skip
def test_what_a_call_says(tmp_path: Path, attributes: dict[str, Any], told: list) -> None:
    path = write_rows(tmp_path / "s.jsonl", span("t", 1, {"openinference.span.kind": "LLM"} | attributes))
    assert spoken(ingest(path, "openinference")[0]) == [told]


LLM = {"openinference.span.kind": "LLM"}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (span("t", 1, LLM), "no_messages"),
        (span("t", 1, LLM | {"llm.input_messages": "[half"}), "bad_json"),
        (span("t", 1, LLM | {"llm.input_messages": 5}), "wrong_type"),
        (span("t", 1, LLM | {"llm.input_messages": ["text"]}), "wrong_type"),
        (span("t", 1, LLM | {"llm.input_messages": [{"message": {"content": "x"}}]}), "missing_field"),
        (span("t", 1, LLM | {"session.id": ["a"]}), "wrong_type"),
        (span("t", 1, {}) | {"attributes": 5}, "wrong_type"),
        (span("t", 1, {}) | {"attributes": "{half"}, "bad_json"),
        ({"resourceSpans": [{"scopeSpans": [{"spans": "x"}]}]}, "wrong_type"),
        ({"resourceSpans": 5}, "wrong_type"),
        ("text", "wrong_type"),
    ],
)
def test_broken_spans_are_quarantined_and_others_kept(tmp_path: Path, record: Any, reason: str) -> None:
    good = [span(f"g{n}", n, openinference(*TURN_1, session=f"g{n}")) for n in range(2)]
    conversations, quarantine, _ = ingest(
        write_rows(tmp_path / "s.jsonl", good[0], record, good[1]), "openinference"
    )
    assert quarantine.select("line", "reason").rows() == [(2, reason)]
    assert conversations["conversation_id"].to_list() == ["g0", "g1"]


def test_a_mapped_column_is_an_attribute(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "s.jsonl", otlp(span("t", 1, openinference(*TURN_1, **{"app.customer": "c"})))
    )
    assert probe(path, "openinference", {"user": "app.customer"}).has_user_ids
    assert ingest(path, "openinference", mapping={"user": "app.customer"})[0]["user_key"].to_list() == [
        key("c")
    ]
