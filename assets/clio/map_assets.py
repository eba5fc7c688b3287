"""The map of use: places of conversations (restricted), and the tiles and cluster positions that are published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from assets.clio.gates import thresholds_of
from dagster_project.checks import GateSpec, Outcome
from dagster_project.device import choose_device, lazy_queries_on
from dagster_project.lake import StagedTable
from dagster_project.leak_gate import leak_gate
from dagster_project.steps import Result, Step, table_step
from schemas.catalogue import (
    CLUSTERS,
    COUNTED_CONVERSATIONS,
    CURRENT_CONVERSATIONS,
    EMBEDDINGS,
    MAP_CLUSTERS,
    MAP_TILES,
    PROJECTIONS,
    READING_FAULTS,
)


@table_step(
    outputs=[PROJECTIONS],
    inputs=[CURRENT_CONVERSATIONS, READING_FAULTS, EMBEDDINGS],
    version="1",
    group="clio",
    settings=("seed",),
    kinds=("faiss", "polars", "parquet"),
)
def projection(
    step: Step,
    current_conversations: pl.LazyFrame,
    reading_faults: pl.LazyFrame,
    embeddings: pl.LazyFrame,
) -> Result:
    """Places every conversation on a map of two dimensions; those that have a place keep it."""
    from assets.clio.map.projections import project_conversations
    from assets.clio.vectors import gathered_vectors, without_unread

    current = without_unread(current_conversations, reading_faults)
    # Places carry over from the last map of this home: it is state, not an input.
    previous = step.lake.last(PROJECTIONS.zone, PROJECTIONS.name)
    device = choose_device(step.settings.device)
    with gathered_vectors(embeddings, current, step.home.scratch) as (ids, vectors):
        projected = project_conversations(
            ids, vectors, seed=step.settings.seed, device=device.kind, previous=previous
        )
    counts = {
        "map": int(projected.projections["map"][0]),
        "fitted_points": int(projected.projections["fitted"].sum()),
        "fitted_anew_because": projected.refitted
        or "it was not: new conversations were placed on the old map",
        "device": device.kind,
    }
    return Result({PROJECTIONS.name: projected.projections}, rows_in=current.height, metadata=counts)


def map_expectations_hold(step: Step, staged: Mapping[str, StagedTable], _: Any) -> list[Outcome]:
    """Validate the staged map against its Great Expectations suite and rewrite its Data Docs."""
    from schemas.map_expectations import validate_map

    frames = {name: table.scan().collect() for name, table in staged.items()}
    settings = step.settings
    result = validate_map(
        frames, settings.min_users, settings.min_conversations, step.home.data_docs / MAP_TILES.name
    )
    failed = {"failed_expectations": list(result.failed)}
    return [Outcome(MAP_TILES.name, "expectations", result.success, failed)]


MAP_GATES = (
    GateSpec(
        map_expectations_hold,
        ((MAP_TILES.name, "expectations"),),
        "The Great Expectations suite of the map holds.",
    ),
    leak_gate(MAP_TILES),
)


@table_step(
    outputs=[MAP_TILES, MAP_CLUSTERS],
    inputs=[PROJECTIONS, COUNTED_CONVERSATIONS, CLUSTERS],
    version="1",
    group="release",
    settings=("min_users", "min_conversations", "max_user_share", "unsafe_below_floor", "dp_epsilon"),
    gates=MAP_GATES,
)
def usage_map(
    step: Step, projections: pl.LazyFrame, counted_conversations: pl.LazyFrame, clusters: pl.LazyFrame
) -> Result:
    """Publishes how dense the map is, tile by tile, and where the published clusters stand on it."""
    from assets.clio.map import map_tables

    settings = step.settings
    with lazy_queries_on(choose_device(settings.device)):
        tables = map_tables(
            counted_conversations.collect(),
            projections.collect(),
            clusters.select("cluster_id", "level").collect(),
            thresholds_of(settings).nodes,
            withheld=settings.dp_epsilon is not None,
        )
    tiles, positions = tables
    by_zoom = tiles.group_by("zoom").agg(tiles=pl.len()).sort("zoom")
    return Result(
        {MAP_TILES.name: tiles, MAP_CLUSTERS.name: positions},
        metadata={"tiles_by_zoom": by_zoom, "clusters_placed": positions.height},
    )
