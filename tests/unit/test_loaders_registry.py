"""Which format a file is in, and what is said where that cannot be told."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import orjson
import polars as pl
import pytest

from assets.conversations.loaders import registry
from assets.conversations.loaders.base import Fields, Parsed, RecordLoader
from assets.conversations.loaders.registry import detect_format, get_loader, loader_names, register
from dagster_project.errors import ObservatoryError
from schemas.conversations import REASONS, Reason
from tests.reading_support import ingest, said, spoken, write_rows


class DiaryLoader(RecordLoader):
    """A format of which the package knows nothing."""

    name = "diary"
    description = "diaries"

    def matches(self, record: dict) -> bool:
        return "dear" in record

    def parse(self, byte_offset: int, line: int, record: dict, fields: Fields) -> Parsed:
        return Parsed(byte_offset, line, ["user"], [record["dear"]], **fields.envelope(record))


@pytest.fixture
def diary(monkeypatch: pytest.MonkeyPatch) -> Iterator[DiaryLoader]:
    monkeypatch.setattr(registry, "_LOADERS", dict(registry._LOADERS))
    loader = DiaryLoader()
    register(loader)
    yield loader


def test_the_known_formats() -> None:
    expected = [
        "openai",
        "sharegpt",
        "wildchat",
        "lmsys",
        "hh-rlhf",
        "oasst",
        "oasst-tree",
        "chatgpt",
        "claude-ai",
        "langfuse",
        "openinference",
        "otel-genai",
        "text",
        "mapping",
    ]
    assert loader_names() == expected
    with pytest.raises(ObservatoryError, match="openai, sharegpt"):
        get_loader("nothing")


def test_the_documentation_names_every_format_and_reason() -> None:
    text = (Path(__file__).parents[2] / "docs" / "data_formats.md").read_text("utf-8")
    assert [name for name in (*loader_names(), *REASONS) if f"| `{name}` |" not in text] == []
    assert set(REASONS) == set(get_args(Reason))


def test_a_new_format_takes_part_in_detection(tmp_path: Path, diary: DiaryLoader) -> None:
    path = write_rows(tmp_path / "d.jsonl", {"dear": "diary", "id": "1"})
    assert detect_format(path) == "diary"
    assert spoken(ingest(path, "diary")[0]) == [[("user", "diary")]]
    with pytest.raises(ValueError, match="already registered"):
        register(diary)


def test_broken_rows_at_the_start_do_not_hide_the_format(tmp_path: Path) -> None:
    rows = [b"\xff\xfe broken", b'{"messages": [', b"", orjson.dumps({"messages": said("x")})]
    (tmp_path / "l.jsonl").write_bytes(b"\n".join(rows))
    assert detect_format(tmp_path / "l.jsonl") == "openai"


def test_a_first_row_longer_than_the_look_at_it(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "l.jsonl", {"messages": said("x" * 500_000)}, {"messages": said("y")})
    assert detect_format(path) == "openai"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"", "is empty"),
        ("a.log", b"2026-01-01 something happened\n", "text without JSON"),
        ("a.csv", b"question,answer\nx,y\n", "--map text=COLUMN"),
        ("a.jsonl", b'{"question": "x"}\n', "no known format"),
        ("a.json", b'{\n "conversations": [\n  1\n ]\n}\n', "no known format"),
        ("a.json", b'{\n "conversations": [\n  1', "no readable row"),
        ("a.json", b"[]", "no readable row"),
        ("a.zip", b"PK\x03\x04rest", "unpack"),
        ("a.txt", "hello".encode("utf-16"), "UTF-16"),
        ("a.parquet", b"PAR1 but not really", "not a readable Parquet file"),
        ("a.parquet.gz", gzip.compress(b"PAR1....", mtime=0), "decompress it first"),
    ],
)
def test_what_cannot_be_told_is_explained(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ObservatoryError) as caught:
        detect_format(tmp_path / name)
    assert message in str(caught.value)


def test_an_undecided_file_names_the_formats_and_the_flag_but_no_content(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "d.jsonl", {"my private column": "my private text"})
    with pytest.raises(ObservatoryError) as caught:
        detect_format(path)
    assert "--format" in str(caught.value)
    assert all(name in str(caught.value) for name in loader_names())
    assert "private" not in str(caught.value)


def test_records_of_a_format_may_come_in_another_container(tmp_path: Path) -> None:
    path = tmp_path / "chat.parquet"
    pl.DataFrame({"id": ["a"], "messages": [said("hi", "ho")], "unused": [b"\x00"]}).write_parquet(path)
    assert detect_format(path) == "openai"
    assert spoken(ingest(path, "openai")[0]) == [[("user", "hi"), ("assistant", "ho")]]
