"""What the command line shows of evaluations: what was asked, what came of it, and where to read on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from rich.markup import escape
from rich.table import Table

from dagster_project import warehouse
from dagster_project.display import console, own_command
from schemas.catalogue import SUITE_TABLES

if TYPE_CHECKING:
    from dagster_project.home import Home

SUMMARY = "SELECT * FROM evaluation_summary"
LOST = ("refused", "unparseable", "faults", "unasked")
COLUMNS = ("suite", "subject", "items", "answered", "lost", "low mass", "usage covered")


def show_left_out(home: Home, suite: str, file: Path, subjects: Sequence[str]) -> None:
    """Rows of a file of answers that are not scored, where there are any: of items that are not there, or repeated."""
    from assets.evaluation.supplied import answers_of, read_supplied

    table = SUITE_TABLES[suite].items
    items, rows = home.lake.scan(table.zone, table.name).collect(), read_supplied(file)
    for subject in subjects:
        given = answers_of(rows, items, subject)
        if given.unknown or given.repeated:
            console.print(
                f"{escape(subject)}: {given.unknown:,} answers to items that the suite does not have, "
                f"{given.repeated:,} repeated; neither is scored"
            )


def show_evaluations(home: Home, suites: Sequence[str], *, did_something: bool) -> None:
    """One line per suite and subject, with what was refused or not understood, and the next query."""
    if not did_something:
        console.print("Nothing to do: every evaluation is up to date.")
    shown = warehouse.query(home.warehouse, SUMMARY).filter(pl.col("suite").is_in(list(suites)))
    table = Table(title="Evaluations", title_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in COLUMNS[:2] else "right", overflow="fold")
    for row in shown.iter_rows(named=True):
        lost = sum(row[name] for name in LOST)
        covered = "unknown" if row["usage_covered"] is None else f"{row['usage_covered']:.0%}"
        counts = (row["items"], row["answered"], lost, row["low_mass"])
        table.add_row(escape(row["suite"]), escape(row["subject"]), *(f"{n:,}" for n in counts), covered)
    console.print(table)
    if shown.is_empty():
        console.print("No subject has answered yet: name one with --subject, or score answers with `score`.")
    console.print("lost: refused, unparseable, faults or never asked; evaluation_summary tells them apart")
    command, option = own_command(home)
    next_query = '"SELECT * FROM eval_metrics"'
    console.print(f"Next: {command} sql {next_query}{option}", markup=False, soft_wrap=True)
