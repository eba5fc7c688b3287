"""Faults of input files: each costs the row it is in, leaves a trace without content, and never a neighbour."""

from __future__ import annotations

import gzip
import json
import random
import string
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from schemas.conversations import REASONS
from tests.reading_support import ingest, lines, said, save, spoken

GOOD = {"messages": said("good before"), "id": "before"}
AFTER = {"messages": said("good after"), "id": "after"}

BAD_LINES = [
    (b'{"messages": [{"role": "user", "content": "caf\xe9"}]}', "bad_encoding"),
    (b'{"messages": [{"role": "user", "content": "\xed\xa0\x80"}]}', "bad_encoding"),
    (b"\xff\xfe\x00binary\x01", "bad_encoding"),
    (b'{"messages": [{"role": "user", "content": "cut off', "bad_json"),
    (b'{"messages": [{"role": "user", "content": "a"}]} trailing', "bad_json"),
    (b'{"messages": [{"role": "user", "content": "raw \x00 nul"}]}', "bad_json"),
    (b"\x00\x00\x00\x00", "bad_json"),
    (b"[" * 5_000, "bad_json"),
    (b'{"messages": ' + b"[" * 900 + b"]" * 900 + b"}", "wrong_type"),
    (b"1" * 5_000, "bad_json"),
    (b'{"messages": [{"role": "user", "content": "half \\ud83d pair"}]}', "lone_surrogate"),
    (b'{"messages": [{"role": "user", "content": "x"}], "note": "\\udc00"}', "lone_surrogate"),
    (b"{}", "missing_field"),
    (b"null", "wrong_type"),
    (b'{"messages": []}', "no_messages"),
    (b'{"messages": {"role": "user"}}', "wrong_type"),
    (b'{"messages": [{"role": "user", "content": {"type": 5}}]}', "wrong_type"),
]


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress])
@pytest.mark.parametrize(("bad", "reason"), BAD_LINES)
def test_a_bad_line_costs_itself_only(tmp_path: Path, bad: bytes, reason: str, compress: Any) -> None:
    path = save(tmp_path / "log.jsonl", compress(lines(GOOD, b"", bad, AFTER)))
    conversations, quarantine, counts = ingest(path, "openai")
    assert conversations["conversation_id"].to_list() == ["before", "after"]
    assert quarantine.rows() == [("log.jsonl", len(orjson.dumps(GOOD)) + 2, 3, reason)]
    assert (counts.rows_in, counts.rows_ok, counts.rows_quarantined) == (3, 2, 1)


def test_all_faults_at_once(tmp_path: Path) -> None:
    rows = [row for bad, _ in BAD_LINES for row in (bad, GOOD)]
    conversations, quarantine, _ = ingest(save(tmp_path / "log.jsonl", lines(*rows)), "openai")
    assert conversations.height == len(BAD_LINES)
    assert quarantine["reason"].to_list() == [reason for _, reason in BAD_LINES]
    data = (tmp_path / "log.jsonl").read_bytes()
    for (bad, _), offset in zip(BAD_LINES, quarantine["byte_offset"], strict=True):
        assert data[offset : offset + len(bad) + 1] == bad + b"\n"


def test_quarantine_holds_places_and_reasons_but_no_content(tmp_path: Path) -> None:
    canary = "zqv7-canary"
    bad = [f'{{"messages": "{canary}"}}'.encode(), canary.encode() + b"\xff", f'["{canary}'.encode()]
    folder = tmp_path / canary
    folder.mkdir()
    _, quarantine, _ = ingest(save(folder / "log.jsonl", lines(*bad)), "openai")
    assert quarantine.height == 3
    assert canary not in json.dumps(quarantine.rows())
    assert set(quarantine["reason"]) <= set(REASONS)


@pytest.mark.parametrize(
    "text",
    ["RTL \u202e override \u2066x\u2069", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "e\u0301\u0327", "\U00020000", "\ufeff", "\u2028\u2029\x0b\x1c\x85", "a" + "\u0300" * 500],
)  # fmt: skip
def test_unusual_text_is_kept_as_it_is(tmp_path: Path, text: str) -> None:
    path = save(
        tmp_path / "log.jsonl",
        lines({"messages": said(f"a{text}b")}, json.dumps({"messages": said(f"a{text}b")}).encode()),
    )
    assert spoken(ingest(path, "openai")[0]) == [[("user", f"a{text}b")]] * 2


