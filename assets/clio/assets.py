"""Clio without a language model: facets, embeddings, concern, clusters, and what of them may be published."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from assets.clio.gates import RELEASE_GATES
from dagster_project.steps import Result, Step, table_step
from schemas.catalogue import (
    CLUSTER_ASSIGNMENTS,
    CLUSTER_CELLS,
    CLUSTER_CENTROIDS,
    CLUSTER_NODES,
    CLUSTERS,
    CONCERNS,
    CONVERSATIONS,
    CURRENT_CONVERSATIONS,
    EMBEDDINGS,
    FACETS,
    LANGUAGE_CONTRASTS,
    PRIVACY_REPORT,
    REDACTED_CONVERSATIONS,
)

FACET_SLICE = 10_000
EMBED_SLICE = 20_000


@table_step(
    outputs=[FACETS], inputs=[CONVERSATIONS, REDACTED_CONVERSATIONS], version="extractive-1", group="clio"
)
def facets(step: Step, conversations: pl.LazyFrame, redacted_conversations: pl.LazyFrame) -> Result:
    """Reads each redacted conversation: language, request, task, turns, characters, words of concern."""
    from assets.clio.facets import read_facets

    total: int = conversations.select(pl.len()).collect().item()
    context = conversations.select("conversation_id", "user_key", "started_at", "model")

    def parts() -> Iterator[pl.DataFrame]:
        for start in range(0, max(total, 1), FACET_SLICE):
            span = slice(start, start + FACET_SLICE)
            yield read_facets(
                context.slice(span.start, FACET_SLICE).collect(),
                redacted_conversations.slice(span.start, FACET_SLICE).collect(),
            )
            step.report(min(span.stop, total), total)

    staged = step.lake.stage(FACETS.zone, FACETS.name, parts(), step.partition)
    return Result(
        {FACETS.name: staged},
        rows_in=total,
        metadata={"languages": frequent(staged.scan(), "language", step)},
    )


def frequent(rows: pl.LazyFrame, column: str, step: Step) -> pl.DataFrame:
    """How often the common values of a column occur; values rarer than a released cell are not shown in Dagster."""
    counts = rows.group_by(column).agg(conversations=pl.len(), users=pl.col("user_key").n_unique())
    common = (pl.col("conversations") >= step.settings.min_conversations) & (
        pl.col("users") >= step.settings.min_users
    )
    return (
        counts.filter(common).sort("conversations", column, descending=[True, False]).drop("users").collect()
    )


@table_step(
    outputs=[EMBEDDINGS],
    inputs=[FACETS],
    version="minilm-1",
    group="clio",
    settings=("embedded_facet",),
    kinds=("pytorch", "parquet"),
)
def embeddings(step: Step, facets: pl.LazyFrame) -> Result:
    """Embeds one facet of each conversation as a unit vector."""
    from assets.clio.vectors import embed_facet
    from dagster_project.embedding import default_embedder

    facet = step.settings.embedded_facet
    texts = facets.select("conversation_id", facet).collect()
    embedder = default_embedder()
    frames = embed_facet(texts, facet, embedder, EMBED_SLICE, lambda done: step.report(done, texts.height))
    return Result({EMBEDDINGS.name: frames}, rows_in=texts.height, metadata={"embedder": embedder.name})


@table_step(outputs=[CONCERNS], inputs=[FACETS, EMBEDDINGS], version="1", group="clio")
def concerns(step: Step, facets: pl.LazyFrame, embeddings: pl.LazyFrame) -> Result:
    """Scores how concerning each request is, from its words and its nearness to prototype requests."""
    from assets.clio.vectors import score_in_slices

    total: int = facets.select(pl.len()).collect().item()
    frames = score_in_slices(facets, embeddings, total, EMBED_SLICE, lambda done: step.report(done, total))
    return Result({CONCERNS.name: frames}, rows_in=total)


@table_step(
    outputs=[CLUSTER_ASSIGNMENTS, CLUSTER_CENTROIDS, CLUSTER_NODES],
    inputs=[CURRENT_CONVERSATIONS, FACETS, EMBEDDINGS],
    version="2",
    group="clio",
    settings=("clusters", "top_clusters", "min_users", "seed"),
    kinds=("faiss", "polars", "parquet"),
)
def clustering(
    step: Step, current_conversations: pl.LazyFrame, facets: pl.LazyFrame, embeddings: pl.LazyFrame
) -> Result:
    """Groups conversations, names the groups by terms that enough users share, and builds the tree above them."""
    from assets.clio.clusters import cluster_conversations
    from assets.clio.vectors import gathered_vectors

    current = current_conversations.collect()
    read = facets.join(current.lazy(), on=["conversation_id", "batch"], how="semi").collect()
    with gathered_vectors(embeddings, current, step.home.scratch) as (ids, vectors):
        assignments, centroids, nodes = cluster_conversations(
            ids,
            vectors,
            read,
            clusters=step.settings.clusters,
            top=step.settings.top_clusters,
            min_users=step.settings.min_users,
            seed=step.settings.seed,
            previous=_previous_clustering(step),
        )
    frames = {
        CLUSTER_ASSIGNMENTS.name: assignments,
        CLUSTER_CENTROIDS.name: centroids,
        CLUSTER_NODES.name: nodes,
    }
    levels = nodes.group_by("level").len().sort("level")
    return Result(frames, rows_in=current.height, metadata={"clusters_by_level": levels})


def _previous_clustering(step: Step) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame] | None:
    """The last clustering of this home: identities and names carry over from it, so it is state, not an input."""
    tables = (CLUSTER_CENTROIDS, CLUSTER_NODES, CLUSTER_ASSIGNMENTS)
    if any(step.lake.manifest(table.zone, table.name) is None for table in tables):
        return None
    centroids, nodes, assignments = (step.lake.scan(table.zone, table.name).collect() for table in tables)
    return centroids, nodes, assignments


@table_step(
    outputs=[CLUSTERS, CLUSTER_CELLS, LANGUAGE_CONTRASTS, PRIVACY_REPORT],
    inputs=[CURRENT_CONVERSATIONS, FACETS, CONCERNS, CLUSTER_ASSIGNMENTS, CLUSTER_NODES, EMBEDDINGS],
    version="1",
    group="release",
    settings=("min_users", "min_conversations", "max_user_share", "unsafe_below_floor"),
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
    from assets.clio.release import release_tables
    from dagster_project.privacy.thresholds import Thresholds

    settings = step.settings
    current = current_conversations.select("conversation_id", "batch")
    keys = ["conversation_id", "batch"]
    kept = ("conversation_id", "batch", "user_key", "language", "week", "model", "reader")
    read = facets.select(kept).join(current, on=keys, how="semi").collect()
    concern = concerns.join(current, on=keys, how="semi").select(
        "conversation_id", "concern_score", "concern_band"
    )
    embedder = embeddings.select("embedder").head(1).collect().item()
    tables = release_tables(
        cluster_assignments.collect(),
        cluster_nodes.collect(),
        read.drop("batch"),
        concern.collect(),
        thresholds=Thresholds(
            min_users=settings.min_users,
            min_conversations=settings.min_conversations,
            max_user_share=settings.max_user_share,
            unsafe_below_floor=settings.unsafe_below_floor,
        ),
        reader=read["reader"][0],
        embedder=embedder,
        namer="shared-terms-1",
    )
    shown = ["name", "users", "conversations", "share"]
    top = tables.clusters.filter(pl.col("parent_id").is_null()).sort("conversations", descending=True)
    return Result(
        tables.frames(), rows_in=read.height, metadata={**tables.counts(), "top_clusters": top.select(shown)}
    )
