"""Which clusters are of one kind, so that what they do together may be counted together; pure."""

from __future__ import annotations

import numpy as np
import polars as pl

from assets.clio.changes import rungs
from dagster_project.clustering import ward_groups

# More clusters together would tell no more of any of them.
LARGEST = 32
# Of more clusters those below one top node are compared: the time grows with the square.
TOGETHER = 5_000


def kin_groups(centroids: pl.DataFrame, nodes: pl.DataFrame, clusters: pl.Series) -> pl.DataFrame:
    """Groups of similar base clusters, nested: the merges of Ward's tree over their centroids, of at most LARGEST.

    In: centroids cluster_id, centroid; nodes cluster_id, level, parent_id; `clusters` that may be counted (of any level;
    only base clusters are grouped). Out: group (0, 1, ...), cluster_id. What was said when is not looked at.
    """
    held = centroids.filter(pl.col("cluster_id").is_in(clusters.implode())).sort("cluster_id")
    top = rungs(nodes).filter(pl.col("level") == pl.col("level").max()).select("base", top="cluster_id")
    held = held.join(top, left_on="cluster_id", right_on="base", how="left", maintain_order="left")
    family = pl.col("top") if held.height > TOGETHER else pl.lit(None)
    groups: list[pl.Series] = []
    for part in held.with_columns(family=family).partition_by("family", maintain_order=True):
        vectors = part["centroid"].to_numpy().astype(np.float32)
        groups += [part["cluster_id"].gather(group) for group in ward_groups(vectors, LARGEST)]
    table = pl.DataFrame({"cluster_id": groups}, schema={"cluster_id": pl.List(pl.String)})
    return table.with_row_index("group").explode("cluster_id")
