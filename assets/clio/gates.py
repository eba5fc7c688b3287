"""Gates of the release: Great Expectations over the published tables, and the leak scan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagster_project.checks import GateSpec, Outcome
from dagster_project.lake import StagedTable
from dagster_project.leak_gate import event_logs, find_leaks
from dagster_project.steps import Step
from schemas.catalogue import CLUSTERS


def expectations_hold(step: Step, staged: Mapping[str, StagedTable], _: Any) -> list[Outcome]:
    """Validate the staged tables against the Great Expectations suite and rewrite the Data Docs."""
    from schemas.expectations import validate_published

    frames = {name: table.scan().collect() for name, table in staged.items()}
    result = validate_published(frames, step.home.data_docs)
    failed = {"failed_expectations": list(result.failed)}
    return [Outcome(CLUSTERS.name, "expectations", result.success, failed)]


def nothing_leaks(step: Step, staged: Mapping[str, StagedTable], _: Any) -> list[Outcome]:
    """Search the staged tables and everything that Dagster has logged so far."""
    tables = [table.path for table in staged.values()]
    found = find_leaks(step.home, [*tables, *event_logs(step.home)], strict=tables)
    return [Outcome(CLUSTERS.name, "no_leaks", not found, {"leaks": found})]


RELEASE_GATES = (
    GateSpec(
        expectations_hold,
        ((CLUSTERS.name, "expectations"),),
        "The Great Expectations suite of the release holds.",
    ),
    GateSpec(
        nothing_leaks,
        ((CLUSTERS.name, "no_leaks"),),
        "No canary, identifier or copied text in the tables to be published or in Dagster's event log.",
    ),
)
