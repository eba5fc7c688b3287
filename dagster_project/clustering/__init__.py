"""Base clusters, the hierarchy above them, and identities that outlive a clustering; on a CPU, or a GPU by choice."""

from __future__ import annotations

from dagster_project.clustering.hierarchy import Hierarchy, build_hierarchy, extend_hierarchy, level_sizes
from dagster_project.clustering.kmeans import Centroids, Clustering, default_clusters, fit_clusters
from dagster_project.clustering.matching import Overlap, birth_id, match_identities
from dagster_project.clustering.rows import unit

__all__ = [
    "Centroids",
    "Clustering",
    "Hierarchy",
    "Overlap",
    "birth_id",
    "build_hierarchy",
    "default_clusters",
    "extend_hierarchy",
    "fit_clusters",
    "level_sizes",
    "match_identities",
    "unit",
]
