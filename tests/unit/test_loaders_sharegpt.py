"""ShareGPT records, as JSON lines and as one JSON array."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest

from assets.conversations.loaders.registry import detect_format
from tests.reading_support import ingest, spoken, write_rows

RECORDS = [
    {
        "id": "a",
        "conversations": [{"from": "human", "value": 'hi [}",\\'}, {"from": "gpt", "value": "hello"}],
    },
    {
        "id": "b",
        "conversations": [{"role": "user", "content": "yo"}, {"role": "assistant", "content": "{[,\n"}],
    },
    {"id": "c", "conversations": [{"from": "human", "value": "é\u2028\U0001f600"}], "system": "be kind"},
]
EXPECTED = [
    [("user", 'hi [}",\\'), ("assistant", "hello")],
    [("user", "yo"), ("assistant", "{[,\n")],
    [("system", "be kind"), ("user", "é\u2028\U0001f600")],
]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(json.dumps, RECORDS)),
        json.dumps(RECORDS),
        json.dumps(RECORDS, ensure_ascii=False),
        json.dumps(RECORDS, indent=2),
        json.dumps(RECORDS, indent="\t").replace("\n", "\r\n"),
        "\ufeff \n[\n" + ",\n".join(map(json.dumps, RECORDS)) + "\n]\n",
    ],
)
def test_every_layout_of_the_file_reads_the_same(tmp_path: Path, text: str) -> None:
    path = tmp_path / "chat.json"
    path.write_bytes(text.encode())
    assert detect_format(path) == "sharegpt"
    conversations, _, counts = ingest(path, "sharegpt")
    assert spoken(conversations) == EXPECTED
    assert conversations["conversation_id"].to_list() == ["a", "b", "c"]
    assert counts.rows_in == 3


def test_rows_of_an_array_have_their_place(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    path.write_bytes(
        b'[ {"conversations": []}, 7, {"conversations": [{"from": "x", "value": "y"}]}, {"a": tru}]'
    )
    _, quarantine, _ = ingest(path, "sharegpt")
    assert quarantine.rows() == [
        ("chat.json", 2, 1, "no_messages"),
        ("chat.json", 25, 2, "wrong_type"),
        ("chat.json", 28, 3, "unknown_role"),
        ("chat.json", path.read_bytes().index(b'{"a"'), 4, "bad_json"),
    ]


def test_roles_of_tools(tmp_path: Path) -> None:
    turns = [
        ("human", "weather?"),
        ("function_call", "weather()"),
        ("observation", "rain"),
        (" GPT ", "It rains."),
    ]
    record = {"conversations": [{"from": role, "value": value} for role, value in turns]}
    conversations, _, _ = ingest(write_rows(tmp_path / "chat.jsonl", record), "sharegpt")
    assert [role for role, _ in spoken(conversations)[0]] == ["user", "assistant", "tool", "assistant"]


def test_the_oldest_dumps_call_the_turns_items(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "chat.jsonl", {"id": "x", "items": [{"from": "human", "value": "hi"}]})
    assert detect_format(path) == "sharegpt"
    assert spoken(ingest(path, "sharegpt")[0]) == [[("user", "hi")]]


def test_an_array_larger_than_one_block_is_read_whole(tmp_path: Path) -> None:
    records = [
        {"id": str(n), "conversations": [{"from": "human", "value": f"{n} " * 400}]} for n in range(1_000)
    ]
    records[500]["conversations"][0]["value"] = '"\\' * 400_000
    path = tmp_path / "chat.json"
    path.write_bytes(orjson.dumps(records))
    conversations, _, _ = ingest(path, "sharegpt", max_characters=10_000_000)
    assert spoken(conversations) == [[("user", record["conversations"][0]["value"])] for record in records]
