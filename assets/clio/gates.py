"""Gates of the release: an attack on it, Great Expectations over the published tables, and the leak scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from dagster_project.checks import GateSpec, Outcome
from dagster_project.errors import ObservatoryError
from dagster_project.lake import StagedTable
from dagster_project.leak_gate import leak_gate
from dagster_project.settings import Settings
from dagster_project.steps import Step
from schemas.catalogue import (
    CLUSTER_CELLS,
    CLUSTERS,
    COUNTED_CONVERSATIONS,
    LANGUAGE_CONTRASTS,
    PRIVACY_REPORT,
    Table,
)

if TYPE_CHECKING:
    from assets.clio.release import Release
    from dagster_project.privacy.thresholds import Thresholds

OF_A_RELEASE = (CLUSTERS, CLUSTER_CELLS, LANGUAGE_CONTRASTS, PRIVACY_REPORT, COUNTED_CONVERSATIONS)
"""The tables of a release, in the order of `ReleaseTables`, and whom it counted."""


def release_gates(table: Table, beside: Sequence[Table] = ()) -> tuple[GateSpec, ...]:
    """The gates of a step that publishes, answered for on `table`; `beside`: what its suite needs of other steps."""

    def expectations_hold(step: Step, staged: Mapping[str, StagedTable], _: Any) -> list[Outcome]:
        from schemas.expectations import validate_published

        frames = {other.name: step.lake.scan(other.zone, other.name).collect() for other in beside}
        frames |= {name: part.scan().collect() for name, part in staged.items()}
        docs = step.home.data_docs if table == CLUSTERS else step.home.data_docs / table.name
        result = validate_published(frames, docs, staged.keys())
        failed = {"failed_expectations": list(result.failed)}
        return [Outcome(table.name, "expectations", result.success, failed)]

    suite = "The Great Expectations suite of the release holds."
    return GateSpec(expectations_hold, ((table.name, "expectations"),), suite), leak_gate(table)


def nothing_is_derivable(step: Step, staged: Mapping[str, StagedTable], _: Any) -> list[Outcome]:
    """Attack the staged tables as a reader would, under the limits that they state themselves."""
    from dagster_project.privacy.exposure import exposed_cells
    from schemas.clio import BANDS

    clusters, cells, contrasts, report = (
        staged[table.name].scan().collect()
        for table in (CLUSTERS, CLUSTER_CELLS, LANGUAGE_CONTRASTS, PRIVACY_REPORT)
    )
    limits = dict(report.filter(pl.col("scope") == "thresholds").select("measure", "value").iter_rows())
    found = exposed_cells(
        clusters,
        cells,
        contrasts,
        min_users=int(limits["cell_min_users"]),
        min_conversations=int(limits["cell_min_conversations"]),
        domains={"concern_band": list(BANDS)},
    )
    counts = dict(found.group_by("dimension").len().sort("dimension").iter_rows())
    return [Outcome(CLUSTER_CELLS.name, "intervals", found.is_empty(), {"derivable_cells": counts})]


def previous_release(step: Step) -> Release | None:
    """The release that is in the lake, with whom it counted; None where there is none to compare with.

    State, not an input: the next release must not differ from it by a few people. So, unlike other state, a damaged one
    is not taken for none: raises ObservatoryError, and the owner restores it or accepts a release that was not compared.
    """
    from assets.clio.release import Release, ReleaseTables

    if not (step.settings.dp_epsilon is None and step.settings.hold_small_changes):
        return None
    try:
        if any(step.lake.manifest(table.zone, table.name) is None for table in OF_A_RELEASE):
            return None
        *published, counted = (step.lake.scan(table.zone, table.name).collect() for table in OF_A_RELEASE)
    except ObservatoryError:
        places = ", ".join(f"{table.zone}/{table.name}" for table in OF_A_RELEASE)
        raise ObservatoryError(
            "the last release is damaged, and the next one has to be compared with it: restore "
            f"{places} from one backup of the home, or accept a release that is compared with nothing by "
            "hold_small_changes=false in settings.json"
        ) from None
    return Release(ReleaseTables(*published), counted) if counted.height else None


def thresholds_of(settings: Settings) -> Thresholds:
    """The limits that a home's settings ask for."""
    from dagster_project.privacy.thresholds import Thresholds

    return Thresholds(
        min_users=settings.min_users,
        min_conversations=settings.min_conversations,
        max_user_share=settings.max_user_share,
        unsafe_below_floor=settings.unsafe_below_floor,
    )


def no_change_is_small(step: Step, staged: Mapping[str, StagedTable], _: Any) -> list[Outcome]:
    """Subtract the release in the lake from the staged one, and look who made the difference."""
    from assets.clio.release import Release, ReleaseTables
    from assets.clio.release.holding import changed_parts

    before = previous_release(step)
    if before is None:
        return [Outcome(CLUSTERS.name, "changes", True, {"compared": False})]
    *published, counted = (staged[table.name].scan().collect() for table in OF_A_RELEASE)
    found = changed_parts(before, Release(ReleaseTables(*published), counted), thresholds_of(step.settings))
    counts = dict(found.group_by("dimension").len().sort("dimension").iter_rows())
    return [Outcome(CLUSTERS.name, "changes", found.is_empty(), {"small_changes": counts})]


RELEASE_GATES = (
    GateSpec(
        no_change_is_small,
        ((CLUSTERS.name, "changes"),),
        "No published figure differs from the release before by a group under the limits.",
    ),
    GateSpec(
        nothing_is_derivable,
        ((CLUSTER_CELLS.name, "intervals"),),
        "An attack on the published tables by intervals and linear programmes narrows no withheld cell.",
    ),
    *release_gates(CLUSTERS),
)
