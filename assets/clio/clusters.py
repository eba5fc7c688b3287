"""From vectors to a named tree of clusters whose identities outlive the clustering. Source: Clio G.5 and G.7."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.clio.changes import compared_levels
from assets.clio.model_naming import Label, Level, ModelNamer, SharedNames
from assets.clio.naming import name_nodes
from dagster_project.clustering import (
    Centroids,
    Clustering,
    Hierarchy,
    Overlap,
    birth_id,
    build_hierarchy,
    extend_hierarchy,
    fit_clusters,
    match_identities,
    unit,
)
from dagster_project.errors import ObservatoryError

Labels = NDArray[np.int32]
Vectors = NDArray[np.float32]
Frames = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]

# A node may keep its name while it shares this part of its earlier members with itself before; what it means today
# decides whether it does.
SAME_MEMBERS = 0.5


@dataclass(frozen=True)
class Before:
    """The clustering before, brought to the conversations of today.

    ids: node ids of each level; above: position of each base cluster's node at each level; base: position of each
    conversation's base cluster (-1: a new conversation); centroids, sizes of the base clusters.
    """

    ids: list[list[str]]
    above: list[Labels]
    base: Labels
    centroids: Vectors
    sizes: NDArray[np.int64]
    names: pl.DataFrame

    @classmethod
    def of(cls, frames: Frames, conversations: pl.Series) -> Before:
        """Read cluster_centroids, cluster_nodes and cluster_assignments."""
        centroids, nodes, assignments = frames
        ids = [centroids["cluster_id"].to_list()]
        above = [np.arange(len(ids[0]), dtype=np.int32)]
        parents = dict(nodes.select("cluster_id", "parent_id").iter_rows())
        at = [parents.get(cluster) for cluster in ids[0]]
        while at and all(node is not None for node in at):
            ids.append(list(dict.fromkeys(at)))
            above.append(_positions(at, ids[-1]))
            at = [parents.get(node) for node in at]
        members = pl.DataFrame({"conversation_id": conversations}).join(
            assignments.unique("conversation_id"), on="conversation_id", how="left", maintain_order="left"
        )
        vectors = centroids["centroid"].to_numpy().astype(np.float32)
        sizes = centroids["size"].to_numpy().astype(np.int64)
        names = nodes.select("cluster_id", "name", "summary")
        return cls(ids, above, _positions(members["cluster_id"], ids[0]), vectors, sizes, names)

    def labels(self, level: int) -> Labels:
        """Position of each conversation's node of a level; -1 for a new conversation."""
        return np.where(self.base >= 0, self.above[level][self.base], -1).astype(np.int32)

    def overlap(self, level: int, labels: Labels) -> Overlap:
        """What a level's nodes share with those of today (`labels`), over the conversations that both know."""
        known = self.base >= 0
        return Overlap.of(self.labels(level)[known], labels[known])


