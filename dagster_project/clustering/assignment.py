"""Which centroid is nearest: exactly, through an inverted index, or among the neighbours of the present one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dagster_project.clustering.rows import Labels, Matrix, Rows, members_by_cluster

# Up to here one exact pass is cheaper than what an index or neighbour lists cost.
EXACT_CLUSTERS = 256
INDEXED_CLUSTERS = 4_096
# A row's nearest centroid is almost always among those nearest to its present one (k^2-means, Agustsson et al. 2017).
NEIGHBOURS = 48


def assign(rows: Rows, centroids: Matrix, positions: NDArray[np.integer] | None = None) -> Labels:
    """Nearest centroid of each row (of those at `positions`): exact up to 4,096 centroids, indexed beyond."""
    import faiss

    search = faiss.IndexFlatIP(centroids.shape[1]) if len(centroids) <= INDEXED_CLUSTERS else _index(centroids)
    if not search.ntotal:
        search.add(np.ascontiguousarray(centroids))
    found = np.empty(len(rows) if positions is None else len(positions), dtype=np.int32)
    filled = 0
    for _, block in rows.blocks(positions):
        found[filled : filled + len(block)] = search.search(block, 1)[1][:, 0]
        filled += len(block)
    return found


def _index(centroids: Matrix):  # noqa: ANN202
    """An inverted file over the centroids: each row looks at about 16 sqrt(k) of k of them."""
    import faiss

    dimension = centroids.shape[1]
    lists = int(np.sqrt(len(centroids)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dimension), dimension, lists, faiss.METRIC_INNER_PRODUCT)
    index.train(np.ascontiguousarray(centroids))
    index.add(np.ascontiguousarray(centroids))
    index.nprobe = 16
    return index


def neighbour_lists(centroids: Matrix) -> NDArray[np.int64]:
    """Each centroid's nearest centroids [k, NEIGHBOURS], itself first."""
    import faiss

    count = min(NEIGHBOURS, len(centroids))
    lists = faiss.knn(centroids, centroids, count, metric=faiss.METRIC_INNER_PRODUCT)[1]
    itself = np.arange(len(centroids))
    # Equal centroids may list each other before themselves, or leave themselves out.
    elsewhere = np.argmax(lists == itself[:, None], axis=1)
    lists[itself, elsewhere] = lists[:, 0]
    lists[:, 0] = itself
    return lists


def reassign_near(
    rows: Rows, centroids: Matrix, labels: Labels, lists: NDArray[np.int64], active: NDArray[np.bool_]
) -> Labels:
    """Labels after the rows of `active` clusters moved to the best centroid in their cluster's neighbour list."""
    members = members_by_cluster(labels, len(centroids))
    updated = labels.copy()
    for cluster in np.flatnonzero(active):
        own = members[cluster]
        if len(own):
            # argmax takes the first of equals, and a list starts with the cluster itself: ties stay.
            best = (rows.take(own) @ centroids[lists[cluster]].T).argmax(axis=1)
            updated[own] = lists[cluster][best]
    return updated
