"""Ward's agglomeration, once or in groups: the base of the first centroids and of the hierarchy.

Ward's merges (Ward 1963) lose the least within-cluster variance, which is what k-means minimises, so a cut of
the tree is a far better start for k-means than points drawn at random, and it needs no luck with a seed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dagster_project.clustering.rows import Labels, Matrix

Tree = NDArray[np.float64]


def ward_tree(points: Matrix) -> Tree:
    """Merges [n-1, 4] of points [n, D], in SciPy's linkage form. Memory: two condensed matrices, 8 n^2 bytes."""
    from scipy.cluster.hierarchy import linkage

    if len(points) < 2:
        return np.empty((0, 4))
    return linkage(_condensed_distances(points), "ward")


def cut(tree: Tree, merges: int) -> Labels:
    """Cluster of each leaf [n] after the first `merges` merges."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    leaves = len(tree) + 1
    made = np.repeat(np.arange(leaves, leaves + merges), 2)
    joined = tree[:merges, :2].astype(np.int64).ravel()
    graph = coo_array((np.ones(len(made)), (made, joined)), shape=(leaves + merges, leaves + merges))
    labels = connected_components(graph, directed=False)[1][:leaves]
    return np.unique(labels, return_inverse=True)[1].astype(np.int32)


def ward_groups(points: Matrix, largest: int) -> list[NDArray[np.int64]]:
    """Positions that each merge of the tree over points [n, D] brings together, up to `largest` of them."""
    groups: list[NDArray[np.int64] | None] = [np.array([leaf]) for leaf in range(len(points))]
    for left, right in ward_tree(points)[:, :2].astype(np.int64):
        one, other = groups[left], groups[right]
        small = one is not None and other is not None and len(one) + len(other) <= largest
        groups.append(np.sort(np.concatenate([one, other])) if small else None)  # type: ignore[list-item]
    return [group for group in groups[len(points) :] if group is not None]


def cut_together(trees: Sequence[Tree], weights: Sequence[float], clusters: int) -> list[Labels]:
    """Cut several trees at one loss, so that they have `clusters` clusters in all (at least one each).

    `weights`: rows that one leaf of each tree stands for. Labels start at 0 in each tree.
    """
    losses = [weight * np.square(tree[:, 2]) for tree, weight in zip(trees, weights, strict=True)]
    owner = np.repeat(np.arange(len(trees)), [len(loss) for loss in losses])
    leaves = len(owner) + len(trees)
    wanted = leaves - min(max(clusters, len(trees)), leaves)
    cheapest = np.argsort(np.concatenate(losses), kind="stable")[:wanted] if len(owner) else owner
    merges = np.bincount(owner[cheapest], minlength=len(trees))
    return [cut(tree, int(count)) for tree, count in zip(trees, merges, strict=True)]


def _condensed_distances(points: Matrix) -> NDArray[np.float64]:
    count = len(points)
    condensed = np.empty(count * (count - 1) // 2)
    lengths = np.square(points).sum(axis=1)
    filled = 0
    for row in range(count - 1):
        if row % 256 == 0:
            block = points[row : row + 256]
            products = block @ points[row:].T
            squared = lengths[row : row + 256, None] + lengths[row:] - 2.0 * products
            distances = np.sqrt(np.maximum(squared, 0.0))
        ahead = distances[row % 256, row % 256 + 1 :]
        condensed[filled : filled + len(ahead)] = ahead
        filled += len(ahead)
    return condensed
