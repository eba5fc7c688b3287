"""A user with marks among others, and what to look for after that user has been forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from dagster_project.erasure.survey import personal_tables
from dagster_project.home import Home
from dagster_project.privacy import leaks
from dagster_project.privacy.identity import Pseudonymiser

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


def as_implied(tables: dict[str, str]) -> dict[str, str]:
    """Hashes of the tables that do not depend on the clustering before."""
    return {name: sha for name, sha in tables.items() if "cluster_" not in name}
