"""From vectors to a named tree of clusters whose identities outlive the clustering. Source: Clio G.5 and G.7."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.clio.naming import name_nodes
from dagster_project.clustering import (
    Centroids,
    Clustering,
    Overlap,
    birth_id,
    build_hierarchy,
    fit_clusters,
    match_identities,
)

Labels = NDArray[np.int32]
KEPT_SHARE = 0.9
"""A node keeps its name while at least this share of its members, old and new together, stays."""


@dataclass(frozen=True)
class Previous:
    """The clustering before: its frames, and the node of each of today's conversations at each level (-1: none)."""

    centroids: pl.DataFrame
    nodes: pl.DataFrame
    members: pl.DataFrame

    @classmethod
    def of(cls, frames: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame], ids: pl.Series) -> Previous:
        """Bring (cluster_centroids, cluster_nodes, cluster_assignments) to the conversations of today."""
        centroids, nodes, assignments = frames
        members = pl.DataFrame({"conversation_id": ids}).join(
            assignments, on="conversation_id", how="left", maintain_order="left"
        )
        return cls(centroids, nodes, members)

    def labels(self, level: int) -> tuple[list[str], Labels]:
        """Ids of a level's nodes, and the position in it of each conversation's node (-1: the conversation is new)."""
        at = self.members["cluster_id"]
        parents = self.nodes["cluster_id"], self.nodes["parent_id"]
        for _ in range(level):
            at = at.replace_strict(*parents, default=None, return_dtype=pl.String)
        names = self.nodes.filter(pl.col("level") == level)["cluster_id"].to_list()
        places = at.replace_strict(names, range(len(names)), default=-1, return_dtype=pl.Int32).fill_null(-1)
        return names, places.to_numpy()


def cluster_conversations(
    ids: pl.Series,
    vectors: NDArray[np.float32],
    facets: pl.DataFrame,
    *,
    clusters: int | None,
    top: int,
    min_users: int,
    seed: int,
    previous: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame] | None,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Cluster conversations, build the tree above the clusters, and name every node.

    In: ids [N] and unit vectors [N, D] in the same order; facets with conversation_id, user_key, request, language;
    `previous` the frames that an earlier call returned, in the order centroids, nodes, assignments. Out: frames of
    cluster_assignments, cluster_centroids and cluster_nodes.
    """
    before = Previous.of(previous, ids) if previous else None
    fitted = fit_clusters(vectors, clusters, seed=seed, previous=_warm_start(before))
    labels = [fitted.labels]
    hierarchy = build_hierarchy(fitted.centroids, top=top, seed=seed)
    labels += [of_base[fitted.labels] for of_base in hierarchy.of_base()[1:]]
    names = [_identities(level, at, vectors, ids, before, fitted) for level, at in enumerate(labels)]
    nodes = _nodes(labels, names)
    assignments = pl.DataFrame({"conversation_id": ids, "cluster_id": _pick(names[0], labels[0])})
    members = facets.select("conversation_id", "user_key", "request", "task", "language").join(assignments, on="conversation_id")
    named = name_nodes(members, nodes, min_users=min_users)
    if before is not None:
        named = _keep_names(named, before, labels, names)
    return assignments, _centroid_frame(fitted, names[0]), named


def _warm_start(before: Previous | None) -> Centroids | None:
    if before is None:
        return None
    ids = before.centroids["cluster_id"].to_list()
    labels = before.members["cluster_id"].replace_strict(ids, range(len(ids)), default=-1, return_dtype=pl.Int32)
    return Centroids(before.centroids["centroid"].to_numpy(), labels.fill_null(-1).to_numpy())


def _identities(
    level: int, labels: Labels, vectors: NDArray[np.float32], ids: pl.Series, before: Previous | None, fitted: Clustering
) -> list[str]:
    """Id of each node of a level: the one it continues, or one born of its members."""
    count = int(labels.max()) + 1
    continued: list[str | None] = [None] * count
    if before is not None:
        old_names, old_labels = before.labels(level)
        if old_names and (old_labels >= 0).any():
            old = _means(vectors, old_labels, len(old_names))
            new = fitted.centroids if level == 0 else _means(vectors, labels, count)
            continued = match_identities(old_names, old, new, Overlap.of(old_labels, labels))
    taken = {name for name in continued if name} | set(before.nodes["cluster_id"] if before else ())
    members = pl.DataFrame({"id": ids, "label": labels}).group_by("label").agg("id")
    by_label = dict(members.iter_rows())
    result = []
    for label, name in enumerate(continued):
        identity = name or birth_id(level, by_label[label], taken)
        taken.add(identity)
        result.append(identity)
    return result


def _means(vectors: NDArray[np.float32], labels: Labels, count: int) -> NDArray[np.float32]:
    """Unit mean vector [count, D] of each label; zero where it has no row. Rows labelled -1 are left out."""
    from scipy.sparse import csr_matrix

    rows = np.flatnonzero(labels >= 0)
    shape = (count, len(labels))
    chosen = csr_matrix((np.ones(len(rows), np.float32), (labels[rows], rows)), shape=shape)
    sums = chosen @ vectors
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return sums / np.where(lengths > 0, lengths, 1.0)


def _pick(names: list[str], labels: Labels) -> pl.Series:
    return pl.Series(names, dtype=pl.String).gather(labels.astype(np.uint32))


def _nodes(labels: list[Labels], names: list[list[str]]) -> pl.DataFrame:
    """Frame (cluster_id, level, parent_id) of a tree given by each conversation's node at each level."""
    frames = []
    for level, at in enumerate(labels):
        above = labels[level + 1] if level + 1 < len(labels) else None
        parents: list[str | None] = [None] * len(names[level])
        if above is not None:
            first = np.unique(at, return_index=True)[1]
            parents = [names[level + 1][label] for label in above[first]]
        frames.append(
            pl.DataFrame(
                {"cluster_id": names[level], "parent_id": parents},
                schema={"cluster_id": pl.String, "parent_id": pl.String},
            ).with_columns(level=pl.lit(level, pl.UInt8))
        )
    return pl.concat(frames).select("cluster_id", "level", "parent_id")


