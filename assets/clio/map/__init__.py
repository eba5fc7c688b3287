"""The map of use: where each conversation stands (restricted), and what of it may be published.

Pure modules: `projections` (places that stay when data is added), `tiles` (density), `positions` (clusters).
Source: Clio B.4 and G.6."""

from __future__ import annotations

import polars as pl

from assets.clio.map.positions import cluster_positions
from assets.clio.map.tiles import tile_counts
from assets.clio.release.tree import MERGED_SMALL
from dagster_project.errors import ObservatoryError
from dagster_project.privacy.thresholds import Limits, user_codes

__all__ = ["map_tables"]


def map_tables(
    counted: pl.DataFrame,
    projections: pl.DataFrame,
    clusters: pl.DataFrame,
    limits: Limits,
    *,
    withheld: bool = False,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The published `map_tiles` and `map_clusters`.

    In: the tables counted_conversations and projections; cluster_id, level of the published clusters. The map shows the
    conversations that `clusters` counts; one that is counted still but was not read any more stands in the middle of
    its cluster. With `withheld`, and where no
    cluster is published, both are empty. Raises ObservatoryError where no counted conversation has a place.
    """
    places = projections.select("conversation_id", "x", "y", "map")
    coded = counted.select("conversation_id", "cluster_id", "user_key").with_columns(user_codes())
    points = coded.drop("user_key").join(places, on="conversation_id", how="left", maintain_order="left")
    if counted.height and points["x"].null_count() == counted.height:
        raise ObservatoryError("no conversation has a place on the map; materialise projections again")
    points = points.with_columns(_placed("x"), _placed("y"))
    number = pl.lit(projections["map"].first(), dtype=pl.UInt32).alias("map")
    shown = points.clear() if withheld or clusters.is_empty() else points
    tiles = tile_counts(shown, limits)
    paths = counted.select(base="cluster_id", cluster_id="clusters").unique("base")
    paths = paths.explode("cluster_id", empty_as_null=False)
    named = clusters.filter(~pl.col("cluster_id").str.starts_with(MERGED_SMALL))
    positions = cluster_positions(shown, paths, named, limits.min_users)
    return tiles.select(number, *tiles.columns), positions.select(number, *positions.columns)


def _placed(axis: str) -> pl.Expr:
    """A coordinate; where there is none that of the middle of its cluster, or of all where the cluster has no place."""
    place = pl.col(axis)
    return place.fill_null(place.mean().over("cluster_id")).fill_null(place.mean())
