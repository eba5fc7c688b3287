"""The right to erasure, end to end: nothing of the forgotten is left, nothing of the others is lost, nothing comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from dagster_project import forgetting, running, warehouse
from dagster_project.erasure.record import read_record
from dagster_project.erasure.survey import personal_tables
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home
from dagster_project.privacy import leaks
from dagster_project.privacy.identity import Pseudonymiser
from tests.support import write_conversations

Add = Callable[..., Home]
MARKS = ["zqv7kk2mwx4tph9c", "Ýrsa Vopnfjörð-Quill", "hunter.q77@canary.invalid", "+49 30 901820 7741"]


def journal(home: Home) -> pl.DataFrame:
    return pl.DataFrame(home.lake.finished_steps(), infer_schema_length=None)


def with_marked_user(file: Path, user: str, count: int = 6, *, first: int = 0) -> Path:
    """Put conversations of one user, with marks in texts, metadata and ids, among those of a file."""
    lines = file.read_text("utf-8").splitlines()
    for number in range(first, first + count):
        text = f"How do I bake bread with {' and '.join(MARKS)} in one day?"
        answer = {"role": "assistant", "content": f"Ask {MARKS[1]} or write to {MARKS[2]}."}
        entry = {
            "id": f"{MARKS[0]}-{number}",
            "user": user,
            "created_at": "2026-03-05T10:00:00Z",
            "model": "m",
            "note": MARKS[3],
            "messages": [{"role": "user", "content": text}, answer],
        }
        lines.insert(7 * number, json.dumps(entry, ensure_ascii=number % 2 == 0))
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return file


@pytest.fixture
def marked(home: Path, tmp_path: Path, cheap_embedder: None, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home of three batches, two of which hold conversations of the user `Ms.Quill`."""
    monkeypatch.setenv("OBSERVATORY_HOME", str(home))
    opened = Home(home)
    files = [write_conversations(tmp_path / f"{name}.jsonl", 150, seed=n) for n, name in enumerate("abc")]
    with_marked_user(files[0], "Ms.Quill")
    with_marked_user(files[1], " ms.QUILL\u200b", first=6)
    for file in files:
        running.add_files(opened, [file], format_name=None, privacy_unit="user", mapping={})
    running.materialise(opened)
    return opened


def found(home: Home, marks: list[str]) -> list[str]:
    """Where marks are, in any disguise, in any file of the home; the key under which they would be stored is one."""
    return sorted({leak.sink for leak in leaks.scan_canaries([home.root], marks)})


def hidden(home: Home) -> list[str]:
    """What tells of the user: the planted strings, and the pseudonym."""
    return [*MARKS, "Ms.Quill", Pseudonymiser(home.secret.read_bytes())("Ms.Quill")]


def contents(home: Home) -> dict[str, pl.DataFrame]:
    """Rows of every batched restricted table, without those of the marked user."""
    tables = {}
    for table in personal_tables(batched=True):
        for batch in home.batches():
            rows = home.lake.scan(table.zone, table.name, batch.key).collect()
            tables[f"{table.name}/{batch.key}"] = rows.filter(
                ~pl.col("conversation_id").str.starts_with(MARKS[0])
            )
    return tables


def manifests(home: Home) -> dict[str, str]:
    return {
        str(path.parent.relative_to(home.root)): json.loads(path.read_bytes())["sha256"]
        for path in home.restricted.rglob("manifest.json")
    }


def test_nothing_of_the_user_is_left_and_everything_of_the_others_is(marked: Home) -> None:
    assert found(marked, hidden(marked))
    others, before = contents(marked), journal(marked).height
    outcome = forgetting.forget(marked, ["Ms.Quill"])
    assert (outcome.unknown, outcome.conversations, outcome.published) == (0, 12, True)
    assert [batch.ordinal for batch in outcome.sources] == [1, 2]
    assert found(marked, hidden(marked)) == []
    after = contents(marked)
    assert all(after[name].equals(rows) for name, rows in others.items())
    assert before
    assert read_record(marked).pending is None


def test_nobody_elses_rows_are_computed_again(marked: Home) -> None:
    forgetting.forget(marked, ["Ms.Quill"])
    stages = journal(marked).filter(pl.col("batch").is_null())["stage"].to_list()
    assert stages == ["current_conversations", "clustering", "release", "run_log", "warehouse"]
    per_batch = journal(marked).filter(pl.col("batch").is_not_null())
    assert per_batch.group_by("stage").len()["len"].to_list() == [3] * 5
    assert running.materialise(marked) == []


def test_reading_the_files_again_gives_the_same_bytes(marked: Home) -> None:
    forgetting.forget(marked, ["Ms.Quill"])
    rewritten, fingerprints = manifests(marked), [batch.signature() for batch in marked.batches()]
    for table in personal_tables(batched=True):
        for batch in marked.batches():
            marked.lake.remove(table.zone, table.name, batch.key)
    running.materialise(marked)
    again = manifests(marked)
    assert {k: v for k, v in again.items() if "cluster_" not in k} == {
        k: v for k, v in rewritten.items() if "cluster_" not in k
    }
    assert fingerprints == [batch.signature() for batch in marked.batches()]
    assert found(marked, hidden(marked)) == []
