"""The tree above the base clusters: the paper's number of levels and ratio, nested, without a language model.

The top level is a consensus of many small k-means runs on the centroids (evidence accumulation, Fred & Jain 2005),
because one run, or Ward's tree alone, changes much with the data; the levels between are cuts of Ward's trees
within each top cluster. Source: Clio G.7 for levels and ratio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dagster_project.clustering.kmeans import fit_clusters
from dagster_project.clustering.rows import Labels, Matrix, unit
from dagster_project.clustering.ward import cut_together, ward_tree

# The paper's example steps by ten: 10, 100, 1000. A little over a power of ten is not worth a level.
STEP = 10.0
SLACK = 0.1
RUNS = 100
PASSES = 20
LARGEST_CONSENSUS = 1_500
# A previous tree is kept until this share of its clusters is new, or a level between is this far from its size.
MOST_NEW = 0.1
DRIFT = 0.25
# The levels of a tree that a model builds may be this far from theirs.
LOOSE = 0.6


@dataclass(frozen=True)
class Hierarchy:
    """Parents, one array for each step up: `parents[l][i]` is the level l+1 node that holds node i of level l."""

    parents: tuple[Labels, ...]

    def of_base(self) -> list[Labels]:
        """Node of every base cluster at each level, from the base up."""
        above = [np.arange(len(self.parents[0]), dtype=np.int32)] if self.parents else []
        for parents in self.parents:
            above.append(parents[above[-1]])
        return above


def level_sizes(base: int, top: int) -> list[int]:
    """Clusters wanted at each level from the base up: n_l / n_(l-1) constant, each step at most about tenfold.

    150 and 10 give 150, 39, 10; fewer than one and a half times `top` base clusters need no level above them.
    """
    if base < 1.5 * top:
        return [base]
    steps = max(1, math.ceil(math.log(base / top, STEP) - SLACK))
    ratio = (top / base) ** (1 / steps)
    return [base, *(round(base * ratio**step) for step in range(1, steps)), top]


def build_hierarchy(centroids: Matrix, *, top: int = 10, seed: int = 0) -> Hierarchy:
    """Nested levels above unit base centroids [k, D], with about `top` clusters at the top."""
    sizes = level_sizes(len(centroids), top)
    if len(sizes) == 1:
        return Hierarchy(())
    groups = consensus_groups(centroids, sizes[-1], seed)
    members = [np.flatnonzero(groups == group) for group in range(int(groups.max()) + 1)]
    trees = [ward_tree(centroids[positions]) for positions in members]
    levels = [np.arange(len(centroids), dtype=np.int32)]
    for size in sizes[1:-1]:
        level = np.empty(len(centroids), dtype=np.int32)
        offset = 0
        for positions, labels in zip(members, cut_together(trees, [1.0] * len(trees), size), strict=True):
            level[positions] = labels + offset
            offset += int(labels.max()) + 1
        levels.append(level)
    levels.append(groups)
    return Hierarchy(tuple(_parents(below, above) for below, above in pairwise(levels)))


def extend_hierarchy(
    known: Sequence[Labels], centroids: Matrix, top: int, *, exact: bool = True
) -> Hierarchy | None:
    """The previous tree with the new base clusters hung in, or None where so much is new that it must be built anew.

    `known`: for each level above the base, the node of each base cluster in the previous tree (-1: a new cluster).
    A new cluster joins the node of the first level whose clusters lie nearest in the mean; nodes without clusters go.
    With `exact` the top has to have the size that is wanted; without, every level may be `LOOSE` away from it.
    """
    sizes = level_sizes(len(centroids), top)
    if len(sizes) != len(known) + 1 or not len(known):
        return None
    new = known[0] < 0
    counts = [len(np.unique(level[level >= 0])) for level in known]
    allowed = DRIFT if exact else LOOSE
    drifted = [abs(count - size) > allowed * size for count, size in zip(counts, sizes[1:], strict=True)]
    if new.mean() > MOST_NEW or any(drifted) or (exact and counts[-1] != sizes[-1]):
        return None
    nodes, first = np.unique(known[0][~new], return_index=True)
    means = unit(np.stack([centroids[known[0] == node].sum(axis=0) for node in nodes]))
    nearest = (centroids[new] @ means.T).argmax(axis=1)
    levels = [np.arange(len(centroids), dtype=np.int32)]
    for level in known:
        filled = level.copy()
        filled[new] = level[~new][first][nearest]
        levels.append(np.unique(filled, return_inverse=True)[1].astype(np.int32))
    return Hierarchy(tuple(_parents(below, above) for below, above in pairwise(levels)))


def consensus_groups(points: Matrix, groups: int, seed: int = 0) -> Labels:
    """Group [n] of each point [n, D]: Ward's linkage over how often two points fall apart in k-means runs.

    Each run draws its number of clusters (half to twice `groups`) and of leading principal components (one to six
    times `groups`). Many points are first reduced by k-means, which keeps the time linear.
    """
    if groups >= len(points):
        return np.arange(len(points), dtype=np.int32)
    if len(points) > LARGEST_CONSENSUS:
        reduced = fit_clusters(points, LARGEST_CONSENSUS, seed=seed)
        return consensus_groups(reduced.centroids, groups, seed)[reduced.labels]
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    apart = squareform(1.0 - _together(points, groups, np.random.default_rng(seed)), checks=False)
    tree = linkage(apart, "ward")
    return cut_together([tree], [1.0], groups)[0]


def _together(points: Matrix, groups: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Share of the runs in which two points share a cluster [n, n]."""
    centred = (points - points.mean(axis=0)).astype(np.float64)
    components = centred @ np.linalg.svd(centred, full_matrices=False)[2].T
    shared = np.zeros((len(points), len(points)))
    for _ in range(RUNS):
        clusters = min(int(random.integers(max(2, groups // 2), 2 * groups + 1)), len(points))
        width = int(random.integers(groups, 6 * groups + 1))
        labels = _lloyd(components[:, :width], clusters, random)
        shared += labels[:, None] == labels
    return shared / RUNS


def _lloyd(points: NDArray[np.float64], clusters: int, random: np.random.Generator) -> NDArray[np.intp]:
    """Labels of one small k-means run from k-means++ seeds."""
    lengths = np.square(points).sum(axis=1)
    centres = points[[int(random.integers(len(points)))]]
    nearest = np.square(points - centres[0]).sum(axis=1)
    while len(centres) < clusters and nearest.max() > 0:
        chosen = points[random.choice(len(points), p=nearest / nearest.sum())]
        centres = np.vstack([centres, chosen])
        nearest = np.minimum(nearest, np.square(points - chosen).sum(axis=1))
    labels = np.full(len(points), -1)
    for _ in range(PASSES):
        distances = lengths[:, None] - 2.0 * points @ centres.T + np.square(centres).sum(axis=1)
        updated = distances.argmin(axis=1)
        if (updated == labels).all():
            break
        labels = updated
        sums = np.eye(len(centres))[labels].T @ points
        counts = np.bincount(labels, minlength=len(centres))[:, None]
        centres = np.where(counts > 0, sums / np.maximum(counts, 1), centres)
    return labels


def _parents(below: Labels, above: Labels) -> Labels:
    """Node above of each node below, given both for every base cluster."""
    parents = np.empty(int(below.max()) + 1, dtype=np.int32)
    parents[below] = above
    return parents
