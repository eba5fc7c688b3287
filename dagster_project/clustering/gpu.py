"""The heavy passes of k-means and the layout of the map on a CUDA device, through cuML (extra `gpu`).

Both take what the CPU path starts from (first centroids; exact neighbours and first places), so that the two backends
differ by rounding and by the order of additions alone. Imported only where a device was chosen.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagster_project.clustering.rows import Labels, Matrix, Rows
from dagster_project.errors import ObservatoryError


def refine_on_gpu(rows: Rows, centroids: Matrix, passes: int) -> tuple[Labels, Matrix]:
    """Lloyd's passes from unit centroids [k, D]; labels [N] and unit centroids. 1M x 384 float32 is 1.5 GB there.

    cuML compares with means, not with directions: for rows of length 1 that is ordinary k-means, and `finish` measures
    both backends alike. Raises ObservatoryError where cuML is not installed.
    """
    model = _cuml("cuml.cluster").KMeans(
        n_clusters=len(centroids), init=centroids, n_init=1, max_iter=passes, output_type="numpy"
    )
    model.fit(np.concatenate([block for _, block in rows.blocks()]))
    labels = np.asarray(model.labels_, dtype=np.int32)
    filled = np.bincount(labels, minlength=len(centroids)) > 0
    return labels, np.where(filled[:, None], rows.centroids(labels, len(centroids)), centroids)


def umap_places_on_gpu(
    points: Matrix, start: Matrix, near: NDArray[np.int64], distances: Matrix, seed: int
) -> Matrix:
    """UMAP's layout [M, 2] of unit vectors [M, D] from `start`, over given neighbours; a seed makes it repeatable.

    Raises ObservatoryError where cuML is not installed.
    """
    model = _cuml("cuml.manifold").UMAP(
        n_neighbors=near.shape[1],
        min_dist=0.0,
        metric="cosine",
        init=start,
        random_state=seed,
        precomputed_knn=(near, distances),
        output_type="numpy",
    )
    return np.asarray(model.fit_transform(points), dtype=np.float32)


def _cuml(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise ObservatoryError(
            "a GPU was chosen, but cuML is not installed: pip install 'lm-observatory[gpu]', or set device to cpu"
        ) from None
