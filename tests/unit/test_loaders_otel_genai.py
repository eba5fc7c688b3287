"""OpenTelemetry's spans and events of generative AI, before and since 1.37."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assets.conversations.loaders.registry import detect_format
from tests.export_support import STARTED, any_value, genai, otlp, span
from tests.reading_support import ingest, key, save, spoken, write_rows

TURN_1 = (("user", "how do bees see"), ("assistant", "In ultraviolet."))
TURN_2 = (*TURN_1, ("user", "and wasps"), ("assistant", "Too."))
SPANS = [
    span("t1", 0, {"http.request.method": "POST"}),
    span("t1", 1, genai(*TURN_1)),
    span("t2", 2, genai(*TURN_2)),
    span("t2", 3, {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look"}),
    span("t3", 4, {"gen_ai.operation.name": "embeddings"}),
]


def test_lines_and_otlp_give_the_same(tmp_path: Path) -> None:
    structured = {
        name: json.loads(value) if name.endswith("messages") else value
        for name, value in SPANS[2]["attributes"].items()
    }
    files = [
        write_rows(tmp_path / "flat.jsonl", *SPANS),
        write_rows(tmp_path / "otlp.jsonl", *(otlp(each) for each in SPANS)),
        save(tmp_path / "otlp.json", json.dumps(otlp(*SPANS), indent=2).encode()),
        write_rows(
            tmp_path / "structured.jsonl", otlp(*SPANS[:2], SPANS[2] | {"attributes": structured}, *SPANS[3:])
        ),
    ]
    for path in files:
        assert detect_format(path) == "otel-genai"
        conversations, quarantine, counts = ingest(path, "otel-genai")
        assert (quarantine.height, counts.rows_in, counts.rows_folded, counts.rows_skipped) == (0, 5, 3, 1)
        assert spoken(conversations) == [list(TURN_2)]
        row = conversations.row(0, named=True)
        assert (row["conversation_id"], row["user_key"], row["model"]) == ("sess", key("u1"), "gpt-5")
        assert row["started_at"] < row["updated_at"]


PARTS = [
    ({"type": "text", "content": "said"}, "said"),
    ({"type": "reasoning", "content": "hm"}, ""),
    ({"type": "tool_call", "id": "1", "name": "f", "arguments": {"a": 1}}, '[tool call] f({"a":1})'),
    ({"type": "tool_call_response", "id": "1", "response": {"b": 2}}, '{"b":2}'),
    ({"type": "tool_call_response", "id": "1", "result": "sunny"}, "sunny"),
    ({"type": "blob", "mime_type": "image/png", "modality": "image", "content": "AA=="}, "[image]"),
    ({"type": "uri", "uri": "https://x"}, "[file]"),
    ({"type": "file", "file_id": "x"}, "[file]"),
]


@pytest.mark.parametrize(("part", "text"), PARTS)
def test_parts_of_a_message(tmp_path: Path, part: dict[str, Any], text: str) -> None:
    asked = [{"role": "user", "parts": [{"type": "text", "content": "q"}, part]}]
    path = write_rows(tmp_path / "s.jsonl", span("t", 1, {"gen_ai.input.messages": asked}))
    assert spoken(ingest(path, "otel-genai")[0]) == [[("user", f"q\n{text}" if text else "q")]]


@pytest.mark.parametrize("instructions", ["be brief", [{"type": "text", "content": "be brief"}]])
def test_instructions_come_first(tmp_path: Path, instructions: Any) -> None:
    for given in (instructions, instructions if isinstance(instructions, str) else json.dumps(instructions)):
        attributes = genai(*TURN_1, **{"gen_ai.system_instructions": given})
        path = write_rows(tmp_path / "s.jsonl", span("t", 1, attributes))
        assert spoken(ingest(path, "otel-genai")[0]) == [[("system", "be brief"), *TURN_1]]


def event(name: str, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "attributes": attributes}


OLDER = [
    [event("gen_ai.system.message", content="be brief"), event("gen_ai.user.message", content="q"), event("gen_ai.choice", message=json.dumps({"role": "assistant", "content": "a"}), index=0)],
    [event("gen_ai.system.message", **{"gen_ai.event.content": '{"content": "be brief"}'}), event("gen_ai.user.message", **{"gen_ai.event.content": '{"content": "q"}'}), event("gen_ai.choice", **{"gen_ai.event.content": '{"index": 0, "message": {"content": "a"}}'})],
    [event("gen_ai.content.prompt", **{"gen_ai.prompt": json.dumps([{"role": "system", "content": "be brief"}, {"role": "user", "content": "q"}])}), event("gen_ai.content.completion", **{"gen_ai.completion": "a"}), event("exception")],
]  # fmt: skip
TOLD = [("system", "be brief"), ("user", "q"), ("assistant", "a")]


@pytest.mark.parametrize("events", OLDER)
def test_events_of_a_span_before_1_37(tmp_path: Path, events: list[dict[str, Any]]) -> None:
    call = span("t", 1, {"gen_ai.system": "openai", "user.id": "u1"}, events=events)
    for record in (call, otlp(call)):
        path = write_rows(tmp_path / "s.jsonl", record)
        assert (detect_format(path), spoken(ingest(path, "otel-genai")[0])) == ("otel-genai", [TOLD])


def test_attributes_by_index(tmp_path: Path) -> None:
    attributes = {"gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "a"}
    for index, (role, content) in enumerate(TOLD[:2]):
        attributes |= {f"gen_ai.prompt.{index}.role": role, f"gen_ai.prompt.{index}.content": content}
    path = write_rows(tmp_path / "s.jsonl", span("t", 1, attributes))
    assert spoken(ingest(path, "otel-genai")[0]) == [TOLD]


def test_events_that_are_log_records_are_joined_by_their_span(tmp_path: Path) -> None:
    def record(span_id: str, second: int, name: str, body: dict[str, Any]) -> dict[str, Any]:
        time = str((STARTED + second) * 10**9)
        ids = {"traceId": f"t-{span_id}", "spanId": span_id}
        return {"timeUnixNano": time, "eventName": name, "body": any_value(body), "attributes": [], **ids}

    logs = [
        record("a", 1, "gen_ai.user.message", {"content": "q"}),
        record("b", 2, "gen_ai.user.message", {"content": "other"}),
        record("a", 3, "gen_ai.choice", {"index": 0, "message": {"role": "assistant", "content": "a"}}),
    ]
    envelope = {"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": {}, "logRecords": logs}]}]}
    flat = [
        {"event_name": log["eventName"], "trace_id": log["traceId"], "span_id": log["spanId"], "timestamp": log["timeUnixNano"], "body": body}
        for log, body in zip(logs, ({"content": "q"}, {"content": "other"}, {"message": {"content": "a"}}), strict=True)
    ]  # fmt: skip
    for path in (write_rows(tmp_path / "l.jsonl", envelope), write_rows(tmp_path / "f.jsonl", *flat)):
        conversations, quarantine, counts = ingest(path, detect_format(path))
        assert (quarantine.height, counts.rows_in, counts.rows_folded) == (0, 3, 1)
        assert sorted(spoken(conversations)) == [[("user", "other")], [("user", "q"), ("assistant", "a")]]


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"gen_ai.operation.name": "chat"}, "no_messages"),
        ({"gen_ai.input.messages": "[half"}, "bad_json"),
        ({"gen_ai.input.messages": "text"}, "bad_json"),
        ({"gen_ai.input.messages": 5}, "wrong_type"),
        ({"gen_ai.input.messages": ["x"]}, "wrong_type"),
        ({"gen_ai.input.messages": [{"role": "user", "parts": "x"}]}, "wrong_type"),
        ({"gen_ai.input.messages": [{"role": "user", "parts": [5]}]}, "wrong_type"),
        ({"gen_ai.input.messages": [{"parts": [{"type": "text", "content": "x"}]}]}, "missing_field"),
        ({"gen_ai.output.messages": [{"role": "assistant", "parts": ["x"]}]}, "no_user_message"),
    ],
)
def test_broken_calls_are_quarantined_with_their_trace(tmp_path: Path, attributes: dict, reason: str) -> None:
    rows = [span("g", 0, genai(*TURN_1)), span("t", 1, attributes), span("t", 2, {"db.system": "x"})]
    conversations, quarantine, _ = ingest(write_rows(tmp_path / "s.jsonl", *rows), "otel-genai")
    assert quarantine.select("line", "reason").sort("line").rows() == [(2, reason), (3, reason)]
    assert conversations["conversation_id"].to_list() == ["sess"]
