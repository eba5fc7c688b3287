"""Gates of the release: Great Expectations over the published tables, and the leak scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dagster_project.checks import GateSpec, Outcome
from dagster_project.lake import StagedTable
from dagster_project.leak_gate import event_logs, find_leaks
from dagster_project.steps import Step
from schemas.catalogue import CLUSTERS, Table


def release_gates(table: Table, beside: Sequence[Table] = ()) -> tuple[GateSpec, ...]:
    """The gates of a step that publishes, answered for on `table`; `beside`: what its suite needs of other steps."""

    def expectations_hold(step: Step, staged: Mapping[str, StagedTable], _: Any) -> list[Outcome]:
        from schemas.expectations import validate_published

        frames = {other.name: step.lake.scan(other.zone, other.name).collect() for other in beside}
        frames |= {name: part.scan().collect() for name, part in staged.items()}
        result = validate_published(frames, step.home.data_docs)
        failed = {"failed_expectations": list(result.failed)}
        return [Outcome(table.name, "expectations", result.success, failed)]

    def nothing_leaks(step: Step, staged: Mapping[str, StagedTable], _: Any) -> list[Outcome]:
        tables = [part.path for part in staged.values()]
        found = find_leaks(step.home, [*tables, *event_logs(step.home)], strict=tables)
        return [Outcome(table.name, "no_leaks", not found, {"leaks": found})]

    return (
        GateSpec(
            expectations_hold,
            ((table.name, "expectations"),),
            "The Great Expectations suite of the release holds.",
        ),
        GateSpec(
            nothing_leaks,
            ((table.name, "no_leaks"),),
            "No canary, identifier or copied text in the tables to be published or in Dagster's event log.",
        ),
    )


RELEASE_GATES = release_gates(CLUSTERS)
