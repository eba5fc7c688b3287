"""Spherical k-means whose time grows almost linearly with the rows although k grows with them.

First centroids come from Ward trees over groups of rows, cut at one loss; Lloyd's passes then look at every
centroid while there are few, and at the neighbours of a row's present centroid when there are many
(k^2-means, Agustsson et al. 2017). A previous clustering is continued instead: new rows join the nearest centroid;
when k has grown, topics that are new get clusters of their own and those with the largest spread split; and only what
is touched is refined.
Source: Clio G.5 (base clusters by k-means); specs/privacy_reliability.md section 4 for the floors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dagster_project.clustering.assignment import EXACT_CLUSTERS, Neighbourhoods, assign
from dagster_project.clustering.novelty import join_new_topics, new_topics
from dagster_project.clustering.rows import Labels, Matrix, Rows, unit
from dagster_project.clustering.split import split_widest
from dagster_project.clustering.ward import cut_together, ward_tree
from dagster_project.errors import ObservatoryError

ROWS_PER_CLUSTER = 100
FEWEST_CLUSTERS = 8
# Rows of one Ward tree: its time and memory grow with the square.
LARGEST_TREE = 5_000
GROUP = 1_200
PASSES = 20
WARM_PASSES = 3
# In a continued clustering a row moves only for a gain in cosine that matters: borders do not flicker.
WARM_MARGIN = 0.01
SETTLED = 0.001
STILL = 1e-6


@dataclass(frozen=True)
class Centroids:
    """A previous clustering: unit vectors [k, D], and the cluster of each row of today (-1: a new row), if known."""

    vectors: Matrix
    labels: Labels | None = None


@dataclass(frozen=True)
class Clustering:
    """Cluster of each row, int32 [N]; unit centroids [k, D], none empty; sum of squared distances to them."""

    labels: Labels
    centroids: Matrix
    inertia: float


def default_clusters(rows: int) -> int:
    """One cluster for 100 rows, at least 8 (the paper's cost table assumes 100 conversations per cluster)."""
    return max(FEWEST_CLUSTERS, rows // ROWS_PER_CLUSTER)


def fit_clusters(
    vectors: Matrix,
    k: int | None = None,
    *,
    seed: int = 0,
    previous: Centroids | None = None,
    device: str = "cpu",
) -> Clustering:
    """Cluster vectors [N, D] (array or memory map, any lengths) by cosine into at most k clusters.

    There are fewer than k where fewer rows differ. With `previous`, cluster i of the result continues cluster i of
    it as long as both have members, unless so much is new that a fresh fit is due. On `gpu` the passes of a fresh
    fit run there, from the same first centroids; continuing is the same code for both, and cheap.
    Raises ObservatoryError on no rows, on k < 1, on values that are not finite, and without cuML for `gpu`.
    """
    rows = Rows.of(vectors)
    if len(rows) == 0:
        raise ObservatoryError("there is nothing to cluster; add conversations first")
    if k is not None and k < 1:
        raise ObservatoryError("the number of clusters must be at least 1")
    target = min(k or default_clusters(len(rows)), len(rows))
    if previous is not None and _continues(previous, target, k is not None, rows):
        return finish(rows, _continue(rows, previous, target, np.random.default_rng(seed)))
    labels, centroids = _first_centroids(rows, target, np.random.default_rng(seed))
    if device == "gpu":
        from dagster_project.clustering.gpu import refine_on_gpu

        labels, centroids = refine_on_gpu(rows, centroids, PASSES)
    else:
        labels, centroids = _refine(rows, labels, centroids, PASSES)
    return finish(rows, split_widest(rows, labels, centroids, target)[0])


def _continues(previous: Centroids, target: int, exact: bool, rows: Rows) -> bool:
    """Whether the previous clustering is near enough to continue: most rows known, k about the same."""
    known = len(previous.vectors)
    if known == 0 or previous.vectors.shape[1] != rows.vectors.shape[1]:
        return False
    if previous.labels is not None and (previous.labels < 0).mean() > 0.5:
        return False
    most = target if exact else max(target + 1, int(1.1 * target))
    return target / 1.5 <= known <= most


def _continue(rows: Rows, previous: Centroids, target: int, random: np.random.Generator) -> Labels:
    centroids = unit(np.asarray(previous.vectors, dtype=np.float32))
    labels = np.full(len(rows), -1, np.int32) if previous.labels is None else previous.labels.astype(np.int32)
    fresh = np.flatnonzero(labels < 0)
    if len(fresh) < len(rows):
        # The old members say where a centroid is today, also after some of them have gone.
        filled = np.bincount(labels[labels >= 0], minlength=len(centroids)) > 0
        centroids = np.where(filled[:, None], rows.centroids(labels, len(centroids)), centroids)
    labels[fresh] = assign(rows, centroids, fresh)
    topics = new_topics(rows, fresh, centroids, target - len(centroids), random)
    labels = join_new_topics(rows, labels, centroids, fresh, topics) if len(topics) else labels
    centroids = np.concatenate([centroids, topics])
    touched = np.zeros(max(target, len(centroids)), dtype=bool)
    touched[np.unique(labels[fresh])] = True
    grown, centroids = split_widest(rows, labels, rows.centroids(labels, len(centroids)), target)
    touched[np.unique(np.concatenate([labels[grown != labels], grown[grown != labels]]))] = True
    return _refine(rows, grown, centroids, WARM_PASSES, touched[: len(centroids)])[0]


def _first_centroids(rows: Rows, k: int, random: np.random.Generator) -> tuple[Labels, Matrix]:
    """Labels [N] and centroids [k, D] from Ward trees over groups of similar rows."""
    groups = _coarse_groups(rows, k, random)
    largest = LARGEST_TREE if len(groups) == 1 else GROUP
    samples = [_sample(group, largest, random) for group in groups]
    trees = [ward_tree(rows.take(sample)) for sample in samples]
    weights = [len(group) / len(sample) for group, sample in zip(groups, samples, strict=True)]
    labels = np.empty(len(rows), dtype=np.int32)
    found: list[Matrix] = []
    offset = 0
    for group, sample, leaves in zip(groups, samples, cut_together(trees, weights, k), strict=True):
        local = Rows(rows.take(sample), np.ones(len(sample), np.float32)).centroids(
            leaves, int(leaves.max()) + 1
        )
        labels[group] = assign(rows, local, group) + offset
        found.append(local)
        offset += len(local)
    return labels, np.concatenate(found)


def _sample(group: NDArray[np.int64], largest: int, random: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(random.choice(group, largest, replace=False)) if len(group) > largest else group


def _coarse_groups(rows: Rows, k: int, random: np.random.Generator) -> list[NDArray[np.int64]]:
    """Positions of the rows in groups of about 1,200 similar ones; one group where a sample serves all clusters."""
    count = min(len(rows) // GROUP, k // 8)
    if len(rows) <= LARGEST_TREE or count < 2:
        return [np.arange(len(rows))]
    import faiss

    sample = np.sort(random.choice(len(rows), min(len(rows), 128 * count), replace=False))
    seed = int(random.integers(2**31))
    coarse = faiss.Kmeans(rows.vectors.shape[1], count, niter=10, seed=seed, spherical=True)
    coarse.train(rows.take(sample))
    labels = assign(rows, np.asarray(coarse.centroids, dtype=np.float32))
    return [group for cluster in range(count) if len(group := np.flatnonzero(labels == cluster))]


def _refine(
    rows: Rows, labels: Labels, centroids: Matrix, passes: int, touched: NDArray[np.bool_] | None = None
) -> tuple[Labels, Matrix]:
    """Lloyd's passes until at most 1 row in 1,000 moves; only around `touched` clusters where given."""
    k = len(centroids)
    exact = k <= EXACT_CLUSTERS and touched is None
    margin = 0.0 if touched is None else WARM_MARGIN
    active = np.ones(k, dtype=np.bool_) if touched is None else touched
    for _ in range(passes):
        if exact:
            updated = assign(rows, centroids)
        else:
            updated = Neighbourhoods.of(centroids).reassign(rows, centroids, labels, active, margin)
        moved = updated != labels
        filled = np.bincount(updated, minlength=k) > 0
        moved_centroids = np.where(filled[:, None], rows.centroids(updated, k), centroids)
        active = np.asarray(np.square(moved_centroids - centroids).sum(axis=1) > STILL)
        labels, centroids = updated, moved_centroids
        if moved.mean() <= SETTLED:
            break
    return labels, centroids


def finish(rows: Rows, labels: Labels) -> Clustering:
    """The clustering without empty clusters, its centroids the means of their members."""
    kept, dense = np.unique(labels, return_inverse=True)
    labels = dense.astype(np.int32)
    centroids = rows.centroids(labels, len(kept))
    return Clustering(labels, centroids, float(rows.distances(labels, centroids).sum(dtype=np.float64)))
