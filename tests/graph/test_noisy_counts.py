"""A home with a privacy budget: noisy counts from end to end, the ledger published, a second release refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from dagster_project import running, warehouse
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home
from schemas import catalogue

Add = Callable[..., Home]


def test_noisy_counts_are_all_that_is_published(add: Add, home: Path) -> None:
    opened = Home(home)
    changes = {"dp_epsilon": 8.0, "dp_delta": 1e-4, "min_users": 5, "min_conversations": 5}
    opened.store_settings(opened.settings().model_copy(update=changes))
    add(count=600, users=300)
    tables = {table.name: opened.lake.scan(table.zone, table.name).collect() for table in catalogue.PUBLISHED}
    assert set(tables["clusters"]["counts"]) == {"dp"}
    assert all(tables[name].is_empty() for name in ("cluster_cells", "language_contrasts", "run_log"))
    assert tables["privacy_ledger"]["epsilon_spent"].max() == 8.0
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
