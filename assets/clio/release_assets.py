"""The release: what of the clusters may be published, counted and gated."""

from __future__ import annotations

import polars as pl

from assets.clio.gates import RELEASE_GATES
from dagster_project.privacy.thresholds import Thresholds
from dagster_project.settings import Settings
from dagster_project.steps import Result, Step, table_step
from schemas.catalogue import (
    CLUSTER_ASSIGNMENTS,
    CLUSTER_CELLS,
    CLUSTER_NODES,
    CLUSTERS,
    CONCERNS,
    CURRENT_CONVERSATIONS,
    EMBEDDINGS,
    FACETS,
    LANGUAGE_CONTRASTS,
    PRIVACY_REPORT,
)


@table_step(
    outputs=[CLUSTERS, CLUSTER_CELLS, LANGUAGE_CONTRASTS, PRIVACY_REPORT],
    inputs=[CURRENT_CONVERSATIONS, FACETS, CONCERNS, CLUSTER_ASSIGNMENTS, CLUSTER_NODES, EMBEDDINGS],
    version="2",
    group="release",
    settings=(
        "min_users",
        "min_conversations",
        "max_user_share",
        "unsafe_below_floor",
        "max_user_clusters",
        "max_user_conversations",
    ),
    gates=RELEASE_GATES,
)
def release(
    step: Step,
    current_conversations: pl.LazyFrame,
    facets: pl.LazyFrame,
    concerns: pl.LazyFrame,
    cluster_assignments: pl.LazyFrame,
    cluster_nodes: pl.LazyFrame,
    embeddings: pl.LazyFrame,
) -> Result:
    """Publishes clusters and cells that enough distinct users share; merges or withholds the rest, and says how much."""
    from assets.clio.release import count_release
    from assets.clio.release.counting import clustered_rows, count_rows
    from dagster_project.privacy.contributions import Bounds
    from dagster_project.privacy.identity import load_or_create_secret

    settings = step.settings
    read, concern = _current(current_conversations, facets, concerns)
    rows = clustered_rows(cluster_assignments.collect(), read, concern)
    bounds = Bounds(settings.max_user_clusters, settings.max_user_conversations)
    counted = count_rows(rows, bounds, load_or_create_secret(step.home.secret))
    embedder = embeddings.select("embedder").head(1).collect().item()
    tables = count_release(
        counted.rows,
        cluster_nodes.collect(),
        unclustered=read.height - rows.height,
        thresholds=thresholds_of(settings),
        makers={"reader": read["reader"][0], "embedder": embedder, "namer": "shared-terms-1"},
        left_out=counted.left_out,
    )
    shown = ["name", "users", "conversations", "share"]
    top = tables.clusters.filter(pl.col("parent_id").is_null()).sort("conversations", descending=True)
    return Result(
        tables.frames(), rows_in=read.height, metadata={**tables.counts(), "top_clusters": top.select(shown)}
    )


def _current(
    current_conversations: pl.LazyFrame, facets: pl.LazyFrame, concerns: pl.LazyFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Facets and bands of the version of each conversation that counts."""
    keys = ["conversation_id", "batch"]
    current = current_conversations.select(keys)
    kept = (*keys, "user_key", "language", "week", "model", "reader")
    read = facets.select(kept).join(current, on=keys, how="semi").drop("batch")
    concern = concerns.join(current, on=keys, how="semi").select("conversation_id", "concern_band")
    return read.collect(), concern.collect()


def thresholds_of(settings: Settings) -> Thresholds:
    """The limits that a home's settings ask for."""
    return Thresholds(
        min_users=settings.min_users,
        min_conversations=settings.min_conversations,
        max_user_share=settings.max_user_share,
        unsafe_below_floor=settings.unsafe_below_floor,
    )
