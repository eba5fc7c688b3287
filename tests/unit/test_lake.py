"""The lake: whole or absent, verified, private, and confined to its folder."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from dagster_project.errors import ObservatoryError
from dagster_project.lake import WHOLE, Lake, Manifest

FACTS = {"code_version": "1", "fingerprint": "f"}


def write(lake: Lake, frame: pl.DataFrame, partition: str = WHOLE) -> Manifest:
    return lake.commit(lake.stage("restricted", "facets", frame, partition), **FACTS)


@pytest.fixture
def lake(home: Path) -> Lake:
    return Lake(home)


def test_what_is_committed_is_read_back(lake: Lake) -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": [["x"], []]})
    manifest = write(lake, frame)
    assert manifest.rows == 2
    assert lake.scan("restricted", "facets").collect().equals(frame)
    assert lake.holds("restricted", "facets", WHOLE, "f")
    assert not lake.holds("restricted", "facets", WHOLE, "other")


def test_frames_of_an_iterator_become_row_groups_of_one_file(lake: Lake) -> None:
    staged = lake.stage("restricted", "facets", (pl.DataFrame({"a": [n]}) for n in range(3)))
    lake.commit(staged, **FACTS)
    assert lake.scan("restricted", "facets").collect()["a"].to_list() == [0, 1, 2]


def test_a_staged_table_is_not_read_before_it_is_committed(lake: Lake) -> None:
    write(lake, pl.DataFrame({"a": [1]}))
    staged = lake.stage("restricted", "facets", pl.DataFrame({"a": [2]}))
    assert lake.scan("restricted", "facets").collect()["a"].to_list() == [1]
    lake.discard(staged)
    assert not staged.path.exists()


def test_a_new_commit_leaves_no_bytes_of_the_old(lake: Lake) -> None:
    write(lake, pl.DataFrame({"a": ["an old secret"]}))
    write(lake, pl.DataFrame({"a": ["new"]}))
    files = list(lake.root.rglob("*.parquet"))
    assert len(files) == 1
    assert pl.read_parquet(files[0])["a"].to_list() == ["new"]


def test_an_altered_file_is_reported_and_not_read(lake: Lake) -> None:
    write(lake, pl.DataFrame({"a": list(range(1000))}))
    file = next(lake.root.rglob("*.parquet"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ObservatoryError, match="does not match its manifest"):
        lake.scan("restricted", "facets")


def test_a_truncated_or_missing_file_is_reported(lake: Lake) -> None:
    write(lake, pl.DataFrame({"a": list(range(1000))}))
    file = next(lake.root.rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-10])
    assert not lake.holds("restricted", "facets", WHOLE, "f")
    with pytest.raises(ObservatoryError, match="does not match"):
        lake.scan("restricted", "facets")
    file.unlink()
    with pytest.raises(ObservatoryError, match="is gone"):
        lake.scan("restricted", "facets")


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "", ".hidden", "a\0b", "x" * 65, "a b", "a..b"])
def test_names_cannot_leave_the_lake(lake: Lake, name: str) -> None:
    with pytest.raises(ObservatoryError):
        lake.folder("restricted", "facets", name)
    with pytest.raises(ObservatoryError):
        lake.folder("restricted", name)


def test_everything_is_private(lake: Lake) -> None:
    before = os.umask(0)
    try:
        write(lake, pl.DataFrame({"a": [1]}))
        lake.record({"stage": "x"})
    finally:
        os.umask(before)
    for path in (lake.root / "restricted").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_full_disk_leaves_the_old_table_whole(lake: Lake) -> None:
    write(lake, pl.DataFrame({"a": [1]}))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OSError):
            lake.stage("restricted", "facets", pl.DataFrame({"a": [os.urandom(100_000).hex()]}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert lake.scan("restricted", "facets").collect()["a"].to_list() == [1]
    assert not list(lake.root.rglob("*.tmp"))
    assert len(list(lake.root.rglob("*.parquet"))) == 1


def test_batches_are_read_together_with_their_key(lake: Lake) -> None:
    for key in ("b1", "b2"):
        write(lake, pl.DataFrame({"a": [key]}), key)
    both = lake.scan_batches("restricted", "facets", ["b1", "b2"]).collect()
    assert both.rows() == [("b1", "b1"), ("b2", "b2")]
    with pytest.raises(ObservatoryError, match="no batch yet"):
        lake.scan_batches("restricted", "facets", [])


CHILD = """
import sys, polars as pl
from pathlib import Path
from dagster_project.lake import Lake
lake = Lake(Path(sys.argv[1]))
n = 0
while True:
    n += 1
    staged = lake.stage("restricted", "facets", pl.DataFrame({"a": [n] * 5000}))
    lake.commit(staged, code_version="1", fingerprint=str(n))
    print(n, flush=True)
"""


@pytest.mark.parametrize("delay", [0.0, 0.013, 0.029, 0.041])
def test_a_kill_at_any_time_leaves_a_whole_table(home: Path, delay: float) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(home)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(delay)
    child.kill()
    child.wait()
    values = Lake(home).scan("restricted", "facets").collect()["a"]
    assert values.len() == 5000
    assert values.n_unique() == 1


def test_the_second_writer_waits(home: Path) -> None:
    lake = Lake(home)
    code = "import sys,time\nfrom pathlib import Path\nfrom dagster_project.lake import Lake\nwith Lake(Path(sys.argv[1])).writer():\n print('in', flush=True); time.sleep(0.6)"
    child = subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    started = time.monotonic()
    with lake.writer():
        assert time.monotonic() - started > 0.3
    child.wait()
