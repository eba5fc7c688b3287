"""The real thing: the sample through the command line with the packaged model, and what a user finds afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from dagster_project import warehouse
from dagster_project.doctor import open_to_others
from dagster_project.home import Home
from dagster_project.leak_gate import event_logs
from dagster_project.privacy import leaks

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("end-to-end")]
CONVERSATIONS = 1500


def observatory(*arguments: object, folder: Path, fails: bool = False) -> str:
    """Run the command line as a user does, and return what it printed."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("OBSERVATORY_HOME", "DAGSTER_HOME")
    }
    result = subprocess.run(
        [sys.executable, "-m", "dagster_project", *map(str, arguments)],
        cwd=folder,
        env={**environment, "COLUMNS": "160"},
        capture_output=True,
        text=True,
    )
    assert (result.returncode != 0) == fails, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a sample and a home that has run on it, and what the run printed."""
    folder = tmp_path_factory.mktemp("user")
    observatory(
        "sample", "--conversations", CONVERSATIONS, "--seed", 5, "--out", "sample.jsonl", folder=folder
    )
    printed = observatory("run", "sample.jsonl", "--canaries", "sample.canaries.txt", folder=folder)
    return folder, printed


def test_the_summary_shows_clusters_what_is_withheld_and_what_to_do_next(ran: tuple[Path, str]) -> None:
    _, printed = ran
    assert "Clusters" in printed
    assert "Clusters withheld" in printed
    assert "Cells withheld" in printed
    assert "observatory.duckdb" in printed
    assert "observatory sql" in printed


def test_every_conversation_is_in_the_picture(ran: tuple[Path, str]) -> None:
    folder, _ = ran
    home = Home(folder / "observatory-home")
    total = warehouse.query(
        home.warehouse, "SELECT sum(conversations) FROM clusters WHERE parent_id IS NULL"
    ).item()
    unnamed = CONVERSATIONS - total
    assert 0 <= unnamed < 0.2 * CONVERSATIONS


def test_the_sql_command_answers_in_three_formats(ran: tuple[Path, str]) -> None:
    folder, _ = ran
    statement = "SELECT name, users FROM top_clusters ORDER BY users DESC LIMIT 3"
    rows = json.loads(observatory("sql", statement, "--output", "json", folder=folder))
    assert len(rows) == 3 and all(row["users"] >= 10 for row in rows)
    assert observatory("sql", statement, "--output", "csv", folder=folder).splitlines()[0] == "name,users"
    assert rows[0]["name"][:20] in observatory("sql", statement, folder=folder)
    assert "observatory:" in observatory(
        "sql", "SELECT * FROM read_text('/etc/passwd')", folder=folder, fails=True
    )


def test_a_second_run_does_nothing(ran: tuple[Path, str]) -> None:
    folder, _ = ran
    journal = Home(folder / "observatory-home").lake.journal
    before = journal.read_bytes()
    assert "Nothing to do" in observatory("run", "sample.jsonl", folder=folder)
    assert journal.read_bytes() == before


def test_no_canary_is_outside_the_restricted_zone(ran: tuple[Path, str]) -> None:
    folder, printed = ran
    home = Home(folder / "observatory-home")
    canaries = home.read_canaries()
    assert len(canaries) >= 20
    outside = [
        path for path in home.root.rglob("*") if path.is_file() and home.restricted not in path.parents
    ]
    assert home.warehouse in outside and event_logs(home)
    assert leaks.scan_canaries([*outside, leaks.NamedText("terminal", printed)], canaries) == []


def test_the_planted_canaries_would_be_found(ran: tuple[Path, str]) -> None:
    folder, _ = ran
    home = Home(folder / "observatory-home")
    assert len(leaks.scan_canaries([folder / "sample.jsonl"], home.read_canaries())) >= 20


def test_no_user_id_is_outside_the_input(ran: tuple[Path, str]) -> None:
    folder, _ = ran
    users = {json.loads(line)["user"] for line in (folder / "sample.jsonl").read_text("utf-8").splitlines()}
    home = Home(folder / "observatory-home")
    assert (
        leaks.scan_canaries([path for path in home.root.rglob("*") if path.is_file()], sorted(users)[:50])
        == []
    )


def test_every_file_is_private(ran: tuple[Path, str]) -> None:
    folder, _ = ran
    assert list(open_to_others(folder / "observatory-home")) == []


def test_every_column_that_people_see_is_explained(ran: tuple[Path, str]) -> None:
    folder, _ = ran
    path = folder / "observatory-home" / "observatory.duckdb"
    silent = warehouse.query(
        path, "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND comment IS NULL"
    )
    assert silent.rows() == []
    assert warehouse.query(path, "SELECT count(*) FROM duckdb_columns() WHERE NOT internal").item() > 40


def test_doctor_finds_nothing_wrong(ran: tuple[Path, str]) -> None:
    folder, _ = ran
    assert "wrong" not in observatory("doctor", folder=folder)


def test_the_log_of_runs_names_every_stage(ran: tuple[Path, str]) -> None:
    folder, _ = ran
    log = warehouse.query(folder / "observatory-home" / "observatory.duckdb", "SELECT * FROM run_log")
    stages = {
        "conversations",
        "redacted_conversations",
        "facets",
        "embeddings",
        "concerns",
        "clustering",
        "projection",
        "release",
        "usage_map",
    }
    assert stages <= set(log["stage"])
    assert log.filter(pl.col("stage") == "facets")["rows_out"].to_list() == [CONVERSATIONS]


def test_input_without_users_is_refused_with_the_flag_to_give(tmp_path: Path) -> None:
    (tmp_path / "anonymous.jsonl").write_text(
        '{"messages": [{"role": "user", "content": "How do I bake bread?"}]}\n'
    )
    printed = observatory("run", "anonymous.jsonl", folder=tmp_path, fails=True)
    assert "--privacy-unit conversation" in printed
    assert "bread" not in printed
