"""New topics among new rows: places where new rows crowd although few old ones lie there.

A row of a topic that goes on has old rows around it in the proportion of old to new; a row of a new topic has almost
only new ones. A topic that grows severalfold at once looks new as well. This is the two-sample test by nearest neighbours (Schilling 1986), taken row by row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dagster_project.clustering.rows import Labels, Matrix, Rows, unit

NEIGHBOURS = 12
# A core of fewer rows is no topic: nothing so small may ever be shown (specs/privacy_reliability.md 1.3, the floor).
SMALLEST = 5
# Chance that a row of an old topic looks new.
CHANCE = 1e-4
# More rows are sampled, so that the cost is bounded: the products of 8,000 by 40,000 rows take some seconds.
LARGEST_NEW, LARGEST_OLD = 8_000, 32_000


def new_topics(
    rows: Rows, fresh: NDArray[np.integer], known: Matrix, most: int, random: np.random.Generator
) -> Matrix:
    """Centroids [n, D] of at most `most` groups of `fresh` rows that no old rows account for, largest first.

    A group has SMALLEST rows or more. One of fewer than NEIGHBOURS is one with a group that is nearer to it than any
    centroid [k, D] of `known` is to either: a topic in two languages. All rows that are not fresh are old; there are
    none where fresh rows are more than half, since then everything looks new.
    """
    old = np.setdiff1d(np.arange(len(rows)), fresh)
    if most < 1 or len(fresh) < NEIGHBOURS or len(fresh) > len(old):
        return np.empty((0, rows.vectors.shape[1]), np.float32)
    new, old = _sample(fresh, LARGEST_NEW, random), _sample(old, LARGEST_OLD, random)
    near = _nearest(rows.take(np.concatenate([new, old])), len(new))
    novel = (near < len(new)).sum(axis=1) >= _rare_count(len(new) / (len(new) + len(old)))
    means, sizes = _means(rows.take(new), _groups(near, novel))
    means, sizes = _joined(means[sizes >= SMALLEST], sizes[sizes >= SMALLEST], known)
    return means[np.argsort(-sizes, kind="stable")[:most]]


def join_new_topics(
    rows: Rows, labels: Labels, centroids: Matrix, fresh: NDArray[np.integer], topics: Matrix
) -> Labels:
    """Labels after those fresh rows that are nearer to a new topic than to their cluster have moved to it."""
    labels = labels.copy()
    for positions, block in rows.blocks(fresh):
        nearness = block @ topics.T
        best = nearness.argmax(axis=1)
        own = np.einsum("nd,nd->n", block, centroids[labels[positions]])
        nearer = nearness[np.arange(len(block)), best] > own
        labels[positions[nearer]] = len(centroids) + best[nearer]
    return labels


def _sample(positions: NDArray[np.integer], largest: int, random: np.random.Generator) -> NDArray[np.integer]:
    if len(positions) <= largest:
        return positions
    return np.sort(random.choice(positions, largest, replace=False))


def _nearest(points: Matrix, queries: int) -> NDArray[np.int64]:
    """The NEIGHBOURS nearest other points of each of the first `queries` points."""
    import faiss

    count = min(NEIGHBOURS + 1, len(points))
    near = faiss.knn(points[:queries], points, count, metric=faiss.METRIC_INNER_PRODUCT)[1]
    own = near == np.arange(queries)[:, None]
    # Among equal points a row may miss itself: then the last one is left out.
    own[~own.any(axis=1), -1] = True
    return near[~own].reshape(queries, count - 1)


def _rare_count(share: float) -> int:
    """Smallest number of new neighbours that is a rare chance where `share` of all rows is new."""
    from scipy.special import bdtrc

    return int(np.argmax(bdtrc(np.arange(NEIGHBOURS + 1), NEIGHBOURS, share) <= CHANCE)) + 1


def _groups(near: NDArray[np.int64], novel: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Group of each novel row, -1 for others: novel rows that are each other's neighbours belong together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, column = np.nonzero((near < len(novel)) & novel[:, None])
    others = near[rows, column]
    kept = novel[others]
    shape = (len(novel), len(novel))
    links = coo_array((np.ones(int(kept.sum())), (rows[kept], others[kept])), shape=shape).tocsr()
    mutual = links.multiply(links.T)
    groups = np.asarray(connected_components(mutual, directed=False)[1], dtype=np.int64)
    return np.where(novel, groups, -1)


def _means(points: Matrix, groups: NDArray[np.int64]) -> tuple[Matrix, NDArray[np.int64]]:
    """Centroid [n, D] and size of each group of points; -1 is no group."""
    inside = groups >= 0
    sizes = np.bincount(groups[inside])
    sums = np.zeros((len(sizes), points.shape[1]), dtype=np.float32)
    np.add.at(sums, groups[inside], points[inside])
    return unit(sums), sizes


def _joined(means: Matrix, sizes: NDArray[np.int64], known: Matrix) -> tuple[Matrix, NDArray[np.int64]]:
    """Centroids and sizes after small groups became one with groups nearer to them than known ones are to either."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    if len(means) < 2:
        return means, sizes
    own = (means @ known.T).max(axis=1)
    small = sizes < NEIGHBOURS
    near = (means @ means.T > np.maximum(own[:, None], own)) & (small[:, None] | small)
    joined = np.asarray(connected_components(csr_array(near), directed=False)[1], dtype=np.int64)
    weighted = means * sizes[:, None].astype(np.float32)
    return _means(weighted, joined)[0], np.bincount(joined, sizes).astype(np.int64)