def cluster_conversations(
    ids: pl.Series,
    vectors: Vectors,
    facets: pl.DataFrame,
    *,
    clusters: int | None,
    top: int = 10,
    min_users: int,
    seed: int,
    secret: bytes,
    device: str = "cpu",
    previous: Frames | None = None,
    namer: ModelNamer | None = None,
) -> Frames:
    """Cluster conversations, build the tree above the clusters, and name every node.

    In: ids [N] and vectors [N, D] (array or memory map) in one order; facets with conversation_id, user_key,
    started_at, language, request, task in any order; `secret` the home's, under which ids are made; `previous` the frames of an earlier call as cluster_centroids,
    cluster_nodes, cluster_assignments; `namer` names and builds the tree by a model. Out: frames of cluster_assignments,
    cluster_centroids, cluster_nodes.
    Raises ObservatoryError where ids, vectors and facets do not belong together.
    """
    before = Before.of(previous, ids) if previous is not None and previous[0].height else None
    warm = None if before is None else Centroids(before.centroids, before.base)
    members = _members(ids, vectors, facets)
    fitted = fit_clusters(vectors, clusters, seed=seed, previous=warm, device=device)
    sizes = np.bincount(fitted.labels, minlength=len(fitted.centroids))
    at_base = None if before is None else 0
    names = [_identities(0, at_base, fitted.labels, fitted.centroids, ids, secret, before)]
    base_ids = pl.Series(names[0], dtype=pl.String)
    assignments = pl.DataFrame({"conversation_id": ids, "cluster_id": base_ids.gather(fitted.labels)})
    placed = members.with_columns(assignments["cluster_id"])
    if namer is not None:
        still = {} if before is None else _labels_to_keep(before, [fitted.labels], names, [(0, 0)])
        base = Level(names[0], np.arange(len(sizes), dtype=np.int32), fitted.centroids, still)
        namer.name_base(base, placed, vectors, fitted, _by_shared_terms(placed, min_users))
    hierarchy = _hierarchy(names[0], fitted, before, top, seed, namer)
    above = hierarchy.of_base() or [np.arange(len(sizes), dtype=np.int32)]
    compared = compared_levels(len(above) - 1, None if before is None else len(before.ids) - 1)
    centroids = [fitted.centroids]
    for level, nodes in enumerate(above[1:], start=1):
        centroids.append(_centroids_above(fitted.centroids, sizes, nodes))
        below = compared[level][1]
        names.append(
            _identities(level, below, nodes[fitted.labels], centroids[-1], base_ids, secret, before, nodes)
        )
    tree = _tree(hierarchy, names)
    labels = [nodes[fitted.labels] for nodes in above]
    kept = None if before is None else _names_to_keep(before, labels, names, compared)
    if namer is None:
        named = name_nodes(placed, tree, min_users=min_users, kept=kept)
    else:
        still = {} if before is None else _labels_to_keep(before, labels, names, compared)
        levels = [Level(*level, still) for level in zip(names[1:], above[1:], centroids[1:], strict=True)]
        named = namer.name_tree(tree, levels, _by_shared_terms(placed, min_users))
    return assignments, _centroid_frame(fitted, names[0], sizes), named


def _by_shared_terms(members: pl.DataFrame, min_users: int) -> SharedNames:
    """Names without a model, from texts in the place of the members' requests."""
    return lambda nodes, texts: name_nodes(
        members.with_columns(request=texts, task=pl.lit("")), nodes, min_users=min_users
    )


def _members(ids: pl.Series, vectors: Vectors, facets: pl.DataFrame) -> pl.DataFrame:
    """The facets in the order of `ids`."""
    columns = ("conversation_id", "user_key", "language", "request", "task", "day")
    dated = facets.with_columns(day=pl.col("started_at").dt.date())
    members = pl.DataFrame({"conversation_id": ids}).join(
        dated.select(*columns, found=True),
        on="conversation_id",
        how="left",
        maintain_order="left",
    )
    if not len(ids) == len(vectors) == members.height or members["found"].null_count():
        raise ObservatoryError("embeddings and facets are out of step; materialise both again")
    return members.select(columns)


def _positions(nodes: Iterable[str | None], order: list[str]) -> Labels:
    """Position of each node in `order`; -1 where it is not there."""
    places = {node: place for place, node in enumerate(order)}
    return np.array([places.get(node, -1) for node in nodes], dtype=np.int32)  # type: ignore[arg-type]


def _hierarchy(
    ids: list[str], fitted: Clustering, before: Before | None, top: int, seed: int, namer: ModelNamer | None
) -> Hierarchy:
    """The tree above the base clusters: the previous one with new clusters hung in while it still fits.

    Otherwise one of the namer's making, or, without a namer and where it fails, one from the centroids.
    """
    if before is not None and (
        namer is None or namer.keeps_tree([node for level in before.ids[1:] for node in level])
    ):
        old = _positions(ids, before.ids[0])
        known = [np.where(old >= 0, level[old], -1).astype(np.int32) for level in before.above[1:]]
        extended = extend_hierarchy(known, fitted.centroids, top, exact=namer is None)
        if extended is not None:
            if namer is not None:
                namer.extended = True
            return extended
    built = None if namer is None else namer.build(top)
    return built or build_hierarchy(fitted.centroids, top=top, seed=seed)


