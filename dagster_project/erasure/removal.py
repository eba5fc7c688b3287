"""What is evaluated no longer: the tables, files and partitions of suites and subjects that the register does not name.

The register is replaced first, in one rename, and says that figures still have to be told anew; everything here can be done
twice, so a removal that was interrupted is completed by the next command that brings tables up to date.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from dagster_project.erasure.history import PARTITION_TAG
from dagster_project.erasure.survey import catalogued
from dagster_project.home import Home
from schemas.catalogue import COLLECTIVE, EVALUATION, SUBJECTS, Table

if TYPE_CHECKING:
    import dagster as dg


def sweep_removed(home: Home) -> None:
    """Remove tables of suites, partitions of subjects and files of answers that the register does not name."""
    register = home.evaluations()
    for table in catalogued():
        if table.suite in (None, EVALUATION):
            continue
        if table.suite not in register.suites:
            shutil.rmtree(home.root / table.zone / table.name, ignore_errors=True)
        elif table.partition == SUBJECTS:
            for key in set(_partitions(home, table)) - set(home.partition_keys(SUBJECTS, table.suite)):
                home.lake.remove(table.zone, table.name, key)
    if COLLECTIVE not in register.suites:
        shutil.rmtree(home.constitutions, ignore_errors=True)
    drop_supplied(home)


def settle_removed(home: Home) -> None:
    """Note that no figure tells of what was removed any more."""
    register = home.evaluations()
    if register.unsettled:
        replace(register, unsettled=False).store(home.evaluated)


def drop_supplied(home: Home) -> None:
    """Remove copies of files of answers that no subject has any more."""
    subjects = home.evaluations().subjects
    kept = {home.supplied(it.sha256, it.file) for it in subjects if it.file and it.sha256}
    for path in (home.restricted / "supplied").glob("*"):
        if path not in kept:
            path.unlink()


def drop_subjects(instance: dg.DagsterInstance, home: Home) -> None:
    """Take partitions and runs of subjects that are not registered out of Dagster."""
    import dagster as dg

    registered = {subject.key for subject in home.evaluations().subjects}
    for key in set(instance.get_dynamic_partitions(SUBJECTS)) - registered:
        for run in instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: key})):
            instance.delete_run(run.run_id)
        instance.delete_dynamic_partition(SUBJECTS, key)


def rows_of(home: Home, tables: Iterable[Table], keys: Iterable[str]) -> int:
    """Rows of the tables in these partitions."""
    manifests = [home.lake.manifest(it.zone, it.name, key) for it in tables for key in keys]
    return sum(manifest.rows for manifest in manifests if manifest)


def _partitions(home: Home, table: Table) -> list[str]:
    return [folder.name for folder in (home.root / table.zone / table.name).glob("*/")]
