"""Faults inside exports and traces: every format loses the row that is broken and keeps its neighbours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.conversations.ingest import probe
from assets.conversations.loaders.registry import detect_format
from dagster_project.errors import ObservatoryError
from schemas.conversations import REASONS
from tests.export_support import chatgpt, claude, genai, observation, openinference, otlp, span
from tests.reading_support import ingest, lines, save

Make = Callable[[int, str], dict[str, Any]]
SAID = "the words that were said"


def spans_of(attributes: Callable[..., dict[str, Any]]) -> Make:
    return lambda n, text: span(f"t{n}", n, attributes(("user", text), ("assistant", "yes"), session=f"s{n}"))


FORMATS: dict[str, tuple[str, Make]] = {
    "chatgpt": ("chatgpt", lambda n, text: chatgpt(n, text, "yes")),
    "claude-ai": ("claude-ai", lambda n, text: claude(n, text, "yes")),
    "langfuse": ("langfuse", lambda n, text: observation(f"t{n}", n, text, "yes")),
    "openinference": ("openinference", spans_of(openinference)),
    "openinference otlp": ("openinference", lambda n, text: otlp(spans_of(openinference)(n, text))),
    "otel-genai": ("otel-genai", spans_of(genai)),
    "otel-genai otlp": ("otel-genai", lambda n, text: otlp(spans_of(genai)(n, text))),
}


def deep(record: dict[str, Any], levels: int) -> bytes:
    """The record with something nested that deeply where its text was."""
    text = json.dumps(record)
    assert SAID in text
    for quoted in (json.dumps(json.dumps(SAID))[1:-1], json.dumps(SAID)):
        if quoted in text:
            return text.replace(quoted, "[" * levels + "]" * levels).encode()
    raise AssertionError("the text is not quoted in any way that is known")


BREAKS: dict[str, tuple[Callable[[dict[str, Any]], bytes], set[str]]] = {
    "cut": (lambda record: orjson.dumps(record)[:-20], {"bad_json"}),
    "bytes": (lambda record: orjson.dumps(record).replace(SAID.encode(), b"caf\xe9"), {"bad_encoding"}),
    "surrogate": (
        lambda record: orjson.dumps(record).replace(SAID.encode(), rb"half \ud83d pair"),
        {"lone_surrogate"},
    ),
    "deep": (lambda record: deep(record, 900), {"wrong_type", "bad_json"}),
    "deeper": (lambda record: deep(record, 5_000), {"bad_json"}),
    "number": (lambda record: b"7", {"wrong_type"}),
    "list": (lambda record: b"[]", {"wrong_type"}),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("fault", BREAKS)
def test_a_broken_row_costs_itself_only(tmp_path: Path, name: str, fault: str) -> None:
    format_name, make = FORMATS[name]
    broken, reasons = BREAKS[fault]
    rows = [make(0, "before"), broken(make(1, SAID)), make(2, "after")]
    path = save(tmp_path / "log.jsonl", lines(*rows))
    assert detect_format(path) == format_name
    conversations, quarantine, _ = ingest(path, format_name)
    # JSON nested in a text that stays a text is what was said, however deep it is.
    if conversations.height == 3:
        assert fault == "deep"
        return
    assert conversations.height == 2
    assert quarantine.select("byte_offset", "line").rows() == [(len(orjson.dumps(rows[0])) + 1, 2)]
    assert set(quarantine["reason"]) <= reasons
    assert SAID not in str(quarantine.rows())


@pytest.mark.parametrize("name", FORMATS)
def test_an_array_cut_short_keeps_what_came_before(tmp_path: Path, name: str) -> None:
    format_name, make = FORMATS[name]
    whole = json.dumps([make(n, f"text {n}") for n in range(9)]).encode()
    conversations, quarantine, _ = ingest(save(tmp_path / "a.json", whole[:-40]), format_name)
    assert (conversations.height, quarantine["reason"].to_list()) == (8, ["truncated_file"])


@pytest.mark.parametrize("name", FORMATS)
def test_nul_characters_are_taken_out(tmp_path: Path, name: str) -> None:
    format_name, make = FORMATS[name]
    conversations, _, counts = ingest(
        save(tmp_path / "a.jsonl", lines(make(0, "ada@exa\x00mple"))), format_name
    )
    assert (conversations["messages"][0][0]["content"], counts.nul_removed) == ("ada@example", 1)


SWAPPED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=4)
    | st.just(NotImplemented),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a value something can be swapped."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, item in inner for place in places(item, (*path, key))]


def swapped(record: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A copy of the record with another value at a place; NotImplemented takes it away."""
    copy = orjson.loads(orjson.dumps(record))
    node = copy
    for key in place[:-1]:
        node = node[key]
    if value is NotImplemented:
        del node[place[-1]]
    else:
        node[place[-1]] = value
    return copy


def without_marks(value: Any) -> Any:
    if value is NotImplemented:
        return None
    if isinstance(value, dict):
        return {key: without_marks(item) for key, item in value.items()}
    return [without_marks(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(FORMATS)), choice=st.integers(0, 10**6), value=SWAPPED)
def test_any_value_anywhere_costs_its_own_row_at_most(
    tmp_path: Path, name: str, choice: int, value: Any
) -> None:
    format_name, make = FORMATS[name]
    record = make(1, "between")
    found = places(record)
    other = value if value is NotImplemented else without_marks(value)
    broken = swapped(record, found[choice % len(found)], other)
    rows = "\n".join(map(json.dumps, [make(0, "before"), broken, make(2, "after")]))
    path = save(tmp_path / "log.jsonl", rows.encode())
    conversations, quarantine, counts = ingest(path, format_name, validate=False)
    said = {message["content"] for row in conversations["messages"].to_list() for message in row}
    assert {"before", "after"} <= said
    assert set(quarantine["line"]) <= {2}
    assert set(quarantine["reason"]) <= set(REASONS)
    assert 2 <= counts.rows_in <= 3
    probe(path, format_name)


KEYS = [
    "mapping", "current_node", "message", "parent", "author", "role", "content", "parts", "content_type", "chat_messages", "uuid", "sender", "text",
    "current_leaf_message_uuid", "parent_message_uuid", "attachments", "type", "trace_id", "input", "output", "data", "observations", "traces", "trace",
    "attributes", "context", "resourceSpans", "scopeSpans", "spans", "resourceLogs", "events", "name", "body", "key", "value", "arrayValue", "kvlistValue", "values",
    "openinference.span.kind", "llm.input_messages", "llm", "input_messages", "input.value", "gen_ai.input.messages", "gen_ai.prompt.0.role", "session.id", "id",
]  # fmt: skip
HINTS = [
    "user",
    "GENERATION",
    "LLM",
    "chat",
    "gen_ai.user.message",
    "gen_ai.choice",
    "a",
    "[]",
    '[{"role": "user", "content": "x"}]',
    "{",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.sampled_from(HINTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(JSON, max_size=5))
def test_json_with_the_keys_of_exports_never_crashes(tmp_path: Path, records: list) -> None:
    data = "\n".join(map(json.dumps, [{}, *records])).encode()
    path = save(tmp_path / "random.jsonl", data)
    for name in dict.fromkeys(format_name for format_name, _ in FORMATS.values()):
        counts = ingest(path, name, validate=False)[2]
        assert counts.rows_in >= len(records)
        probe(path, name)
    try:
        detect_format(path)
    except ObservatoryError as error:
        assert "--format" in str(error)
