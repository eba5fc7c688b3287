"""`observatory`: the command line."""

from __future__ import annotations

import gc
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dagster_project import choices, evaluation_commands, exporting_commands
from dagster_project.errors import ObservatoryError, kind_and_place
from dagster_project.settings import silence_telemetry

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

# Loading the libraries makes a million objects that live on; looking through them at the usual pace is a tenth of a run.
OBJECTS_BETWEEN_COLLECTIONS = 50_000


class BenchmarkSuite(StrEnum):
    """What `observatory bench` measures."""

    PIPELINE = "pipeline"
    LANGUAGE_MODELS = "language-models"


def main() -> None:
    """Entry point: silences telemetry, keeps new files private, and prints errors a person can act on."""
    silence_telemetry()
    os.umask(0o077)
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    try:
        app()
    except ObservatoryError as error:
        message = str(error)
    except Exception as error:
        # Its own words, and the lines of a traceback, may quote what was being read.
        message = f"unexpected {kind_and_place(error)}"
    else:
        return
    typer.secho(f"observatory: {message}", err=True, fg=typer.colors.RED)
    sys.exit(1)


@app.command()
def run(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Conversation files: JSONL, JSON, CSV, Parquet, text; .gz, .zst; zipped exports."
        ),
    ],
    home: choices.HomeOption = choices.DEFAULT_HOME,
    format_name: choices.FormatOption = None,
    privacy_unit: choices.UnitOption = "user",
    clusters: choices.ClustersOption = None,
    mapping: choices.ColumnsOption = None,
    canaries: Annotated[
        Path | None, typer.Option(help="File of planted strings that must never be published.")
    ] = None,
    min_users: Annotated[
        int | None, typer.Option(help="Users a published cluster or cell needs (floor 5).")
    ] = None,
    min_conversations: Annotated[int | None, typer.Option(help="Conversations it needs (floor 5).")] = None,
    facets: choices.FacetsOption = None,
    screener: choices.ScreenerOption = None,
    reader: choices.ModelOption = None,
    namer: choices.ModelOption = None,
    auditor: choices.ModelOption = None,
    budget: choices.BudgetOption = None,
) -> None:
    """Add files as batches and bring every table up to date; a second time there is nothing to do."""
    from dagster_project import display, forgetting, running, spending
    from dagster_project.home import Home

    roles = choices.chosen_models(reader=reader, namer=namer, auditor=auditor)
    limits = choices.chosen_limits(budget)
    opened = Home(home)
    with running.only_run(opened):
        forgetting.erase_pending(opened)
        settings = choices.chosen_settings(
            opened,
            roles,
            facets=facets,
            screener=screener,
            clusters=clusters,
            min_users=min_users,
            min_conversations=min_conversations,
        )
        spending.require_prices(settings, limits)
        if canaries is not None:
            opened.add_canaries(canaries)
        added = running.add_files(
            opened,
            files,
            format_name=format_name,
            privacy_unit=privacy_unit,
            mapping=choices.chosen_columns(mapping or []),
        )
        opened.store_settings(settings)
        display.show_batches(added)
        with display.watching() as on_event:
            made = running.bring_up_to_date(opened, on_event, limits)
        forgetting.settle(opened)
    if opened.warehouse.exists():
        withheld = forgetting.release_withheld(opened)
        display.show_summary(opened, did_something=bool(made.runs), withheld=withheld)
    display.show_spending(made.spent)
    _tell(made.refusals)


@app.command()
def estimate(
    files: Annotated[list[Path], typer.Argument(help="Conversation files, as for `run`.")],
    home: choices.HomeOption = choices.DEFAULT_HOME,
    format_name: choices.FormatOption = None,
    privacy_unit: choices.UnitOption = "user",
    mapping: choices.ColumnsOption = None,
    clusters: choices.ClustersOption = None,
    facets: choices.FacetsOption = None,
    screener: choices.ScreenerOption = None,
    reader: choices.ModelOption = None,
    namer: choices.ModelOption = None,
    auditor: choices.ModelOption = None,
    json_file: choices.JsonOption = None,
) -> None:
    """Say what `run` with these options would ask of language models and what that costs.

    Asks nothing of any server and stores nothing.
    """
    from dagster_project import display, estimating
    from dagster_project.home import Home

    opened = Home(home) if home.is_dir() else None
    roles = choices.chosen_models(reader=reader, namer=namer, auditor=auditor)
    settings = choices.chosen_settings(opened, roles, facets=facets, screener=screener, clusters=clusters)
    pairs = choices.chosen_columns(mapping or [])
    report = estimating.estimate(
        files, settings, home=opened, format_name=format_name, privacy_unit=privacy_unit, mapping=pairs
    )
    display.show_estimate(report, json_file)


