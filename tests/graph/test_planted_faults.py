"""A fault for every gate, in what a step writes or finds: that gate alone refuses it, and nothing after it runs.

Each case works on a copy of one finished home, in which the step and all that follows from it are due again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from dagster_project import running
from dagster_project.checks import schema_outcome
from dagster_project.definitions import defs
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home
from dagster_project.lake import WHOLE, Lake
from dagster_project.plan import plan_runs
from dagster_project.steps import SPECS
from schemas import catalogue

pytestmark = pytest.mark.xdist_group("forget")
Change = Callable[[pl.DataFrame], pl.DataFrame]
Plant = Callable[[Home, pytest.MonkeyPatch], None]
TABLES = {table.name: table for table in catalogue.tables()}
COPIED = "Start small, look at what you have, and go on step by step."
"""The answer of every conversation of the home: 13 words, the fewest that count as copied."""


def staged(table: str, change: Change) -> Plant:
    """The step itself writes the altered table."""

    def plant(_: Home, patch: pytest.MonkeyPatch) -> None:
        whole = Lake.stage

        def stage(self: Lake, zone: str, name: str, frames: pl.DataFrame, partition: str = WHOLE):
            return whole(self, zone, name, change(frames) if name == table else frames, partition)

        patch.setattr(Lake, "stage", stage)

    return plant


def committed(table: str, change: Change) -> Plant:
    """The step finds the altered table, as if the gates before had let it through."""

    def plant(home: Home, _: pytest.MonkeyPatch) -> None:
        zone = TABLES[table].zone
        manifest = home.lake.manifest(zone, table)
        assert manifest is not None
        altered = home.lake.stage(zone, table, change(home.lake.scan(zone, table).collect()))
        home.lake.commit(altered, code_version=manifest.code_version, fingerprint=manifest.fingerprint)

    return plant


def page(home: Home, _: pytest.MonkeyPatch) -> None:
    (home.data_docs / "more.html").write_text(f"<p>{COPIED}</p>")


def first(**values: pl.Expr) -> Change:
    """Other values in the first row."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        assert frame.height, "there is no row to alter"
        at = pl.int_range(pl.len()) == 0
        return frame.with_columns(
            pl.when(at).then(value.cast(frame.schema[name])).otherwise(name).alias(name)
            for name, value in values.items()
        )

    return change


def thin_map(frame: pl.DataFrame) -> pl.DataFrame:
    return first(users=pl.lit(9), conversations=pl.lit(14))(frame.filter(pl.col("zoom") == 0))


def withheld_week(frame: pl.DataFrame) -> pl.DataFrame:
    """One week more of a cluster than the release tells, with enough users and conversations."""
    told = frame.select("cluster_id", "week")
    clusters, weeks = frame.unique("cluster_id"), frame.unique("week").select("week", "week_conversations")
    missing = (
        clusters.drop("week", "week_conversations")
        .join(weeks, how="cross")
        .join(told, on=["cluster_id", "week"], how="anti")
    )
    share = pl.lit(15) / pl.col("week_conversations")
    row = missing.sort("cluster_id", "week").head(1).with_columns(
        users=pl.lit(12, pl.UInt32), conversations=pl.lit(15, pl.UInt32), share_of_week=share, ci_low=pl.lit(0.01), ci_high=pl.lit(0.9)
    )  # fmt: skip
    return pl.concat([frame, row.select(frame.columns)])


def spent(**values: object) -> Change:
    """A ledger of one charge, altered."""
    charge = {
        "release": 1,
        "mechanism": "m",
        "epsilon": 1.0,
        "delta": 0.0,
        "l0": 1,
        "linf": 1,
        "unit": "user",
    }
    row = {**charge, "epsilon_spent": 1.0, "delta_spent": 0.0, **values}
    return lambda frame: pl.DataFrame([row], schema=frame.schema)


def audited(auditor: str) -> Change:
    """An audit report of one layer."""
    row = {"layer": "requests", "rated": 60, "share_private": None, "ci_low": 0.0, "ci_high": 0.4}
    return lambda frame: pl.DataFrame([{**row, "auditor": auditor}], schema=frame.schema)


