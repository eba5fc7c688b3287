"""The right to erasure, end to end: nothing of the forgotten is left, nothing of the others is lost, nothing comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from dagster_project import forgetting, running, warehouse
from dagster_project.cli import app
from dagster_project.erasure.record import read_record
from dagster_project.erasure.survey import personal_tables
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home
from dagster_project.privacy.identity import Pseudonymiser
from tests.forget_support import as_implied, contents, found, hidden, journal, manifests

pytestmark = pytest.mark.xdist_group("forget")
Add = Callable[..., Home]


def test_nothing_of_the_user_is_left_and_everything_of_the_others_is(marked: Home) -> None:
    assert found(marked, hidden(marked))
    others, tables, steps = contents(marked), 7, 5
    outcome = forgetting.forget(marked, ["Ms.Quill"])
    assert (outcome.unknown, outcome.conversations, outcome.published) == (0, 12, True)
    assert [batch.ordinal for batch in outcome.sources] == [1, 2]
    assert found(marked, hidden(marked)) == []
    after = contents(marked)
    assert len(others) == 3 * tables
    assert all(after[name].equals(rows) for name, rows in others.items())
    assert read_record(marked).pending is None

    # Nobody else's rows were computed again, and the log counts nobody who is gone.
    log = journal(marked)
    whole = log.filter(pl.col("batch").is_null())["stage"].to_list()
    assert sorted(whole) == [
        "audit",
        "bursts",
        "cluster_changes",
        "cluster_lineage",
        "clustering",
        "comparisons",
        "current_conversations",
        "privacy_ledger",
        "projection",
        "release",
        "run_log",
        "usage_map",
        "warehouse",
    ]
    stages = log.filter(pl.col("batch").is_not_null())
    assert stages.group_by("stage").len()["len"].to_list() == [3] * steps
    assert set(stages["rows_in"]) == set(stages["rows_out"]) == {150}
    assert running.materialise(marked) == []
    assert set(warehouse.query(marked.warehouse, "SELECT run_id FROM run_log")["run_id"]) == set(
        log["run_id"]
    )

    # Forgetting again finds nothing and does nothing.
    before = manifests(marked)
    assert forgetting.forget(marked, ["MS.QUILL"]).unknown == 1
    assert manifests(marked) == before


def test_reading_the_files_again_gives_the_same_bytes_and_not_the_user(marked: Home) -> None:
    forgetting.forget(marked, ["\uff2d\uff53.Quill"])
    rewritten, signatures = manifests(marked), [batch.signature() for batch in marked.batches()]
    for table in personal_tables(batched=True):
        for batch in marked.batches():
            marked.lake.remove(table.zone, table.name, batch.key)
    running.materialise(marked)
    assert as_implied(manifests(marked)) == as_implied(rewritten)
    assert signatures == [batch.signature() for batch in marked.batches()]
    assert found(marked, hidden(marked)) == []


def test_dagster_shows_what_is_left_and_keeps_no_run_that_saw_the_user(marked: Home) -> None:
    marked.use_as_dagster_home()
    with dg.DagsterInstance.get() as instance:
        seen = {run.run_id: run.tags.get("dagster/partition") for run in instance.get_runs()}
    forgetting.forget(marked, ["Ms.Quill"])
    first, _, third = (batch.key for batch in marked.batches())
    with dg.DagsterInstance.get() as instance:
        left = {run.run_id for run in instance.get_runs()}
        events = instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey("facets"), asset_partitions=[first]), limit=9
        ).records
        stale = instance.get_latest_data_version_record(dg.AssetKey("facets"), partition_key=third)
    assert {run for run, batch in seen.items() if run in left} == {r for r, b in seen.items() if b == third}
    assert [event.asset_materialization.metadata["rows"].value for event in events] == [150]
    assert stale is not None
    gone = set(seen) - left
    traces = [
        path
        for path in marked.dagster.rglob("*")
        if path.is_file() and any(run.encode() in path.read_bytes() for run in gone)
    ]
    assert traces == []


def test_the_command_names_files_and_batches_but_nobody(marked: Home, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("Ms.Quill\n\nnobody-of-that-name\n")
    arguments = ["forget", "--users-file", str(tmp_path / "ids.txt"), "--home", str(marked.root)]
    with running.only_run(marked):
        refused = CliRunner().invoke(app, arguments)
    assert isinstance(refused.exception, ObservatoryError) and "another" in str(refused.exception)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "Of 1 of 2 ids nothing is held" in result.output
    for batch in marked.batches()[:2]:
        assert batch.key in result.output and batch.path in result.output
    assert "12 conversations in 2 batches" in result.output
    assert "Quill" not in result.output and "nobody-of-that-name" not in result.output
    assert found(marked, [*hidden(marked), "nobody-of-that-name"]) == []


def test_the_last_users_leave_nothing_published_and_a_new_file_starts_anew(
    home: Path, tmp_path: Path, add: Add
) -> None:
    opened = add(count=80, users=4)
    outcome = forgetting.forget(opened, [f"user-{n}" for n in range(4)])
    assert (outcome.unknown, outcome.conversations, outcome.published) == (0, 80, False)
    left = [path for path in opened.published.rglob("*") if path.is_file()]
    assert left == [] and not opened.warehouse.exists()
    with pytest.raises(ObservatoryError, match="no conversation is left"):
        running.materialise(opened)
    add("second.jsonl", 60, seed=1, users=30)
    people = opened.lake.scan("restricted", "facets", opened.batches()[1].key).collect()["user_key"]
    key = Pseudonymiser(opened.secret.read_bytes())
    named = {json.loads(line)["user"] for line in (tmp_path / "second.jsonl").read_text().splitlines()}
    gone = {f"user-{n}" for n in range(4)}
    assert named & gone
    assert set(people) == {key(user) for user in named - gone}
