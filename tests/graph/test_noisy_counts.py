"""A home with a privacy budget: noisy counts from end to end, the ledger published, a second release refused or empty."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from dagster_project import running, warehouse
from dagster_project.cli import app
from dagster_project.erasure.record import read_record
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home
from dagster_project.plan import plan_runs
from dagster_project.steps import SPECS
from tests.support import published_tables, write_conversations

Add = Callable[..., Home]
NOISY = {"dp_epsilon": 8.0, "dp_delta": 1e-4, "min_users": 5, "min_conversations": 5}


def test_noisy_counts_are_all_that_is_published_and_an_erasure_leaves_no_others(
    add: Add, home: Path, tmp_path: Path
) -> None:
    opened, file = Home(home), write_conversations(tmp_path / "first.jsonl", 600)
    opened.store_settings(opened.settings().model_copy(update=NOISY))
    running.add_files(opened, [file], format_name=None, privacy_unit="conversation", mapping={})
    running.materialise(opened)
    tables = published_tables(opened)
    assert set(tables["clusters"]["counts"]) == {"dp"}
    assert all(tables[name].is_empty() for name in ("cluster_cells", "language_contrasts", "run_log"))
    assert tables["privacy_ledger"]["epsilon_spent"].max() == 8.0
    assert set(tables["privacy_ledger"]["unit"]) == {"conversation"}
    spent = warehouse.query(opened.warehouse, "SELECT sum(epsilon) FROM privacy_ledger").item()
    assert spent == 8.0
    before = opened.warehouse.read_bytes()
    opened.lake.remove("published", "clusters", "all")
    running.materialise(Home(home))
    assert opened.lake.scan("published", "clusters").collect().equals(tables["clusters"])
    with pytest.raises(ObservatoryError, match="would spend epsilon"):
        add("more.jsonl", 50, seed=1)
    assert warehouse.query(opened.warehouse, "SELECT sum(epsilon) FROM privacy_ledger").item() == 8.0
    assert before and pl.DataFrame(opened.lake.finished_steps())["stage"].is_in(["release"]).sum() == 2

    # An erasure is completed all the same: what was published still counts whom it takes out.
    told = said(["forget", "--conversation", "s0-c0", "--home", str(home)])
    assert "1 conversations in 1 batches. The published tables of counts are empty" in told
    assert "raise dp_budget_epsilon" in told and read_record(opened).pending is None
    assert warehouse.query(opened.warehouse, "SELECT count(*) FROM clusters").item() == 0
    assert warehouse.query(opened.warehouse, "SELECT sum(epsilon) FROM privacy_ledger").item() == 8.0
    told = said(["run", str(file), "--privacy-unit", "conversation", "--home", str(home)])
    assert "Nothing to do" in told and "The published tables of counts are empty" in told
    opened.store_settings(opened.settings().model_copy(update={"dp_budget_epsilon": 16.0}))
    assert "release" in plan_runs(list(SPECS.values()), opened)[0].steps, "a larger budget counts the others"


def said(arguments: list[str]) -> str:
    """What a command that succeeds prints, on one line."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output or result.exception
    return " ".join(result.output.split())
