"""What lies around the tables: leftovers of killed runs, error reports, the journal, and the release that was served."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from pathlib import Path

import polars as pl

from dagster_project.erasure.survey import catalogued, personal_tables
from dagster_project.errors import ObservatoryError
from dagster_project.files import write_private
from dagster_project.home import Home
from dagster_project.lake import WHOLE
from dagster_project.settings import Settings
from dagster_project.spending import NOTHING
from dagster_project.text_windows import drop_strays
from schemas.catalogue import (
    CLUSTERS,
    CONVERSATIONS,
    OPINION_GROUPS,
    OPINION_MAP,
    STATEMENT_GROUPS,
    USAGE_SEEDS,
    Table,
)

NOISY = "dp"
"""In the column `counts` of the published clusters."""
OPINIONS = ((OPINION_GROUPS, "participants"), (OPINION_MAP, "participants"), (STATEMENT_GROUPS, "voters"))
"""Tables of opinions, each with its count of people."""


def withdraw_release(home: Home) -> None:
    """Take the served file and the Data Docs away: they count whom the next release no longer counts."""
    for path in home.root.glob(f"*{home.warehouse.name}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for folder in home.published.glob(f"*{home.data_docs.name}*"):
        shutil.rmtree(folder)


def retract_evaluations(home: Home) -> None:
    """Remove the tables of evaluations: they name and weigh clusters as the release before showed them.

    What models answered stays in the call cache, so making them again asks only about clusters that changed.
    """
    for table in catalogued():
        folder = home.root / table.zone / table.name
        if table.suite is not None and folder.exists():
            shutil.rmtree(folder)
    if home.constitutions.exists():
        shutil.rmtree(home.constitutions)


def retract_outgrown_evaluations(home: Home, settings: Settings) -> None:
    """Remove evaluations that show what the present settings do not allow to be published.

    That is: the names of clusters, and opinions, of too few under the present limits; under noisy counts, exact ones.
    """
    if _outgrown_opinions(home, settings):
        retract_evaluations(home)
        return
    seeds = home.lake.last(USAGE_SEEDS.zone, USAGE_SEEDS.name)
    if seeds is None:
        return
    few = (pl.col("users") < settings.min_users) | (pl.col("conversations") < settings.min_conversations)
    small = settings.dp_epsilon is None and seeds.select(few.any()).item()
    if small or (settings.dp_epsilon is not None and _exact(home)):
        retract_evaluations(home)


def _outgrown_opinions(home: Home, settings: Settings) -> bool:
    """Whether opinions are told of too few people now, or by exact counts where only noisy ones may be."""
    for table, column in OPINIONS:
        rows = home.lake.last(table.zone, table.name)
        if rows is not None and (
            (rows.height and settings.dp_epsilon) or rows.filter(pl.col(column) < settings.min_users).height
        ):
            return True
    return False


def _exact(home: Home) -> bool:
    """Whether the clusters that evaluations are drafted from were counted without noise, as far as is known."""
    clusters = home.lake.last(CLUSTERS.zone, CLUSTERS.name)
    return clusters is None or bool((clusters["counts"] != NOISY).any())


def retract_everything(home: Home) -> None:
    """Remove every table over all batches, where no conversation is left to make any of."""
    for table in catalogued():
        if not table.batched:
            home.lake.remove(table.zone, table.name, WHOLE)


def clear_leftovers(home: Home) -> None:
    """Remove error reports, temporary files and whatever lies in the lake that no manifest lists."""
    shutil.rmtree(home.restricted / "errors", ignore_errors=True)
    shutil.rmtree(home.scratch, ignore_errors=True)
    drop_strays(home)
    for folder in (home.restricted, home.published, home.dagster):
        for temporary in folder.rglob(".*.tmp"):
            temporary.unlink()
    keys = {batch.key for batch in home.batches()}
    for table in catalogued():
        for folder in (home.root / table.zone / table.name).glob("*/"):
            # A refused batch is no longer registered; its quarantine stays, and holds nobody.
            if table in personal_tables(batched=True) and folder.name not in keys:
                shutil.rmtree(folder)
            else:
                _clear_folder(home, table, folder)


def _clear_folder(home: Home, table: Table, folder: Path) -> None:
    home.lake.sweep(table.zone, table.name, folder.name)
    try:
        manifest = home.lake.manifest(table.zone, table.name, folder.name)
    except ObservatoryError:
        # What no manifest vouches for cannot be cleaned; it is stale, so it goes and is made again.
        home.lake.remove(table.zone, table.name, folder.name)
        return
    for file in folder.glob("*.parquet"):
        if manifest is None or file.name != manifest.file:
            file.unlink()


def restate_journal(home: Home, batches: Collection[str]) -> None:
    """Bring the journal to who is left: `run_log` is published, and a difference in it would count the forgotten.

    Entries of the batches get the rows that are left and no spending, entries of steps over all batches go.
    """
    rows = {key: _rows(home, key) for key in batches}
    entries = []
    for entry in home.lake.finished_steps():
        batch = entry["batch"]
        if batch in rows:
            left = 0 if entry.get("stopped") else rows[str(batch)]
            entries.append({**entry, **dict.fromkeys(("rows_in", "rows_out"), left), **NOTHING})
        elif batch is not None:
            entries.append(entry)
    content = "".join("\n" + json.dumps(entry, sort_keys=True) for entry in entries)
    write_private(home.lake.journal, content.encode())


def _rows(home: Home, batch: str) -> int:
    manifest = home.lake.manifest(CONVERSATIONS.zone, CONVERSATIONS.name, batch)
    return manifest.rows if manifest else 0
