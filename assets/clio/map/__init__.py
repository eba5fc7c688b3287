"""The map of use: where each conversation stands (restricted), and what of it may be published.

Pure modules: `projections` (places that stay when data is added), `tiles` (density), `positions` (clusters).
Source: Clio B.4 and G.6."""

from __future__ import annotations

import polars as pl

from assets.clio.map.positions import cluster_positions
from assets.clio.map.tiles import tile_counts
from assets.clio.release.tree import paths_up
from dagster_project.errors import ObservatoryError
from dagster_project.privacy.thresholds import Limits, user_codes

__all__ = ["map_tables"]


def map_tables(
    users: pl.DataFrame,
    projections: pl.DataFrame,
    assignments: pl.DataFrame,
    nodes: pl.DataFrame,
    clusters: pl.DataFrame,
    limits: Limits,
    *,
    withheld: bool = False,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The published `map_tiles` and `map_clusters`.

    In: conversation_id, user_key of the current conversations; the tables projections, cluster_assignments and
    cluster_nodes; cluster_id, level of the published clusters. The map shows the clustered conversations, as
    `clusters` does. With `withheld`, and where no cluster is published, both are empty.
    Raises ObservatoryError where a clustered conversation has no place.
    """
    coded = users.with_columns(user_codes()).drop("user_key")
    places = projections.select("conversation_id", "x", "y", "map")
    points = assignments.join(coded, on="conversation_id").join(places, on="conversation_id", how="left")
    if points["x"].null_count():
        raise ObservatoryError("some conversations have no place on the map; materialise projections again")
    number = pl.lit(projections["map"].first(), dtype=pl.UInt32).alias("map")
    shown = points.clear() if withheld or clusters.is_empty() else points
    tiles = tile_counts(shown, limits)
    paths = paths_up(assignments.select("cluster_id").unique(), nodes)
    positions = cluster_positions(shown, paths, clusters, limits.min_users)
    return tiles.select(number, *tiles.columns), positions.select(number, *positions.columns)
