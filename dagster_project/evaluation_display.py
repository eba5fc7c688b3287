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
from schemas.evaluation import LOST

if TYPE_CHECKING:
    from assets.evaluation.suite import Study
    from dagster_project.home import Home
    from dagster_project.removing import Removed

SUMMARY = "SELECT * FROM evaluation_summary"
LOSSES = "SELECT * FROM eval_losses"
LOST_COUNTS = ("refused", "unparseable", "faults", "unasked")
COLUMNS = ("suite", "subject", "items", "answered", "lost", "low mass", "usage covered")


def show_studies(studies: Sequence[Study], *, did_something: bool) -> None:
    """Where to read what each study found."""
    for study in studies:
        if not did_something:
            console.print(f"Nothing to do: {study.name} is up to date.")
        console.print(f"{study.name}: read {', '.join(study.shows)} with `observatory sql`", markup=False)


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


def show_removed(gone: Removed) -> None:
    """What went, and what stays of it."""
    for kind, names in (("subject", gone.subjects), ("suite", gone.suites)):
        if names:
            console.print(f"removed {kind}: {', '.join(names)}", markup=False)
    console.print(
        f"{gone.answers:,} answers are gone, and every figure made of them; the rest is published anew"
    )
    kept = (
        f"emptied: {gone.calls:,} answers" if gone.calls else "kept: evaluating again asks only what it lacks"
    )
    console.print(f"cache of models' answers {kept}", markup=False)


def show_evaluations(home: Home, suites: Sequence[str], *, did_something: bool) -> None:
    """One line per suite and subject, with what was refused or not understood, and the next query."""
    if not did_something:
        console.print("Nothing to do: every evaluation is up to date.")
    shown = warehouse.query(home.warehouse, SUMMARY).filter(pl.col("suite").is_in(list(suites)))
    table = Table(title="Evaluations", title_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in COLUMNS[:2] else "right", overflow="fold")
    for row in shown.iter_rows(named=True):
        lost = sum(row[name] for name in LOST_COUNTS)
        shares = [_percent(row[name]) for name in ("usage_covered", "usage_covered_with_drafted")]
        covered = "{} ({})".format(*shares)
        counts = (row["items"], row["answered"], lost, row["low_mass"])
        table.add_row(escape(row["suite"]), escape(row["subject"]), *(f"{n:,}" for n in counts), covered)
    console.print(table)
    if shown.is_empty():
        console.print("No subject has answered yet: name one with --subject, or score answers with `score`.")
    _show_losses(home, suites)
    console.print("usage covered: by items not drafted from usage (in brackets: with those that were)")
    command, option = own_command(home)
    next_query = '"SELECT * FROM eval_metrics"'
    console.print(f"Next: {command} sql {next_query}{option}", markup=False, soft_wrap=True)


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.0%}"


def _show_losses(home: Home, suites: Sequence[str]) -> None:
    """Why answers cannot be scored: a line for each suite and subject of which any are lost; eval_losses says it by part."""
    every = warehouse.query(home.warehouse, LOSSES).filter(pl.col("suite").is_in(list(suites)))
    shown = every.group_by("suite", "subject", "reason").agg(pl.col("answers").sum())
    shown = shown.sort("suite", "subject", "answers", "reason", descending=[False, False, True, False])
    for (suite, subject), rows in shown.group_by("suite", "subject", maintain_order=True):
        told = ", ".join(
            f"{LOST[reason]} {n:,}" for reason, n in rows.select("reason", "answers").iter_rows()
        )
        console.print(f"{suite}, {subject}: lost: {told}", markup=False)
