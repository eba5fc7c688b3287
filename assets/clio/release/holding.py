"""The release before: what the next one is compared with, and what is kept of it where the change is too small."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from assets.clio.release import Release, ReleaseTables
from assets.clio.release.cells import value_labels
from assets.clio.release.report import kept_report
from dagster_project.errors import ObservatoryError
from dagster_project.privacy.changes import Seen, small_changes
from dagster_project.privacy.remainders import small_remainders
from dagster_project.privacy.sums import small_sums
from dagster_project.privacy.thresholds import Thresholds
from schemas.published import DIMENSIONS

LIMITS = ("min_users", "min_conversations", "cell_min_users", "cell_min_conversations", "max_user_share")


def seen(release: Release) -> Seen:
    """A release as `privacy.changes` reads it: values as they are published."""
    members = release.counted
    for dimension in DIMENSIONS:
        labels = value_labels(members, dimension)
        members = members.join(labels, on=dimension, how="left", nulls_equal=True)
        members = members.drop(dimension).rename({"value": dimension})
    return Seen(release.tables.clusters, release.tables.cluster_cells, members)


def changed_parts(before: Release, after: Release, thresholds: Thresholds) -> pl.DataFrame:
    """Parts of two releases between which too few people make the difference.

    What has one id in both (`privacy.changes`), what is left when figures of one are subtracted from a figure of the
    other (`privacy.remainders`), and from several together (`privacy.sums`). Out: `privacy.changes.FOUND`.
    """
    releases, limits = (seen(before), seen(after)), (thresholds.nodes, thresholds.cells)
    looks = (small_changes, small_remainders, small_sums)
    return pl.concat([look(*releases, *limits) for look in looks]).unique()


def kept(before: Release, thresholds: Thresholds) -> Release:
    """The release before once more, its report saying so.

    Raises ObservatoryError where it was made under other limits than those that are asked for now.
    """
    report = before.tables.privacy_report
    stated = dict(report.filter(pl.col("scope") == "thresholds").select("measure", "value").iter_rows())
    wanted = (
        thresholds.nodes.min_users,
        thresholds.nodes.min_conversations,
        thresholds.cells.min_users,
        thresholds.cells.min_conversations,
        thresholds.max_user_share,
    )
    if any(stated.get(name) != value for name, value in zip(LIMITS, wanted, strict=True)):
        raise ObservatoryError(
            "the change since the last release is too small to publish, and the limits have changed too: set the "
            "limits back until more data came, or accept the difference with hold_small_changes=false in settings.json"
        )
    tables = before.tables
    return Release(
        ReleaseTables(tables.clusters, tables.cluster_cells, tables.language_contrasts, kept_report(report)),
        before.counted,
    )


@dataclass(frozen=True)
class Choice:
    """What is released, and whether it is the release before."""

    release: Release
    kept: bool


def choose(before: Release | None, candidates: Iterable[Release], thresholds: Thresholds) -> Choice:
    """The first candidate that may follow the release before, or that one where each would single people out."""
    for after in candidates:
        if before is None or changed_parts(before, after, thresholds).is_empty():
            return Choice(after, False)
    if before is None:
        raise ObservatoryError("there is no release to choose from; count one first")
    return Choice(kept(before, thresholds), True)
