"""Where the published clusters stand on the map, told so that no single conversation's place can be read off.

A user's conversations in a cluster are first averaged, so that everyone counts once; of these means only the middle half
along each axis is averaged again, so that nobody's is the figure; and the result is rounded to a grid.
"""

from __future__ import annotations

import polars as pl

from schemas.map import GRID

SCHEMA = {"cluster_id": pl.String, "level": pl.UInt8, "x": pl.Float64, "y": pl.Float64, "spread": pl.Float64}


def cluster_positions(
    points: pl.DataFrame, paths: pl.DataFrame, clusters: pl.DataFrame, min_users: int
) -> pl.DataFrame:
    """Centre and spread of each published cluster.

    In: cluster_id (base), user, x, y of each conversation; base, cluster_id of every base cluster and the published ones that count it;
    cluster_id, level of the published clusters. Out: cluster_id, level, x, y, spread. Merged groups named Other stand
    nowhere and are left out, as is any cluster of fewer than `min_users` users.
    """
    sums = points.group_by("cluster_id", "user").agg(pl.col("x", "y").cast(pl.Float64).sum(), n=pl.len())
    above = sums.rename({"cluster_id": "base"}).join(paths, on="base")
    above = above.join(clusters.select("cluster_id", "level"), on="cluster_id")
    means = above.group_by("cluster_id", "level", "user").agg(pl.col("x", "y").sum() / pl.col("n").sum())
    means = means.filter(pl.len().over("cluster_id") >= min_users)
    centres = means.group_by("cluster_id", "level").agg(_middle("x"), _middle("y"))
    apart = means.join(centres, on=["cluster_id", "level"], suffix="_centre").with_columns(
        spread=((pl.col("x") - pl.col("x_centre")) ** 2 + (pl.col("y") - pl.col("y_centre")) ** 2).sqrt()
    )
    spreads = apart.group_by("cluster_id").agg(_middle("spread").clip(lower_bound=1 / GRID))
    columns = [pl.col(name).cast(kind) for name, kind in SCHEMA.items()]
    return centres.join(spreads, on="cluster_id").select(columns).sort("level", "cluster_id")


def _middle(column: str) -> pl.Expr:
    """Mean of the middle half of a column's values, rounded to the grid."""
    outside = pl.len() // 4
    inner = pl.col(column).sort().slice(outside, pl.len() - 2 * outside)
    return ((inner.mean() * GRID).round() / GRID).alias(column)
