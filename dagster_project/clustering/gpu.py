"""The same k-means on a CUDA device through cuML; imported only where somebody asks for it (extra `gpu`)."""

from __future__ import annotations

import numpy as np

from dagster_project.clustering.assignment import assign
from dagster_project.clustering.kmeans import Centroids, Clustering, default_clusters, finish
from dagster_project.clustering.rows import Matrix, Rows, unit
from dagster_project.errors import ObservatoryError

PASSES = 50
WARM_PASSES = 3


def fit_clusters_on_gpu(
    vectors: Matrix, k: int | None = None, *, seed: int = 0, previous: Centroids | None = None
) -> Clustering:
    """As `fit_clusters`: cluster vectors [N, D] by cosine into at most k clusters; 1M x 384 float32 is 1.5 GB there.

    With `previous` the passes start from its centroids, where their number fits, and are few. Labels of a previous
    clustering are not needed: one exact assignment of all rows is cheap on a device.
    Raises ObservatoryError where cuML is not installed, on no rows, and on values that are not finite.
    """
    try:
        from cuml.cluster import KMeans  # type: ignore[import-not-found]
    except ImportError:
        raise ObservatoryError(
            "clustering on a GPU needs the extra: pip install 'lm-observatory[gpu]'"
        ) from None
    rows = Rows.of(vectors)
    if len(rows) == 0:
        raise ObservatoryError("there is nothing to cluster; add conversations first")
    target = min(k or default_clusters(len(rows)), len(rows))
    warm = previous is not None and previous.vectors.shape == (target, vectors.shape[1])
    model = KMeans(
        n_clusters=target,
        init=unit(previous.vectors) if previous is not None and warm else "scalable-k-means++",
        max_iter=WARM_PASSES if warm else PASSES,
        n_init=1,
        random_state=seed,
        output_type="numpy",
    )
    model.fit(np.concatenate([block for _, block in rows.blocks()]))
    centroids = unit(np.asarray(model.cluster_centers_, dtype=np.float32))
    return finish(rows, assign(rows, centroids))