def _centroids_above(centroids: Vectors, sizes: NDArray[np.int64], nodes: Labels) -> Vectors:
    """Mean direction of each node of a level from its base clusters' centroids and sizes."""
    sums = np.zeros((int(nodes.max()) + 1, centroids.shape[1]), dtype=np.float32)
    np.add.at(sums, nodes, centroids * sizes[:, None].astype(np.float32))
    return unit(sums)


def _identities(
    level: int,
    below: int | None,
    labels: Labels,
    centroids: Vectors,
    parts: pl.Series,
    secret: bytes,
    before: Before | None,
    at: Labels | None = None,
) -> list[str]:
    """Id of each node of a level: the one that it continues, or one born of its parts.

    `below`: the earlier level that it is compared with; `labels`: node of each conversation. `parts` are the ids that make up the nodes (conversations for the base, base
    clusters above), `at` the node of each part.
    """
    matched: list[str | None] = [None] * len(centroids)
    taken: set[str] = set()
    if before is not None:
        taken = {node for nodes in before.ids for node in nodes}
        if below is not None:
            old = (
                before.centroids
                if level == 0
                else _centroids_above(before.centroids, before.sizes, before.above[below])
            )
            overlap = before.overlap(below, labels)
            matched = match_identities(before.ids[below], old, centroids, overlap)
    grouped = pl.DataFrame({"node": labels if at is None else at, "part": parts}).group_by("node").agg("part")
    born = dict(grouped.iter_rows())
    ids = []
    for node, old_id in enumerate(matched):
        ids.append(old_id or birth_id(secret, level, born[node], taken))
        taken.add(ids[-1])
    return ids


def _tree(hierarchy: Hierarchy, names: list[list[str]]) -> pl.DataFrame:
    """cluster_id, level, parent_id of every node, from the base up, by id within a level."""
    frames = []
    for level, ids in enumerate(names):
        top = level == len(names) - 1
        parents = [None] * len(ids) if top else [names[level + 1][node] for node in hierarchy.parents[level]]
        frames.append(
            pl.DataFrame(
                {"cluster_id": ids, "level": [level] * len(ids), "parent_id": parents},
                schema={"cluster_id": pl.String, "level": pl.UInt8, "parent_id": pl.String},
            )
        )
    return pl.concat(frames).sort("level", "cluster_id")


def _centroid_frame(fitted: Clustering, ids: list[str], sizes: NDArray[np.int64]) -> pl.DataFrame:
    dimension = fitted.centroids.shape[1]
    return pl.DataFrame(
        {
            "cluster_id": pl.Series(ids, dtype=pl.String),
            "centroid": pl.Series(fitted.centroids, dtype=pl.Array(pl.Float32, dimension)),
            "size": pl.Series(sizes, dtype=pl.UInt32),
        }
    )


def _labels_to_keep(
    before: Before, labels: list[Labels], names: list[list[str]], compared: list[tuple[int, int | None]]
) -> dict[str, Label]:
    """Earlier labels of the nodes that `_names_to_keep` tells of."""
    rows = _names_to_keep(before, labels, names, compared).iter_rows()
    return {node: Label(name, summary) for node, name, summary in rows}


def _names_to_keep(
    before: Before, labels: list[Labels], names: list[list[str]], compared: list[tuple[int, int | None]]
) -> pl.DataFrame:
    """cluster_id, name, summary of the nodes that are still themselves: few members have left and few came from other nodes.

    Conversations that are new do not count here: whether what they bring still fits the name is for the naming to say.
    """
    same: list[str] = []
    for level, below in compared:
        if below is None:
            continue
        overlap = before.overlap(below, labels[level])
        pairs = zip(overlap.old, overlap.new, overlap.shared, strict=True)
        same += [
            names[level][new]
            for old, new, shared in pairs
            if shared >= SAME_MEMBERS and before.ids[below][old] == names[level][new]
        ]
    return before.names.filter(pl.col("cluster_id").is_in(same))
