"""Clusters over time: the restricted log of what every re-clustering did, and what of it may be published."""

from __future__ import annotations

import polars as pl

from assets.clio.gates import release_gates, thresholds_of
from dagster_project.steps import Result, Step, table_step
from schemas.catalogue import (
    CLUSTER_ASSIGNMENTS,
    CLUSTER_CELLS,
    CLUSTER_CENTROIDS,
    CLUSTER_CHANGES,
    CLUSTER_LINEAGE,
    CLUSTER_MEMBERS,
    CLUSTER_NODES,
    CLUSTERS,
    COUNTED_CONVERSATIONS,
    LANGUAGE_CONTRASTS,
    PRIVACY_REPORT,
)

BESIDE = (CLUSTERS, CLUSTER_CELLS, LANGUAGE_CONTRASTS, PRIVACY_REPORT)


@table_step(
    outputs=[CLUSTER_CHANGES, CLUSTER_MEMBERS],
    inputs=[CLUSTER_ASSIGNMENTS, CLUSTER_NODES],
    version="1",
    group="clio",
)
def cluster_changes(step: Step, cluster_assignments: pl.LazyFrame, cluster_nodes: pl.LazyFrame) -> Result:
    """Compares each clustering with the one before by its members: what was born, continued, split, merged, died."""
    from assets.clio.changes import next_release

    changes, members = next_release(
        cluster_assignments.collect(),
        cluster_nodes.collect(),
        step.lake.last(CLUSTER_MEMBERS.zone, CLUSTER_MEMBERS.name),
        step.lake.last(CLUSTER_CHANGES.zone, CLUSTER_CHANGES.name),
    )
    newest = changes.filter(pl.col("release") == pl.col("release").max())
    return Result(
        {CLUSTER_CHANGES.name: changes, CLUSTER_MEMBERS.name: members},
        rows_in=members.height,
        metadata={"release": newest["release"][0], "clusters_by_event": _by_event(newest)},
    )


def _by_event(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.group_by("level", "event").agg(clusters=pl.len()).sort("level", "event")


@table_step(
    outputs=[CLUSTER_LINEAGE],
    inputs=[COUNTED_CONVERSATIONS, CLUSTER_CENTROIDS, CLUSTER_NODES, CLUSTER_CHANGES, *BESIDE],
    version="2",
    group="release",
    settings=("min_users", "min_conversations", "max_user_share", "unsafe_below_floor", "dp_epsilon"),
    gates=release_gates(CLUSTER_LINEAGE, BESIDE),
)
def cluster_lineage(
    step: Step,
    counted_conversations: pl.LazyFrame,
    cluster_centroids: pl.LazyFrame,
    cluster_nodes: pl.LazyFrame,
    cluster_changes: pl.LazyFrame,
    clusters: pl.LazyFrame,
    privacy_report: pl.LazyFrame,
    **beside: pl.LazyFrame,
) -> Result:
    """Publishes what became of each published cluster; rows of earlier releases stay as they were published.

    Where the release before was kept, nothing new is shown and nothing new is told.
    """
    from assets.clio.kin import kin_groups
    from assets.clio.lineage import SCHEMA, lineage_rows
    from assets.clio.release.report import release_was_kept
    from assets.clio.usage import quiet_clusters, weekly_use

    del beside  # what its gates read
    if step.settings.dp_epsilon is not None:
        return Result({CLUSTER_LINEAGE.name: pl.DataFrame(schema=SCHEMA)})
    limits = thresholds_of(step.settings).cells
    changes, shown = cluster_changes.collect(), clusters.collect()
    newest = changes.filter(pl.col("release") == pl.col("release").max())
    counted = counted_conversations.select("conversation_id", "cluster_id", "user_key", "week").collect()
    published = step.lake.last(CLUSTER_LINEAGE.zone, CLUSTER_LINEAGE.name)
    earlier = pl.DataFrame(schema=SCHEMA) if published is None else published
    if earlier.height and release_was_kept(privacy_report.collect()):
        return Result({CLUSTER_LINEAGE.name: earlier}, rows_in=newest.height)
    earlier = earlier.filter(pl.col("release") < newest["release"].max())
    nodes = cluster_nodes.collect()
    kin = kin_groups(cluster_centroids.collect(), nodes, shown["cluster_id"])
    quiet = quiet_clusters(*weekly_use(counted, nodes, shown["cluster_id"]), limits, kin)
    rows = lineage_rows(newest, shown, quiet, earlier, limits)
    return Result(
        {CLUSTER_LINEAGE.name: pl.concat([earlier, rows])},
        rows_in=newest.height,
        metadata={"events": rows.group_by("event").agg(clusters=pl.len()).sort("event")},
    )
