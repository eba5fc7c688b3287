"""Arbitrary bytes, rows and cuts: nothing crashes ingestion and every row is accounted for."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import zstandard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assets.conversations.containers.json_array import read_array
from assets.conversations.ingest import probe
from assets.conversations.loaders.registry import detect_format, loader_names
from assets.conversations.reading import Fault, Line, read_lines
from dagster_project.errors import ObservatoryError
from tests.reading_support import ingest, save


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400), packed=st.sampled_from([bytes, gzip.compress, zstandard.compress]))
def test_random_bytes_never_crash_any_loader(tmp_path: Path, data: bytes, packed: Any) -> None:
    path = save(tmp_path / "random", packed(data))
    for name in loader_names():
        try:
            ingest(path, name, validate=False)
            probe(path, name, {})
            detect_format(path)
        except ObservatoryError:
            continue


KEYS = [
    "messages",
    "conversations",
    "conversation",
    "role",
    "from",
    "content",
    "value",
    "type",
    "text",
    "prompt",
    "replies",
    "message_id",
    "parent_id",
    "message_tree_id",
    "rank",
    "labels",
    "name",
    "quality",
    "deleted",
    "chosen",
    "id",
    "user",
    "created",
    "timestamp",
    "metadata",
    "flagged",
    "toxic",
    "openai_moderation",
    "tool_calls",
    "function",
    "arguments",
    "hashed_ip",
    "conversation_hash",
    "system",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)
HINTS = st.sampled_from(
    ["user", "human", "assistant", "prompter", "text", "\n\nHuman: x\n\nAssistant: y", "quality"]
)
RECORD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | HINTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(JSON | RECORD, max_size=6))
def test_json_of_any_shape_never_crashes_any_loader(tmp_path: Path, records: list) -> None:
    # The first row makes it a file of JSON lines, whatever the others are.
    data = "\n".join(map(json.dumps, [{}, *records])).encode()
    path = save(tmp_path / "random.jsonl", data)
    for name in loader_names():
        counts = ingest(path, name, validate=False)[2]
        assert counts.rows_in == len(records) + 1


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(
        st.sampled_from([b"a", b"\n", b" ", b"\r\n", b"\xff", b"\x00", b"bcd", b"e" * 30]), max_size=40
    ),
    limit=st.integers(1, 40),
)
def test_lines_have_the_places_that_they_are_at(tmp_path: Path, pieces: list[bytes], limit: int) -> None:
    data = b"".join(pieces)
    found = list(read_lines(save(tmp_path / "lines", data), limit))
    for item in found:
        assert data[: item.byte_offset].count(b"\n") == item.line - 1
        line = data[item.byte_offset :].split(b"\n")[0]
        if isinstance(item, Line):
            assert item.data == line
        else:
            assert (item.reason, len(line) > limit) == ("line_too_long", True)
    expected = [line for line in data.split(b"\n") if line.strip() or len(line) > limit]
    assert len(found) == len(expected)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(JSON, max_size=6), indent=st.none() | st.integers(0, 2), cut=st.integers(0, 60))
@example(records=[{}, [{}]], indent=0, cut=1)
@example(records=[{}, {"a": [{}]}], indent=0, cut=1)
def test_arrays_are_split_as_json_itself_would(
    tmp_path: Path, records: list, indent: int | None, cut: int
) -> None:
    text = json.dumps(records, indent=indent).encode()
    whole = list(read_array(save(tmp_path / "a.json", text)))
    assert len(whole) == len(records)
    if not any(isinstance(item, Fault) for item in whole):
        assert [item.value for item in whole] == json.loads(text, parse_constant=lambda _: None)
    shorter = list(read_array(save(tmp_path / "b.json", text[: max(1, len(text) - cut)])))
    kept = [item for item in shorter if not isinstance(item, Fault)]
    assert kept == [item for item in whole if not isinstance(item, Fault)][: len(kept)]
    assert cut == 0 or any(isinstance(item, Fault) for item in shorter)


TALKS = [
    {"conversations": [{"from": "human", "value": f"text {n}"}, {"from": "gpt", "value": "a"}]}
    for n in range(12)
]
LAYOUTS = {
    "lines": "\n".join(map(json.dumps, TALKS)).encode(),
    "array by lines": ("[\n" + ",\n".join(map(json.dumps, TALKS)) + "\n]").encode(),
    "indented array": json.dumps(TALKS, indent=2).encode(),
}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    place=st.floats(0, 1, exclude_max=True),
    removed=st.integers(0, 1),
    inserted=st.sampled_from(
        [b"", b'"', b"\n", b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\x00", b"\xff", b"x"]
    ),
)
@example(layout="array by lines", place=0.49609375, removed=0, inserted=b'"')
def test_one_wrong_byte_costs_two_rows_at_most(
    tmp_path: Path, layout: str, place: float, removed: int, inserted: bytes
) -> None:
    whole = LAYOUTS[layout]
    # The first bytes tell what the file is; damage there is another matter.
    index = 12 + int(place * (len(whole) - 14))
    path = save(tmp_path / "chat.json", whole[:index] + inserted + whole[index + removed :])
    conversations, quarantine, _ = ingest(path, "sharegpt", validate=False)
    assert conversations.height >= len(TALKS) - 2
    assert quarantine.height <= 8
