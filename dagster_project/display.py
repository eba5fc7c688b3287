"""What the command line shows: progress of a run, its summary, query results."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dagster_project import progress, warehouse

if TYPE_CHECKING:
    from dagster_project.doctor import Finding
    from dagster_project.forgetting import Forgotten
    from dagster_project.home import Batch, Home
    from dagster_project.running import StepEvent

FORMATS = ("table", "csv", "json")
FORMULA_START = r"^[=+\-@\t\r]"
SHOWN_CLUSTERS = """
    SELECT * FROM (SELECT *, row_number() OVER () AS place FROM cluster_tree WHERE depth <= 1)
    QUALIFY depth = 0 OR row_number() OVER (PARTITION BY parent_id ORDER BY place) <= 4
    ORDER BY place
"""
WITHHELD_CLUSTERS = """
    SELECT level, clusters_considered AS found, clusters_published AS published, others_published AS "named Other",
        clusters_withheld AS withheld, conversations_unnamed AS "unnamed conversations", share_unnamed AS share
    FROM suppression_summary
"""
WITHHELD_CELLS = """
    SELECT replace(scope, 'dimension ', '') AS cells, max(value) FILTER (measure = 'cells_considered') AS considered,
        max(value) FILTER (measure = 'cells_published') AS published, max(value) FILTER (measure = 'cells_withheld') AS withheld
    FROM privacy_report WHERE scope LIKE 'dimension %' GROUP BY scope ORDER BY scope
"""
WITHHELD_RELEASE = (
    "The published tables of counts are empty: the last release counted who was forgotten, and the privacy budget has no release "
    "left to count the others. To publish again, raise dp_budget_epsilon and dp_budget_delta in settings.json, which "
    "weakens the promise, and run `observatory run` with any file of this home as it was added before."
)

console = Console()


def show_batches(added: Sequence[tuple[Batch, bool]]) -> None:
    """Say which files became new batches and which were there already."""
    for batch, new in added:
        state = "new batch" if new else "already added, nothing to read"
        console.print(f"{escape(Path(batch.path).name)}: {state} [dim]{batch.key} ({batch.format})[/]")


@contextmanager
def watching() -> Iterator[Callable[[StepEvent], None]]:
    """Show a line per asset step: its progress while it runs, rows and seconds when it is done."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description:<24}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[state]:>22}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def on_event(event: StepEvent) -> None:
            if event.kind == "start":
                label = (
                    event.step if event.run.batch is None else f"{event.step} [dim]{event.run.batch[-10:]}[/]"
                )
                tasks[event.step] = bars.add_task(label, total=None, state="")
                return
            task = tasks.get(event.step)
            if task is None:
                return
            state = f"{event.rows:,} rows" if event.kind == "done" and event.rows is not None else event.kind
            bars.update(task, total=1, completed=1, state=state)
            bars.stop_task(task)

        def on_progress(stage: str, done: int, total: int | None) -> None:
            if stage in tasks:
                state = f"{done:,}" + (f" / {total:,}" if total else "")
                bars.update(tasks[stage], completed=done, total=total, state=state)

        with progress.listening(on_progress):
            yield on_event


def own_command(home: Home) -> tuple[str, str]:
    """How this program is called, and the option that names the home where it is not the default one."""
    default = home.root == Path("observatory-home").resolve()
    option = "" if default else f" --home {shlex.quote(str(home.root))}"
    return ("observatory" if Path(sys.argv[0]).name != "observatory" else shlex.quote(sys.argv[0])), option


def show_summary(home: Home, *, did_something: bool, withheld: bool) -> None:
    """The picture of use: clusters, what was suppressed, where the file is, what to do next."""
    from dagster_project.unread import unread_notes

    if not did_something:
        console.print("Nothing to do: every table is up to date.")
    if withheld:
        console.print(WITHHELD_RELEASE)
    for note in unread_notes(home):
        console.print(note, style="yellow", markup=False, soft_wrap=True)
    tree = warehouse.query(home.warehouse, SHOWN_CLUSTERS)
    console.print(_cluster_table(tree))
    console.print(_frame_table(warehouse.query(home.warehouse, WITHHELD_CLUSTERS), title="Clusters withheld"))
    console.print(_frame_table(warehouse.query(home.warehouse, WITHHELD_CELLS), title="Cells withheld"))
    console.print(f"Warehouse: {home.warehouse}", soft_wrap=True)
    command, option = own_command(home)
    next_query = '"SELECT * FROM top_clusters"'
    console.print(f"Next: {command} sql {next_query}{option}", markup=False, soft_wrap=True)
    console.print(f"      {command} ui{option}", markup=False, soft_wrap=True)


def show_spending(spent: Mapping[str, Any]) -> None:
    """What a run spent on language models; nothing where it had none."""
    if not spent:
        return
    cost = "no price is set" if spent["cost"] is None else f"{spent['cost']:,.4f} USD"
    console.print(
        f"Models: {spent['model_calls']:,} calls, {spent['cached_calls']:,} answers known before, "
        f"{spent['input_tokens']:,} tokens read and {spent['output_tokens']:,} written, {cost}"
    )


