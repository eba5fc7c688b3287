"""`--map` with every format: a mapped column arrives in the conversation, or the mapping is refused; none is ignored."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from assets.conversations.ingest import probe
from assets.conversations.loaders.base import AROUND, MAPPABLE
from assets.conversations.loaders.registry import get_loader, loader_names
from dagster_project.errors import ObservatoryError
from tests.export_support import chatgpt, claude, genai, observation, openinference, span
from tests.reading_support import ingest, key, said, write_rows

TURNS = ("how do bees see", "In ultraviolet.")
MESSAGES = said(*TURNS)
EXCHANGE = (("user", TURNS[0]), ("assistant", TURNS[1]))
ANSWER = {"message_id": "b", "parent_id": "a", "message_tree_id": "a", "text": TURNS[1], "role": "assistant"}
QUESTION = {
    "message_id": "a",
    "parent_id": None,
    "message_tree_id": "a",
    "text": TURNS[0],
    "role": "prompter",
}
ROWS: dict[str, list[dict[str, Any]]] = {
    "openai": [{"messages": MESSAGES}],
    "sharegpt": [{"conversations": MESSAGES}],
    "wildchat": [{"conversation": MESSAGES, "conversation_hash": "h", "toxic": False}],
    "lmsys": [{"conversation": MESSAGES, "conversation_id": "c", "model": "m", "language": "English"}],
    "hh-rlhf": [{"chosen": f"\n\nHuman: {TURNS[0]}\n\nAssistant: {TURNS[1]}"}],
    "oasst": [QUESTION, ANSWER],
    "oasst-tree": [{"message_tree_id": "a", "prompt": {**QUESTION, "replies": [ANSWER]}}],
    "chatgpt": [chatgpt(1, *TURNS)],
    "claude-ai": [claude(1, *TURNS)],
    "langfuse": [observation("t", 1, *TURNS)],
    "openinference": [span("t", 1, openinference(*EXCHANGE))],
    "otel-genai": [span("t", 1, genai(*EXCHANGE))],
    "text": [{"text": TURNS[0]}],
    "mapping": [{"text": TURNS[0]}],
}
MAPPED = {"id": "mine", "user": "me", "time": "2025-01-02T03:04:05Z", "updated": "2025-01-03T03:04:05Z",
          "model": "mine-1", "metadata": {"tier": "gold"}, "flag": "yes"}  # fmt: skip
FOUND = {
    "id": ("conversation_id", "mine"),
    "user": ("user_key", key("me")),
    "time": ("started_at", datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)),
    "updated": ("updated_at", datetime(2025, 1, 3, 3, 4, 5, tzinfo=UTC)),
    "model": ("model", "mine-1"),
    "metadata": ("metadata", '{"tier":"gold"}'),
    "flag": ("flagged", True),
}


def with_columns(name: str, path: Path, extra: dict[str, Any]) -> Path:
    """A file of one conversation with more columns: in attributes where the format has such."""
    rows = [
        row | {"attributes": row["attributes"] | extra} if "attributes" in row else row | extra
        for row in ROWS[name]
    ]
    return write_rows(path, *rows)


def test_every_format_has_an_example() -> None:
    assert list(ROWS) == loader_names()
    assert FOUND.keys() == MAPPED.keys() == AROUND


@pytest.mark.parametrize("name", loader_names())
def test_what_is_mapped_around_a_conversation_arrives(tmp_path: Path, name: str) -> None:
    path = with_columns(
        name, tmp_path / "f.jsonl", {f"own_{field}": value for field, value in MAPPED.items()}
    )
    for field, (column, value) in FOUND.items():
        mapping = {field: f"own_{field}"}
        assert probe(path, name, mapping).readable == 1
        assert ingest(path, name, mapping=mapping)[0][column].to_list() == [value], field
        assert ingest(path, name)[0][column].to_list() != [value], field


@pytest.mark.parametrize("name", loader_names())
def test_what_is_mapped_inside_a_conversation_arrives_or_is_refused(tmp_path: Path, name: str) -> None:
    own = {"messages": said("mine", "yours"), "text": "mine", "response": "yours"}
    path = with_columns(name, tmp_path / "f.jsonl", {f"own_{field}": value for field, value in own.items()})
    for field in sorted(set(MAPPABLE) - AROUND):
        mapping = {field: f"own_{field}"}
        if field in get_loader(name).mappable:
            assert probe(path, name, mapping).readable == 1
            told = orjson.dumps(ingest(path, name, mapping=mapping)[0]["messages"].to_list())
            assert (b"yours" if field == "response" else b"mine") in told
        else:
            with pytest.raises(ObservatoryError, match=f"--map {field}=own_{field}: the format {name}"):
                probe(path, name, mapping)


def test_columns_of_a_tree_lie_in_its_row_or_in_its_first_message(tmp_path: Path) -> None:
    (tree,) = ROWS["oasst-tree"]
    path = write_rows(tmp_path / "t.jsonl", tree | {"prompt": tree["prompt"] | {"hit": 1}})
    for column in ("hit", "prompt.hit"):
        assert probe(path, "oasst-tree", {"flag": column}).readable == 1
        assert ingest(path, "oasst-tree", mapping={"flag": column})[0]["flagged"].to_list() == [True]
