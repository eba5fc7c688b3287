"""Faults of files with a structure over their rows, and files that are larger than memory should be."""

from __future__ import annotations

import gzip
import json
import random
import string
import subprocess
import sys
from pathlib import Path

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.errors import ObservatoryError
from tests.reading_support import ingest, lines, said, save, spoken

MEASURE = """
import resource, sys
from pathlib import Path
from assets.conversations.ingest import ingest_file
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = sum(c.counts.rows_in for c in ingest_file(Path(sys.argv[1]), format_name=sys.argv[2], pseudonymise=str,
           chunk_rows=1_000, max_row_bytes=1 << 20))
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def grown(path: Path, format_name: str) -> tuple[int, int]:
    """Rows read in a fresh process, and by how many KiB its memory grew."""
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path), format_name], capture_output=True, check=True
    )
    rows, kib = result.stdout.split()
    return int(rows), int(kib)


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is reported in KiB on Linux only")
def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = save(
        tmp_path / "log.jsonl.gz", gzip.compress(lines({"messages": said("good")}) + b"x" * (200 << 20), 1)
    )
    rows, kib = grown(path, "openai")
    assert rows == 2
    assert kib < 100 << 10


@pytest.mark.parametrize("container", ["jsonl", "array"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, container: str) -> None:
    peaks = []
    for rows in (3_000, 15_000):
        records = (orjson.dumps({"id": str(n), "messages": said(f"{n} " * 400)}) for n in range(rows))
        data = b"\n".join(records) if container == "jsonl" else b"[" + b",".join(records) + b"]"
        found, kib = grown(save(tmp_path / f"{rows}.json", data), "openai")
        assert found == rows
        peaks.append(kib)
    assert peaks[1] < peaks[0] + (30 << 10)


ELEMENTS = [{"id": str(n), "conversations": [{"from": "human", "value": f"text {n}"}]} for n in range(6)]
BREAKS = [
    (b'"value": "text 2"', b'"value": "text 2'),
    (b'"value": "text 2"', b'"value": text 2"'),
    (b'"value": "text 2"', b'"value": "text 2"}'),
    (b'"value": "text 2"', b'"value": ["text 2"'),
    (b'"value": "text 2"', b'"value": "te\xffxt 2"'),
    (b'"value": "text 2"', b'"value": "te\\ud800xt 2"'),
]


@pytest.mark.parametrize(("found", "replaced"), BREAKS)
@pytest.mark.parametrize("indent", [None, 1])
def test_a_broken_element_of_an_array_by_lines_costs_itself_only(
    tmp_path: Path, found: bytes, replaced: bytes, indent: int | None
) -> None:
    body = ",\n".join(map(json.dumps, ELEMENTS))
    text = f"[\n{body}\n]" if indent is None else json.dumps(ELEMENTS, indent=indent)
    assert text.encode().count(found) == 1
    path = save(tmp_path / "chat.json", text.encode().replace(found, replaced))
    conversations, quarantine, _ = ingest(path, "sharegpt")
    assert conversations["conversation_id"].to_list() == ["0", "1", "3", "4", "5"]
    assert (quarantine.height, quarantine["line"].to_list()) == (1, [3])
    assert path.read_bytes()[quarantine["byte_offset"][0] :].startswith(b"{")


def test_an_array_on_one_line_is_read_up_to_where_its_structure_is_lost(tmp_path: Path) -> None:
    text = json.dumps(ELEMENTS).encode()
    cases = {
        text[: text.index(b"text 4")]: (4, "truncated_file"),
        text[:-1]: (5, "truncated_file"),
        text.replace(b'"text 2"', b'"text\n 2'): (2, "broken_array"),
        text + b" []": (6, "broken_array"),
        gzip.compress(text)[:-20]: (0, "truncated_file"),
    }
    for data, (rows, reason) in cases.items():
        conversations, quarantine, _ = ingest(save(tmp_path / "chat.json", data), "sharegpt")
        if reason != "truncated_file" or rows:
            assert conversations.height == rows
        assert quarantine["reason"].to_list() == [reason]


def test_an_element_over_the_limit_of_an_array_by_lines(tmp_path: Path) -> None:
    long = {"id": "x", "conversations": [{"from": "human", "value": "y" * 900_000}]}
    path = save(tmp_path / "chat.json", json.dumps([*ELEMENTS[:2], long, *ELEMENTS[2:]], indent=1).encode())
    conversations, quarantine, _ = ingest(path, "sharegpt", max_row_bytes=100_000)
    assert conversations["conversation_id"].to_list() == ["0", "1", "2", "3", "4", "5"]
    assert quarantine["reason"].to_list() == ["line_too_long"]


def test_a_damaged_row_group_costs_its_own_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    texts = ["".join(random.Random(n).choices(string.ascii_letters, k=200)) for n in range(30)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=10)
    column = pq.read_metadata(path).row_group(1).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 60] = b"\xff" * 60
    conversations, quarantine, counts = ingest(save(path, bytes(data)), "text")
    assert [turns[0][1] for turns in spoken(conversations)] == texts[:10] + texts[20:]
    assert (quarantine["reason"].to_list(), quarantine["line"].to_list()) == (
        ["bad_parquet"] * 10,
        list(range(11, 21)),
    )
    assert counts.rows_in == 30


def test_a_parquet_file_without_its_footer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"text": ["private"]}).write_parquet(path)
    save(path, path.read_bytes()[:-6])
    with pytest.raises(ObservatoryError, match="not a readable Parquet file"):
        ingest(path, "text")