ONE = pl.lit(1)
WORDS = pl.lit(COPIED)
NO_LIMITS: Change = lambda frame: frame.filter(pl.col("scope") != "thresholds")  # noqa: E731
FAULTS: dict[str, tuple[str, str, Plant]] = {
    "a contrast of one user": ("release", "clusters/expectations", staged("language_contrasts", first(users=ONE))),
    "a copied summary": ("release", "clusters/no_leaks", staged("clusters", first(summary=WORDS))),
    "a week of one user": ("comparisons", "cluster_trends/expectations", staged("cluster_weeks", first(users=ONE))),
    "a contrast of one user's facets": ("comparisons", "cluster_trends/expectations", staged("facet_contrasts", first(users=ONE))),
    "a week that the release withholds": ("comparisons", "facet_contrasts/intervals", staged("cluster_weeks", withheld_week)),
    "an interval in all its digits": ("comparisons", "comparison_report/figures", staged("cluster_weeks", first(ci_low=pl.col("ci_low") * 0.98765))),
    "a copied figure": ("comparisons", "cluster_trends/no_leaks", staged("comparison_report", first(explanation=WORDS))),
    "no stated limits": ("cluster_lineage", "cluster_lineage/expectations", committed("privacy_report", NO_LIMITS)),
    "a copied name": ("cluster_lineage", "cluster_lineage/no_leaks", staged("cluster_lineage", first(name=WORDS))),
    "a thin tile": ("usage_map", "map_tiles/expectations", staged("map_tiles", thin_map)),
    "a copied id": ("usage_map", "map_tiles/no_leaks", staged("map_clusters", first(cluster_id=WORDS))),
    "a step of endless name": ("run_log", "run_log/expectations", staged("run_log", first(stage=pl.lit("x" * 999)))),
    "a copied step": ("run_log", "run_log/no_leaks", staged("run_log", first(stage=WORDS))),
    "an auditor of endless name": ("audit", "audit_report/expectations", staged("audit_report", audited("x" * 999))),
    "a copied auditor": ("audit", "audit_report/no_leaks", staged("audit_report", audited(COPIED))),
    "a charge that is not summed": ("privacy_ledger", "privacy_ledger/expectations", staged("privacy_ledger", spent(epsilon_spent=0.5))),
    "a copied mechanism": ("privacy_ledger", "privacy_ledger/no_leaks", staged("privacy_ledger", spent(mechanism=COPIED))),
    "a week that is no cell": ("warehouse", "published_tables/sql_checks", committed("cluster_weeks", first(users=pl.col("users") - 1))),
    "copied words in the DuckDB file": ("warehouse", "published_tables/no_leaks", committed("privacy_report", first(explanation=WORDS))),
    "copied words in the Data Docs": ("warehouse", "published_tables/no_leaks", page),
}  # fmt: skip
ELSEWHERE = {
    "conversations/quarantined_share": "test_gates.py: a file of broken lines",
    "cluster_cells/intervals": "test_gates.py: without complementary suppression",
    "facets/no_conversation_lost": "test_gates.py: a conversation without facets",
    "reading_faults/unread_share": "test_model_reader.py: a model that is down",
    "clusters/changes": "test_incremental.py: without holding small changes",
}


def test_every_gate_has_a_fault() -> None:
    checks = defs.resolve_asset_graph().asset_check_keys
    gates = {
        f"{key.asset_key.path[-1]}/{key.name}"
        for key in checks
        if key.name != "schema" and TABLES[key.asset_key.path[-1]].suite is None
    }
    assert {refused for _, refused, _ in FAULTS.values()} | set(ELSEWHERE) == gates


def due_again(home: Home, step: str) -> set[str]:
    """Make a step and all that follows from it stale, without touching their tables; returns their names."""
    due = {step}
    while (
        grown := {
            name
            for name, spec in SPECS.items()
            if spec.suite is None
            and {table for other in due for table in SPECS[other].outputs} & set(spec.inputs)
        }
        - due
    ):
        due |= grown
    for table in (table for name in due for table in SPECS[name].outputs):
        home.lake.relabel(table.zone, table.name, WHOLE, "due again")
    assert {name for run in plan_runs(list(SPECS.values()), home) for name in run.steps} == due
    return due


def hashes(home: Home) -> dict[str, str]:
    """Every manifest by its path, and the DuckDB file."""
    files = [*home.root.rglob("manifest.json"), home.warehouse]
    return {str(path.relative_to(home.root)): path.read_bytes().hex() for path in files}


def ran_since(home: Home, before: int) -> set[object]:
    return {entry["stage"] for entry in home.lake.finished_steps()[before:]}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_refused_by_its_gate_and_stops_what_follows(
    marked: Home, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, refused, plant = FAULTS[fault]
    due_again(marked, step)
    plant(marked, monkeypatch)
    before, journal = hashes(marked), len(marked.lake.finished_steps())
    with pytest.raises(ObservatoryError, match=f"refused by {refused}; nothing was committed") as refusal:
        running.materialise(marked)
    assert "Start small" not in str(refusal.value)
    assert ran_since(marked, journal) == set()
    assert hashes(marked) == before


def test_without_a_fault_the_step_and_what_follows_run(marked: Home) -> None:
    due = due_again(marked, "comparisons")
    journal = len(marked.lake.finished_steps())
    running.materialise(marked)
    assert ran_since(marked, journal) == due == {"comparisons", "run_log", "warehouse"}


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_a_table_that_breaks_its_schema_does_not_pass(
    ran: Path, tmp_path: Path, table: catalogue.Table
) -> None:
    batches = [batch.key for batch in Home(ran).batches()] if table.batched else [WHOLE]
    lake = Home(ran).lake
    made = table.suite is None
    rows = lake.scan(table.zone, table.name, batches[0]).collect() if made else table.empty()
    columns = table.schema.to_schema().columns
    given = next(name for name, column in columns.items() if not column.nullable)
    faults = [rows.with_columns(surplus=pl.lit(1))]
    if rows.height:
        faults.append(rows.with_columns(pl.lit(None, rows.schema[given]).alias(given)))
    lake = Lake(tmp_path)
    passed = [
        schema_outcome(table, lake.stage(table.zone, table.name, frame)).passed for frame in (rows, *faults)
    ]
    assert passed == [True, *(False for _ in faults)]
