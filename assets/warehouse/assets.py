"""The log of runs and the DuckDB file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

import sql
from dagster_project import warehouse as duckdb_file
from dagster_project.checks import GateSpec, Outcome
from dagster_project.lake import StagedTable
from dagster_project.leak_gate import event_logs, find_leaks, lone_table_gates
from dagster_project.steps import Result, Step, table_step
from schemas.catalogue import PUBLISHED, PUBLISHED_TABLES, RUN_LOG, Table
from schemas.runs import SPENDING

JOURNAL = {
    "run_id": pl.String,
    "stage": pl.String,
    "batch": pl.String,
    "rows_in": pl.UInt64,
    "rows_out": pl.UInt64,
    "seconds": pl.Float64,
    "finished_at": pl.String,
    "code_version": pl.String,
    "peak_memory_mb": pl.Float64,
    **dict.fromkeys(SPENDING, pl.UInt64),
    "cost": pl.Float64,
    "stopped": pl.Boolean,
}
# Of spending, and of rows where they are rounded, no more is told than this many digits, and no single ones.
DIGITS, UNIT = 2, 10
READING = "facets"
STOPPED = "stopped before its end, what was answered is kept; "
RELEASED = [table for table in PUBLISHED if table != RUN_LOG]


@table_step(
    outputs=[RUN_LOG],
    inputs=RELEASED,
    version="4",
    group="warehouse",
    settings=("dp_epsilon", "min_conversations"),
    gates=lone_table_gates(RUN_LOG),
)
def run_log(step: Step, **released: pl.LazyFrame) -> Result:
    """Publishes what ran so far: each finished step with its rows, seconds, code version and what models cost it.

    Empty where counts are noisy: the rows that a step read are exact counts.
    """
    del released  # an order, not data
    ordinals = {batch.key: f"batch {batch.ordinal}" for batch in step.home.batches()}
    log = log_of(step.lake.finished_steps(), ordinals, step.settings.min_conversations)
    log = log if step.settings.dp_epsilon is None else log.clear()
    return Result({RUN_LOG.name: log}, rows_in=log.height)


def log_of(entries: Sequence[Mapping[str, object]], ordinals: Mapping[str, str], fewest: int) -> pl.DataFrame:
    """The log of runs (schemas.runs.RunLog) from the journal's entries, with the batches' names by key.

    fewest: rows or answers that have to stand behind what is told of a step's spending.
    """
    return pl.DataFrame(entries, schema=JOURNAL).select(
        "run_id",
        "stage",
        pl.col("batch").replace_strict(ordinals, default=None, return_dtype=pl.String),
        *_rows(),
        "seconds",
        *_spending(fewest),
        pl.col("finished_at").str.to_datetime("%+", time_unit="us", time_zone="UTC"),
        "code_version",
        note=pl.format(
            "{}peak memory {} MiB",
            pl.when("stopped").then(pl.lit(STOPPED)).otherwise(pl.lit("")),
            pl.col("peak_memory_mb").round(0).cast(pl.Int64),
        ),
    )


def _rows() -> list[pl.Expr]:
    """Rows as they are published: rounded in all steps once a model has left conversations unread.

    The difference between two steps, or within one, would tell how many those were.
    """
    partly = ((pl.col("stage") == READING) & (pl.col("rows_in") != pl.col("rows_out"))).any()
    return [
        pl.when(partly).then(_rounded(name)).otherwise(name).alias(name) for name in ("rows_in", "rows_out")
    ]


def _rounded(name: str) -> pl.Expr:
    return (pl.col(name).cast(pl.Float64).round_sig_figs(DIGITS) / UNIT).round().cast(pl.UInt64) * UNIT


def _spending(fewest: int) -> list[pl.Expr]:
    """Spending as it is published: rounded, and only of steps that read or asked about enough.

    Exact tokens of a small batch would tell how long one conversation is, and exact answers from the cache whether
    somebody wrote the same before.
    """
    answers = pl.sum_horizontal("model_calls", "cached_calls")
    told = pl.max_horizontal("rows_in", answers) >= fewest
    shown = [*map(_rounded, SPENDING), pl.col("cost").round_sig_figs(DIGITS)]
    return [pl.when(told).then(column) for column in shown]


def served_file_is_sound(step: Step, staged: Mapping[str, StagedTable], result: Any) -> list[Outcome]:
    """Every SQL check of `sql/checks` returns no row."""
    failures = {name: rows for name, rows in result.metadata["sql_checks"].items() if rows}
    return [Outcome(PUBLISHED_TABLES.name, "sql_checks", not failures, {"failing_rows": failures})]


def nothing_leaks(step: Step, staged: Mapping[str, StagedTable], _: Any) -> list[Outcome]:
    """Search the new DuckDB file, the Data Docs and Dagster's event log."""
    served = _aside(step)
    pages = sorted(path for path in step.home.data_docs.rglob("*") if path.is_file())
    found = find_leaks(step.home, [served, *pages, *event_logs(step.home)], strict=[served])
    return [Outcome(PUBLISHED_TABLES.name, "no_leaks", not found, {"leaks": found})]


WAREHOUSE_GATES = (
    GateSpec(
        served_file_is_sound,
        ((PUBLISHED_TABLES.name, "sql_checks"),),
        "The queries of sql/checks return no row.",
    ),
    GateSpec(
        nothing_leaks,
        ((PUBLISHED_TABLES.name, "no_leaks"),),
        "No canary, identifier or copied text in the DuckDB file, the Data Docs or Dagster's event log.",
    ),
)


@table_step(
    outputs=[PUBLISHED_TABLES],
    inputs=[*RELEASED, RUN_LOG],
    version="2",
    group="warehouse",
    gates=WAREHOUSE_GATES,
    kinds=("duckdb", "sql"),
)
def warehouse(step: Step, **published: pl.LazyFrame) -> Result:
    """Builds the DuckDB file aside from the published tables and puts it in the place of the old one."""
    files = {table: _file(step, table) for table in PUBLISHED}
    failures = duckdb_file.build(
        _aside(step), files, sql.view_statements(), sql.comment_statements(), sql.check_statements()
    )
    inventory = pl.DataFrame(
        [_inventory_row(step, table) for table in PUBLISHED],
        schema={
            "table_name": pl.String,
            "rows": pl.UInt64,
            "columns": pl.UInt32,
            "sha256": pl.String,
            "description": pl.String,
        },
        orient="row",
    )
    return Result(
        {PUBLISHED_TABLES.name: inventory},
        rows_in=sum(inventory["rows"]),
        metadata={"sql_checks": failures},
        on_commit=lambda: _serve(step),
    )


def _inventory_row(step: Step, table: Table) -> tuple[str, int, int, str, str]:
    manifest = step.lake.manifest(table.zone, table.name)
    if manifest is None:
        return table.name, 0, table.empty().width, hashlib.sha256(b"").hexdigest(), table.description
    return table.name, manifest.rows, len(manifest.columns), manifest.sha256, table.description


def _file(step: Step, table: Table) -> Path | None:
    """The table's verified file; None for a table of evaluations that nobody has made."""
    made = table.suite is None or step.lake.manifest(table.zone, table.name) is not None
    return step.lake.path(table.zone, table.name) if made else None


def _aside(step: Step) -> Path:
    return step.home.warehouse.with_name(f".{step.home.warehouse.name}.next")


def _serve(step: Step) -> None:
    aside = _aside(step)
    aside.chmod(0o600)
    aside.replace(step.home.warehouse)