def test_nul_characters_are_taken_out_and_counted(tmp_path: Path) -> None:
    rows = [
        {"messages": said("ada@exa\x00mple.org"), "user": "u\x00", "id": "\x00"},
        {"messages": said("\x00")},
        {"messages": said("a literal \\u0000")},
    ]
    conversations, quarantine, counts = ingest(save(tmp_path / "log.jsonl", lines(*rows)), "openai")
    assert spoken(conversations) == [[("user", "ada@example.org")], [("user", "a literal \\u0000")]]
    assert (quarantine["reason"].to_list(), counts.nul_removed) == (["no_messages"], 2)
    assert "\x00" not in "".join(conversations["conversation_id"])


def test_numbers_that_json_does_not_have_cost_nothing(tmp_path: Path) -> None:
    row = b'{"messages": [{"role": "user", "content": "x"}], "metadata": {"score": NaN, "big": -Infinity}}'
    conversations, quarantine, _ = ingest(save(tmp_path / "log.jsonl", lines(row)), "openai")
    assert quarantine.height == 0
    assert orjson.loads(conversations["metadata"][0]) == {"score": None, "big": None}


def test_metadata_that_cannot_be_written_costs_itself(tmp_path: Path) -> None:
    row = b'{"messages": [{"role": "user", "content": "x"}], "metadata": ' + b"[" * 400 + b"]" * 400 + b"}"
    conversations, _, _ = ingest(save(tmp_path / "log.jsonl", lines(row)), "openai")
    assert conversations["metadata"].to_list() == [None]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_compressed_file_cut_short_keeps_what_can_be_read(
    tmp_path: Path, compress: Any, share: float
) -> None:
    rng = random.Random(0)
    texts = ["".join(rng.choices(string.ascii_letters, k=300)) for _ in range(3_000)]
    whole = compress(lines(*({"id": str(n), "messages": said(text)} for n, text in enumerate(texts))))
    path = save(tmp_path / "log.jsonl.gz", whole[: 12 + int(share * (len(whole) - 12))])
    conversations, quarantine, _ = ingest(path, "openai")
    assert spoken(conversations) == [[("user", text)] for text in texts[: conversations.height]]
    assert abs(conversations.height / 3_000 - share) < 0.15
    offset = sum(
        len(orjson.dumps({"id": str(n), "messages": said(text)})) + 1
        for n, text in enumerate(texts[: conversations.height])
    )
    assert quarantine.rows() == [("log.jsonl.gz", offset, conversations.height + 1, "truncated_file")]


def test_several_compressed_parts_in_one_file_are_one_stream(tmp_path: Path) -> None:
    for compress in (gzip.compress, zstandard.compress):
        path = save(tmp_path / "log", compress(lines(GOOD)[:20]) + compress(lines(GOOD)[20:] + lines(AFTER)))
        assert ingest(path, "openai")[0]["conversation_id"].to_list() == ["before", "after"]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_rubbish_after_the_compressed_data_is_one_fault(tmp_path: Path, compress: Any) -> None:
    path = save(tmp_path / "log", compress(lines(GOOD, AFTER)) + b"rubbish, and more of it")
    conversations, quarantine, _ = ingest(path, "openai")
    assert (conversations.height, quarantine["reason"].to_list()) == (2, ["bad_compression"])


def test_the_last_line_needs_no_line_end(tmp_path: Path) -> None:
    path = save(tmp_path / "log.jsonl", lines(GOOD, AFTER)[:-1])
    assert ingest(path, "openai")[0].height == 2


@pytest.mark.parametrize("size", [1_001, 300_000, 5_000_000])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_over_the_limit_is_passed_over(tmp_path: Path, size: int, end: bytes) -> None:
    data = lines(GOOD) + b"x" * size + b"\n" + lines(AFTER) + b"y" * size + end
    conversations, quarantine, _ = ingest(save(tmp_path / "log.jsonl", data), "openai", max_row_bytes=1_000)
    assert conversations["conversation_id"].to_list() == ["before", "after"]
    assert quarantine.select("byte_offset", "line", "reason").rows() == [
        (len(lines(GOOD)), 2, "line_too_long"),
        (len(lines(GOOD)) + size + 1 + len(lines(AFTER)), 4, "line_too_long"),
    ]
