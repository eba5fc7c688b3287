"""Base clusters, the hierarchy above them, identities that outlive a clustering, and the map; on a CPU or a GPU."""

from __future__ import annotations

from dagster_project.clustering.hierarchy import Hierarchy, build_hierarchy, extend_hierarchy, level_sizes
from dagster_project.clustering.kmeans import Centroids, Clustering, default_clusters, fit_clusters
from dagster_project.clustering.matching import Overlap, birth_id, match_identities
from dagster_project.clustering.projection import Projection, extend_projection, fit_projection
from dagster_project.clustering.rows import Rows, unit
from dagster_project.clustering.ward import ward_groups

__all__ = [
    "Centroids",
    "Clustering",
    "Hierarchy",
    "Overlap",
    "Projection",
    "Rows",
    "birth_id",
    "build_hierarchy",
    "default_clusters",
    "extend_hierarchy",
    "extend_projection",
    "fit_clusters",
    "fit_projection",
    "level_sizes",
    "match_identities",
    "unit",
    "ward_groups",
]