@app.command()
def forget(
    user: Annotated[list[str] | None, typer.Option(help="Id of a user as in the files (repeatable).")] = None,
    users_file: Annotated[
        Path | None, typer.Option(help="File of user ids, one a line: keeps them out of the shell's history.")
    ] = None,
    conversation: Annotated[
        list[str] | None,
        typer.Option(help="Id of a conversation (repeatable), where conversations are counted."),
    ] = None,
    home: choices.HomeOption = choices.DEFAULT_HOME,
    delete_inbox_files: Annotated[
        bool, typer.Option(help="Also delete the files in the home's inbox that hold them.")
    ] = False,
    budget: choices.BudgetOption = None,
) -> None:
    """Take people out of every table, file and log of the home, keep them out, and publish the rest anew."""
    from dagster_project import display, forgetting, running

    opened = choices.existing_home(home)
    users = [*(user or []), *(choices.lines_of(users_file) if users_file else [])]
    limits = choices.chosen_limits(budget)
    with running.only_run(opened), display.watching() as on_event:
        outcome = forgetting.forget(opened, users, conversation or [], on_event, limits)
    inside = forgetting.inbox_files(opened, outcome.sources)
    for path in inside if delete_inbox_files else ():
        path.unlink()
    display.show_forgotten(outcome, [path for path in inside if path.exists()])
    display.show_spending(outcome.spent)
    _tell(outcome.refusals)


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="One SQL statement over the published tables.")],
    home: choices.HomeOption = choices.DEFAULT_HOME,
    output: Annotated[str, typer.Option(help="table, csv or json.")] = "table",
) -> None:
    """Ask the published tables; read-only, without access to files, network or extensions."""
    from dagster_project import display, warehouse

    if output not in display.FORMATS:
        raise ObservatoryError(f"--output is one of {', '.join(display.FORMATS)}")
    display.show_frame(warehouse.query(home / "observatory.duckdb", statement), output)


@app.command()
def sample(
    conversations: Annotated[int, typer.Option(min=1, help="How many conversations.")],
    out: Annotated[Path, typer.Option(help="JSONL file to write; canaries go beside it.")],
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
) -> None:
    """Write multilingual synthetic conversations with known topics and planted canaries."""
    from dagster_project.sample.generate import write_sample

    summary = write_sample(out, conversations, seed)
    typer.echo(
        f"{summary.conversations:,} conversations by {summary.users:,} users, {len(summary.languages)} languages, "
        f"{len(summary.subtopics)} topics: {summary.path}\n"
        f"{summary.canaries:,} planted canaries: {summary.canaries_path}"
    )


@app.command()
def bench(
    suite: Annotated[
        BenchmarkSuite,
        typer.Option(help="The pipeline, or the client of language models against a local server."),
    ] = BenchmarkSuite.PIPELINE,
    json_file: choices.JsonOption = None,
    rows: Annotated[
        int | None,
        typer.Option(
            min=100, help="Conversations to run on (100,000 without), or requests (10,000 without)."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the pipeline's sample.")] = 1,
) -> None:
    """Measure: rows, seconds, memory and the floor of each stage, or requests a second over a server's ceiling."""
    from dagster_project import bench as benchmark
    from dagster_project import display

    if suite is BenchmarkSuite.LANGUAGE_MODELS:
        frame = benchmark.run_language_models(rows or 10_000, json_file)
    else:
        frame = benchmark.run_benchmark(rows or 100_000, json_file, seed)
    display.show_frame(frame, "table")


@app.command()
def evaluate_clio(
    conversations: Annotated[int, typer.Option(min=100, help="Conversations of the sample.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample and of the clustering.")] = 7,
    json_file: choices.JsonOption = None,
    home: Annotated[
        Path | None, typer.Option("--home", help="Folder to keep; a temporary one without it.")
    ] = None,
    reader: choices.ModelOption = None,
    namer: choices.ModelOption = None,
    auditor: choices.ModelOption = None,
) -> None:
    """Run the pipeline on a sample with known topics and report how many conversations land in the right one."""
    from dagster_project import display
    from dagster_project.reconstruction import run_reconstruction

    roles = choices.chosen_models(reader=reader, namer=namer, auditor=auditor)
    display.show_reconstruction(run_reconstruction(conversations, seed, json_file, home, roles))


app.command()(evaluation_commands.evaluate)
app.command()(evaluation_commands.score)
app.command()(evaluation_commands.remove)
app.command()(exporting_commands.export)


@app.command()
def doctor(home: choices.HomeOption = choices.DEFAULT_HOME) -> None:
    """Check versions, device, telemetry switches, permissions and what is configured; fails when something is wrong."""
    from dagster_project import display
    from dagster_project.doctor import examine

    findings = examine(home)
    display.show_findings(findings)
    if any(not finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def ui(
    home: choices.HomeOption = choices.DEFAULT_HOME,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 3000,
) -> None:
    """Serve Dagster's pages for this home on 127.0.0.1."""
    from dagster_project.home import Home

    Home(home).use_as_dagster_home()
    command = [sys.executable, "-m", "dagster", "dev", "-m", "dagster_project.definitions"]
    os.execv(sys.executable, [*command, "--host", "127.0.0.1", "--port", str(port)])  # noqa: S606 fixed program, no shell


def _tell(refusals: list[str]) -> None:
    """Fail, once everything else is done, where a batch was refused."""
    if refusals:
        raise ObservatoryError(" ".join(refusals))


if __name__ == "__main__":
    main()
