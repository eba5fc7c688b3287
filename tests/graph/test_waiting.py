"""A step that waits for another run's commit reads what was committed, not the file that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from dagster_project.definitions import defs
from dagster_project.home import Home
from dagster_project.lake import Lake


def assigned(conversations: int) -> pl.DataFrame:
    ids = [f"c{number}" for number in range(conversations)]
    return pl.DataFrame({"conversation_id": ids, "cluster_id": ["a"] * conversations})


def commit(lake: Lake, table: str, frame: pl.DataFrame) -> None:
    lake.commit(lake.stage("restricted", table, frame), code_version="1", fingerprint="f")


def test_inputs_are_looked_up_once_nobody_else_can_replace_them(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBSERVATORY_HOME", str(home))
    lake, alone = Home(home).lake, Lake.writer
    node = {"cluster_id": ["a"], "level": pl.Series([0], dtype=pl.UInt8), "parent_id": [None]}
    commit(lake, "cluster_nodes", pl.DataFrame(node, schema_overrides={"parent_id": pl.String}))
    commit(lake, "cluster_assignments", assigned(10))

    @contextmanager
    def after_another(own: Lake) -> Iterator[None]:
        with alone(own):
            commit(lake, "cluster_assignments", assigned(20))
            yield

    monkeypatch.setattr(Lake, "writer", after_another)
    run = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        asset_selection=[dg.AssetKey("cluster_changes"), dg.AssetKey("cluster_members")], raise_on_error=False
    )
    assert run.success
    assert lake.scan("restricted", "cluster_members").collect().height == 20
