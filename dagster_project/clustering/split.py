"""More clusters by splitting those with the largest spread: fills empty ones, and follows a k that has grown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dagster_project.clustering.rows import Labels, Matrix, Rows, members_by_cluster

LOCAL_PASSES = 5
# Below this sum of squared distances the members of a cluster are equal but for rounding.
FLAT = 1e-5


def split_widest(rows: Rows, labels: Labels, centroids: Matrix, clusters: int) -> tuple[Labels, Matrix]:
    """Split the clusters with the largest sum of squared distances until `clusters` have members.

    Empty clusters are filled first, new ones are added after the last. Stops early where members no longer differ.
    """
    labels, centroids = labels.copy(), centroids.copy()
    while True:
        sizes = np.bincount(labels, minlength=len(centroids))
        missing = clusters - int((sizes > 0).sum())
        if missing <= 0:
            return labels, centroids
        spread = np.bincount(labels, rows.distances(labels, centroids), minlength=len(centroids))
        widest = np.argsort(-spread, kind="stable")[:missing]
        widest = widest[spread[widest] > FLAT]
        free = [*np.flatnonzero(sizes == 0), *range(len(centroids), len(centroids) + len(widest))]
        members = members_by_cluster(labels, len(centroids))
        made = 0
        for cluster in widest:
            away = _halve(rows.take(members[cluster]))
            if away.any() and not away.all():
                labels[members[cluster][away]] = free[made]
                made += 1
        if made == 0:
            return labels, centroids
        centroids = rows.centroids(labels, max(len(centroids), int(labels.max()) + 1))


def _halve(points: Matrix) -> NDArray[np.bool_]:
    """Which points [n, D] go to the new half: 2-means, started across the direction of largest variance."""
    centred = points - points.mean(axis=0)
    direction = centred[np.square(centred).sum(axis=1).argmax()]
    for _ in range(LOCAL_PASSES):
        direction = centred.T @ (centred @ direction)
        direction /= max(float(np.linalg.norm(direction)), np.finfo(np.float32).tiny)
    away = centred @ direction > 0
    for _ in range(LOCAL_PASSES):
        if away.all() or not away.any():
            break
        # The smaller side is the new one, so that the larger keeps its cluster's identity.
        halves = np.stack([points[~away].mean(axis=0), points[away].mean(axis=0)])
        distances = np.square(halves).sum(axis=1) - 2.0 * points @ halves.T
        away = distances[:, 1] < distances[:, 0]
    return away if away.sum() * 2 <= len(away) else ~away