def show_estimate(report: Mapping[str, Any], json_file: Path | None) -> None:
    """What a run would ask of models: a line per stage, the likely figure and the ends around it, then what is assumed."""
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    table = Table()
    for column in ("stage", "calls", "tokens read", "tokens written", "USD", "time"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for row in (*report["stages"], report["total"]):
        figures = [_ends(row[name], ",.0f") for name in ("calls", "input_tokens", "output_tokens")]
        table.add_row(
            row["stage"], *figures, _ends(row["money"], ",.2f"), _ends(row["seconds"], ",.0f", " s")
        )
    counts = report["conversations"]
    console.print(f"{counts['new']:,} new conversations, {counts['in_the_release']:,} in the release")
    console.print(table)
    for assumption in report["assumptions"]:
        console.print(f"- {assumption}", markup=False)


def _ends(value: Mapping[str, float] | None, form: str, unit: str = "") -> str:
    if value is None:
        return "unknown"
    return f"{value['likely']:{form}}{unit} ({value['low']:{form}} to {value['high']:{form}})"


def show_forgotten(outcome: Forgotten, inside: Sequence[Path]) -> None:
    """What an erasure did, and which files still hold the data: the home cannot clean what lies outside it."""
    if outcome.unknown:
        console.print(
            f"Of {outcome.unknown} of {outcome.asked} ids nothing is held; they will not be read either."
        )
    if outcome.sources:
        console.print(
            f"Forgotten: {outcome.conversations:,} conversations in {len(outcome.sources)} batches. "
            + _released(outcome)
        )
        console.print("These source files still hold the data, and so may copies and later exports of them:")
        for batch in outcome.sources:
            place = (
                "inside the home; --delete-inbox-files deletes it"
                if Path(batch.path) in inside
                else "outside the home"
            )
            console.print(f"  {escape(batch.key)}: {escape(batch.path)} ({place})", soft_wrap=True)
    for batch in outcome.unreadable:
        console.print(
            f"Batch {escape(batch.key)} is counted by conversation and its file cannot be asked for its users: "
            "forget its conversations by id (--conversation).",
            soft_wrap=True,
        )


def _released(outcome: Forgotten) -> str:
    if outcome.withheld:
        return WITHHELD_RELEASE
    return "The release was made again." if outcome.published else "Nobody is left: nothing is published."


def _cluster_table(tree: pl.DataFrame) -> Table:
    table = Table(title="Clusters: the top level and the largest below", title_justify="left")
    for column, justify in (
        ("cluster", "left"),
        ("users", "right"),
        ("conversations", "right"),
        ("share", "right"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for row in tree.iter_rows(named=True):
        name = "  " * row["depth"] + escape(row["name"])
        table.add_row(name, f"{row['users']:,}", f"{row['conversations']:,}", f"{row['share']:.1%}")
    return table


def _frame_table(frame: pl.DataFrame, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left")
    for name, dtype in frame.schema.items():
        table.add_column(name, justify="right" if dtype.is_numeric() else "left")
    for row in frame.iter_rows():
        table.add_row(*(_cell(value) for value in row))
    return table


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() or abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else escape(str(value))


def show_frame(frame: pl.DataFrame, output: str) -> None:
    """Print a query's result as a table, as CSV (text cells that a spreadsheet would run are quoted) or as JSON."""
    if output == "json":
        console.out(frame.write_json(), highlight=False)
    elif output == "csv":
        console.out(_defused(_flat(frame)).write_csv(), end="", highlight=False)
    else:
        console.print(_frame_table(frame))


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Nested values as JSON text, since CSV has no lists."""
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    texts = [
        pl.Series(name, [json.dumps(value, default=str) for value in frame[name].to_list()])
        for name in nested
    ]
    return frame.with_columns(texts)


def _defused(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(
        pl.when(pl.col(name).str.contains(FORMULA_START))
        .then("'" + pl.col(name))
        .otherwise(pl.col(name))
        .alias(name)
        for name, dtype in frame.schema.items()
        if dtype == pl.String
    )


def show_reconstruction(report: Mapping[str, Any]) -> None:
    """The report of `observatory evaluate-clio`: who made the clusters, accuracy by group, agreement by level, what falls short."""
    makers = ", ".join(f"{part} {report[part]}" for part in ("reader", "embedder", "namer") if report[part])
    console.print(f"{report['conversations']:,} conversations, {report['topics']} topics: {escape(makers)}")
    figures = pl.DataFrame(report["figures"], infer_schema_length=None)
    for level in report["levels"]:
        table = _accuracy_table(figures.filter(pl.col("level") == level["level"]), level["meaning"])
        console.print(table)
        console.print(
            f"{level['clusters']} clusters against {level['groups']} groups: NMI {level['nmi']:.3f}, "
            f"ARI {level['ari']:.3f}, macro-F1 {level['macro_f1']:.3f}"
        )
        below = figures.filter((pl.col("level") == level["level"]) & pl.col("below"))["group"].to_list()
        found = ", ".join(below) if below else "none"
        console.print(f"Languages significantly below the whole (Holm, 5 %): {found}")


def _accuracy_table(figures: pl.DataFrame, title: str) -> Table:
    table = Table(title=title[0].upper() + title[1:], title_justify="left")
    for column in ("group", "rows", "accuracy", "low", "high", "1/n", "commonest", ""):
        table.add_column(column, justify="left" if column in ("group", "") else "right")
    for row in figures.iter_rows(named=True):
        table.add_row(
            row["group"],
            f"{row['conversations']:,}",
            f"{row['accuracy']:.3f}",
            f"{row['low']:.3f}",
            f"{row['high']:.3f}",
            f"{row['chance_even']:.3f}",
            f"{row['chance_commonest']:.3f}",
            "below" if row["below"] else "",
        )
    return table


def show_findings(findings: Sequence[Finding]) -> None:
    """One line per finding of `observatory doctor`."""
    table = Table(show_header=False, box=None)
    for finding in findings:
        mark = "[green]ok[/]" if finding.ok else "[red]wrong[/]"
        table.add_row(mark, escape(finding.subject), escape(finding.detail))
    console.print(table)
