"""Dagster's storage after an erasure: runs that saw the forgotten rows go, with every page that held their events."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_project.erasure.survey import catalogued
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home

if TYPE_CHECKING:
    import dagster as dg

PARTITION_TAG = "dagster/partition"
DATA_VERSION_TAG = "dagster/data_version"
BUSY_SECONDS = 10.0


def erase_history(home: Home, batches: Collection[str]) -> None:
    """Delete the runs of these batches and of all steps over whole tables; say anew what the batches hold.

    Runs of other batches stay. Events hold counts and frequent values only, but counts of the forgotten, too.
    """
    import dagster as dg

    if not (home.dagster / "history").exists():
        return
    home.use_as_dagster_home()
    others = {batch.key for batch in home.batches()} - set(batches)
    with dg.DagsterInstance.get() as instance:
        for run in instance.get_runs():
            if run.tags.get(PARTITION_TAG) not in others:
                instance.delete_run(run.run_id)
        left = {run.run_id for run in instance.get_runs()}
        instance.wipe_assets([dg.AssetKey(table.name) for table in catalogued() if not table.batched])
    _clear_files(home, left)
    for database in _databases(home):
        _delete_rows(database, left, batches)
    with dg.DagsterInstance.get() as instance:
        for materialization in _materializations(home, batches):
            instance.report_runless_asset_event(materialization)


def compact_history(home: Home) -> None:
    """Write every database of Dagster anew, so that no freed page keeps what was deleted.

    Raises ObservatoryError when another process uses them.
    """
    for path in _databases(home):
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("VACUUM")
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError:
            busy = True
        finally:
            connection.close()
        if busy:
            raise ObservatoryError(
                "Dagster's storage is in use; stop `observatory ui` and its daemon, then run the same command again"
            )


def _databases(home: Home) -> list[Path]:
    return sorted(home.dagster.rglob("*.db"))


def _clear_files(home: Home, left: Collection[str]) -> None:
    """Remove the event databases and printed logs of runs that are gone."""
    for folder in (home.dagster / "storage").glob("*/"):
        if folder.name not in left:
            shutil.rmtree(folder)
    for path in (home.dagster / "history" / "runs").glob("*.db*"):
        if path.name.split(".db")[0] not in {*left, "index"}:
            path.unlink()


def _delete_rows(database: Path, left: Collection[str], batches: Collection[str]) -> None:
    """Delete what Dagster leaves of deleted runs (outcomes of checks), and what was said of the batches without a run."""
    # Names of tables come from the database's own catalogue, values are parameters. Events without a run have run id ''.
    connection = sqlite3.connect(database, timeout=BUSY_SECONDS)
    with connection:
        for table, columns in _columns(connection).items():
            if "run_id" in columns:
                runs = connection.execute(f'SELECT DISTINCT run_id FROM "{table}"').fetchall()  # noqa: S608
                gone = [(run,) for (run,) in runs if run and run not in left]
                connection.executemany(f'DELETE FROM "{table}" WHERE run_id = ?', gone)  # noqa: S608
            if {"run_id", "partition"} <= columns:
                query = f"DELETE FROM \"{table}\" WHERE run_id = '' AND partition = ?"  # noqa: S608
                connection.executemany(query, [(batch,) for batch in batches])
    connection.close()


def _columns(connection: sqlite3.Connection) -> dict[str, set[str]]:
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {
        name: {row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')} for (name,) in tables
    }


def _materializations(home: Home, batches: Collection[str]) -> Iterator[dg.AssetMaterialization]:
    """What the tables of the batches hold now, with the data version that Dagster's pages compare."""
    import dagster as dg

    for table in catalogued():
        for batch in batches if table.batched else ():
            manifest = home.lake.manifest(table.zone, table.name, batch)
            if manifest is not None:
                yield dg.AssetMaterialization(
                    table.name,
                    partition=batch,
                    metadata={"rows": manifest.rows, "bytes": manifest.bytes, "sha256": manifest.sha256},
                    tags={DATA_VERSION_TAG: manifest.fingerprint},
                )