def _centroid_frame(fitted: Clustering, names: list[str]) -> pl.DataFrame:
    sizes = np.bincount(fitted.labels, minlength=len(names))
    dimension = fitted.centroids.shape[1]
    return pl.DataFrame(
        {
            "cluster_id": names,
            "centroid": pl.Series(fitted.centroids, dtype=pl.Array(pl.Float32, dimension)),
            "size": pl.Series(sizes, dtype=pl.UInt32),
        }
    )


def _keep_names(
    named: pl.DataFrame, before: Previous, labels: list[Labels], names: list[list[str]]
) -> pl.DataFrame:
    """Give nodes whose membership hardly changed the name and summary that they had."""
    kept = set()
    for level, at in enumerate(labels):
        old_names, old_labels = before.labels(level)
        if not old_names:
            continue
        overlap = Overlap.of(old_labels, at)
        same = overlap.shared >= KEPT_SHARE
        pairs = zip(overlap.old[same], overlap.new[same], strict=True)
        kept |= {old_names[old] for old, new in pairs if old_names[old] == names[level][new]}
    old = before.nodes.filter(pl.col("cluster_id").is_in(list(kept))).select(
        "cluster_id", "level", old_name="name", old_summary="summary"
    )
    joined = named.join(old, on=["cluster_id", "level"], how="left", maintain_order="left")
    # A new name that a kept one already bears would make two nodes of a level look the same.
    clash = pl.col("old_name").is_null() & pl.col("name").is_in(old["old_name"].implode())
    return joined.with_columns(
        name=pl.when(clash).then(pl.format("{} (new)", "name")).otherwise(pl.coalesce("old_name", "name")),
        summary=pl.coalesce("old_summary", "summary"),
    ).drop("old_name", "old_summary")
