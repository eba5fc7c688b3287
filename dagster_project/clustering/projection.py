"""The map: two coordinates for every vector, fitted once on a sample and extended to all other rows.

The layout is UMAP's (McInnes et al. 2018) with the paper's parameters, over exact neighbours and from the first two
principal components, so that both backends start alike. A row that was not fitted is placed among its nearest
fitted points by the fuzzy weights with which UMAP places new points; no later row moves an earlier one, and the time
is linear in the rows. Source: Clio G.6 (n_neighbors=15, min_dist=0, cosine).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dagster_project.clustering.rows import Matrix, Rows

NEIGHBOURS = 15
MIN_DIST = 0.0
# Fitted points at most: what bounds the time of a fit whatever the number of rows.
SAMPLE = 10_000
# Of fewer different points, neighbourhoods of 15 say no more than two principal components do.
FEWEST_FOR_UMAP = 4 * NEIGHBOURS
# Nearer than this, in cosine distance, a row is a copy of a fitted point and stands where that stands.
COPY = 1e-6
MARGIN = 0.02
EXTENT = 10.0
BISECTIONS = 40


@dataclass(frozen=True)
class Projection:
    """Fitted unit vectors [M, D], their places [M, 2] in the unit square, and each one's cosine distance [M] to the
    nearest other fitted point.
    """

    points: Matrix
    places: Matrix
    nearest: Matrix


def fit_projection(points: Matrix, *, seed: int = 0, device: str = "cpu") -> Projection:
    """Lay out different unit vectors [M, D], at most some ten thousand. Deterministic for a seed on a CPU.

    Raises ObservatoryError where `device` is `gpu` and cuML is not installed.
    """
    points = np.ascontiguousarray(points, dtype=np.float32)
    start = principal_places(points)
    if len(points) < FEWEST_FOR_UMAP:
        distances = neighbours(points, points, min(2, len(points)))[1]
        return Projection(points, _to_square(start), distances[:, -1].copy())
    near, distances = neighbours(points, points, NEIGHBOURS)
    if device == "gpu":
        from dagster_project.clustering.gpu import umap_places_on_gpu as lay_out
    else:
        lay_out = _umap_places
    places = lay_out(points, start, near, distances, seed)
    return Projection(points, _to_square(places), distances[:, 1].copy())


def extend_projection(
    fitted: Projection, rows: Rows, positions: NDArray[np.integer]
) -> tuple[Matrix, Matrix]:
    """Places [P, 2] of the rows at `positions`, and their cosine distance [P] to the nearest fitted point."""
    places = np.empty((len(positions), 2), dtype=np.float32)
    nearest = np.empty(len(positions), dtype=np.float32)
    count, filled = min(NEIGHBOURS, len(fitted.points)), 0
    for _, block in rows.blocks(positions):
        near, distances = neighbours(block, fitted.points, count)
        weights = membership(distances)
        span = slice(filled, filled + len(block))
        between = np.einsum("nk,nkd->nd", weights, fitted.places[near]) / weights.sum(axis=1, keepdims=True)
        copies = distances[:, :1] <= COPY
        places[span] = np.where(copies, fitted.places[near[:, 0]], between)
        nearest[span] = distances[:, 0]
        filled += len(block)
    return places, nearest


def neighbours(rows: Matrix, points: Matrix, count: int) -> tuple[NDArray[np.int64], Matrix]:
    """The `count` points nearest to each row [N, count], exactly, and their cosine distances, nearest first."""
    import faiss

    cosines, near = faiss.knn(rows, points, count, metric=faiss.METRIC_INNER_PRODUCT)
    return near, np.maximum(1.0 - cosines, 0.0).astype(np.float32)


def membership(distances: Matrix) -> Matrix:
    """Fuzzy membership [N, k] of rows in their neighbours: 1 for the nearest, falling so that the sum is log2 k.

    As in UMAP: exp(-(d - nearest) / sigma), sigma found for each row by bisection.
    """
    beyond = distances - distances[:, :1]
    wanted = np.log2(max(distances.shape[1], 2))
    low = np.zeros((len(distances), 1), dtype=np.float32)
    high = np.maximum(beyond.max(axis=1, keepdims=True) * distances.shape[1], COPY).astype(np.float32)
    for _ in range(BISECTIONS):
        sigma = (low + high) / 2
        heavy = np.exp(-beyond / np.maximum(sigma, COPY)).sum(axis=1, keepdims=True) > wanted
        low, high = np.where(heavy, low, sigma), np.where(heavy, sigma, high)
    return np.exp(-beyond / np.maximum(high, COPY)).astype(np.float32)


def principal_places(points: Matrix) -> Matrix:
    """The first two principal components [M, 2], scaled to at most 10 from the centre; their signs are fixed."""
    centred = points - points.mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :2]
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    places = centred @ axes
    largest = float(np.abs(places).max(initial=0.0))
    return (places * (EXTENT / largest if largest > 0 else 1.0)).astype(np.float32)


def _umap_places(
    points: Matrix, start: Matrix, near: NDArray[np.int64], distances: Matrix, seed: int
) -> Matrix:
    import warnings

    with warnings.catch_warnings():
        # One thread is the price of a seed, and new points are placed by `extend_projection`: both are meant.
        warnings.simplefilter("ignore")
        from umap import UMAP

        model = UMAP(
            n_neighbors=NEIGHBOURS,
            min_dist=MIN_DIST,
            metric="cosine",
            init=start,  # type: ignore[arg-type]
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(near, distances),  # type: ignore[arg-type]
        )
        return np.asarray(model.fit_transform(points), dtype=np.float32)


def _to_square(places: Matrix) -> Matrix:
    """Places moved and scaled, in one proportion, into the unit square with a margin."""
    low, high = places.min(axis=0), places.max(axis=0)
    span = float((high - low).max())
    scaled = (places - (low + high) / 2) * ((1 - 2 * MARGIN) / span if span > 0 else 0.0)
    return (scaled + 0.5).astype(np.float32)
