"""Which centroid is nearest: exactly, through an inverted index, or among the neighbours of the present one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dagster_project.clustering.rows import Labels, Matrix, Rows, members_by_cluster

# Up to here one exact pass is cheaper than what an index or neighbour lists cost.
EXACT_CLUSTERS = 256
INDEXED_CLUSTERS = 4_096
# A row's nearest centroid is almost always among those nearest to its present one (k^2-means, Agustsson et al. 2017).
NEIGHBOURS = 24
CLUSTERS_PER_BLOCK = 32


def assign(rows: Rows, centroids: Matrix, positions: NDArray[np.integer] | None = None) -> Labels:
    """Nearest centroid of each row (of those at `positions`): exact up to 4,096 centroids, indexed beyond."""
    import faiss

    search = (
        faiss.IndexFlatIP(centroids.shape[1]) if len(centroids) <= INDEXED_CLUSTERS else _index(centroids)
    )
    if not search.ntotal:
        search.add(np.ascontiguousarray(centroids))
    found = np.empty(len(rows) if positions is None else len(positions), dtype=np.int32)
    filled = 0
    for _, block in rows.blocks(positions):
        found[filled : filled + len(block)] = search.search(block, 1)[1][:, 0]
        filled += len(block)
    return found


def _index(centroids: Matrix):
    """An inverted file over the centroids: each row looks at about 16 sqrt(k) of k of them."""
    import faiss

    dimension = centroids.shape[1]
    lists = int(np.sqrt(len(centroids)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dimension), dimension, lists, faiss.METRIC_INNER_PRODUCT)
    index.train(np.ascontiguousarray(centroids))
    index.add(np.ascontiguousarray(centroids))
    index.nprobe = 16
    return index


@dataclass(frozen=True)
class Neighbourhoods:
    """Clusters in blocks of similar ones, and for each block the clusters that a row of it may move to."""

    nearest: NDArray[np.int64]
    blocks: list[NDArray[np.int64]]
    candidates: list[NDArray[np.int64]]

    @classmethod
    def of(cls, centroids: Matrix) -> Neighbourhoods:
        """Neighbours of centroids [k, D]; blocks large enough that their products run at full speed."""
        import faiss

        count = min(NEIGHBOURS, len(centroids))
        nearest = faiss.knn(centroids, centroids, count, metric=faiss.METRIC_INNER_PRODUCT)[1]
        blocks = _blocks_of_similar(centroids)
        candidates = [np.union1d(block, nearest[block].ravel()) for block in blocks]
        return cls(nearest, blocks, candidates)

    def reassign(
        self, rows: Rows, centroids: Matrix, labels: Labels, active: NDArray[np.bool_], margin: float
    ) -> Labels:
        """Labels after the rows of clusters that are active, or have an active neighbour, moved to the best candidate.

        Every other row keeps its cluster, because nothing near it has changed; so does a row whose cosine would
        not grow by more than `margin`.
        """
        concerned = active | active[self.nearest].any(axis=1)
        members = members_by_cluster(labels, len(centroids))
        updated = labels.copy()
        for block, candidates in zip(self.blocks, self.candidates, strict=True):
            own = [members[cluster] for cluster in block if concerned[cluster]]
            if not own:
                continue
            targets = centroids[candidates].T
            for positions, part in rows.blocks(np.sort(np.concatenate(own))):
                products = part @ targets
                row, best = np.arange(len(part)), products.argmax(axis=1)
                present = products[row, np.searchsorted(candidates, labels[positions])]
                better = products[row, best] > present + margin
                updated[positions[better]] = candidates[best[better]]
        return updated


def _blocks_of_similar(centroids: Matrix) -> list[NDArray[np.int64]]:
    """Centroids in about k / 32 blocks of neighbours."""
    import faiss

    count = len(centroids) // CLUSTERS_PER_BLOCK
    if count < 2:
        return [np.arange(len(centroids))]
    coarse = faiss.Kmeans(
        centroids.shape[1], count, niter=6, seed=1, spherical=True, min_points_per_centroid=1
    )
    coarse.train(centroids)
    labels = coarse.index.search(centroids, 1)[1][:, 0]
    return [block for group in range(count) if len(block := np.flatnonzero(labels == group))]
