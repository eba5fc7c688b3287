"""The map's coordinates: true to neighbourhoods, repeatable, and extended without moving anything."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from dagster_project.clustering import Rows, extend_projection, fit_projection
from dagster_project.clustering.projection import (
    FEWEST_FOR_UMAP,
    Projection,
    membership,
    neighbours,
    principal_places,
)
from tests.backends import BACKENDS, separated


@pytest.fixture(scope="module")
def cpu() -> tuple[np.ndarray, np.ndarray, Projection]:
    vectors, labels = separated(600, 8)
    return vectors, labels, fit_projection(vectors[:400], seed=3)


@pytest.mark.parametrize("device", BACKENDS)
def test_neighbourhoods_survive_fitting_and_extending(device: str) -> None:
    vectors, labels = separated(600, 8)
    fitted = fit_projection(vectors[:400], device=device)
    places, nearest = extend_projection(fitted, Rows.of(vectors), np.arange(400, 600))
    everywhere = np.concatenate([fitted.places, places])
    assert everywhere.min() >= 0 and everywhere.max() < 1 and nearest.min() >= 0
    assert trustworthiness(vectors, everywhere, n_neighbors=15, metric="cosine") > 0.9
    centres = np.stack([fitted.places[labels[:400] == group].mean(axis=0) for group in range(8)])
    closest = np.square(places[:, None] - centres).sum(axis=2).argmin(axis=1)
    assert (closest == labels[400:]).mean() > 0.98


def test_the_same_seed_gives_the_same_map(cpu: tuple) -> None:
    vectors, _, fitted = cpu
    assert np.array_equal(fit_projection(vectors[:400], seed=3).places, fitted.places)


def test_a_row_is_placed_the_same_whatever_comes_with_it(cpu: tuple) -> None:
    vectors, _, fitted = cpu
    rows = Rows.of(vectors)
    together = extend_projection(fitted, rows, np.arange(400, 600))[0]
    alone = extend_projection(fitted, rows, np.array([431]))[0]
    assert np.allclose(alone[0], together[31], atol=1e-5)


def test_a_copy_of_a_fitted_point_stands_where_it_stands(cpu: tuple) -> None:
    vectors, _, fitted = cpu
    scaled = Rows.of(7.0 * vectors[:400])
    places, nearest = extend_projection(fitted, scaled, np.arange(400))
    assert np.array_equal(places, fitted.places) and nearest.max() <= 1e-6


def test_membership_is_one_for_the_nearest_and_adds_up_to_the_log_of_the_neighbours() -> None:
    distances = np.sort(np.random.default_rng(0).random((50, 15)).astype(np.float32), axis=1)
    weights = membership(distances)
    assert np.allclose(weights[:, 0], 1) and (np.diff(weights, axis=1) <= 0).all()
    assert np.allclose(weights.sum(axis=1), np.log2(15), atol=1e-3)
    assert np.isfinite(membership(np.zeros((3, 15), np.float32))).all()


@pytest.mark.parametrize("count", [1, 2, 3, FEWEST_FOR_UMAP - 1])
def test_few_points_are_laid_out_by_principal_components(count: int) -> None:
    vectors, _ = separated(FEWEST_FOR_UMAP, 6)
    fitted = fit_projection(vectors[:count])
    assert fitted.places.shape == (count, 2) and np.isfinite(fitted.places).all()
    places, nearest = extend_projection(fitted, Rows.of(vectors), np.arange(count, FEWEST_FOR_UMAP))
    assert np.isfinite(places).all() and (nearest > 0).all()
    if count > 3:
        assert np.corrcoef(fitted.places[:, 0], principal_places(vectors[:count])[:, 0])[0, 1] > 0.999


def test_neighbours_are_exact_and_nearest_first() -> None:
    vectors, _ = separated(200, 5)
    near, distances = neighbours(vectors[:20], vectors, 5)
    expected = np.argsort(1 - vectors[:20] @ vectors.T, axis=1, kind="stable")[:, :5]
    assert np.array_equal(near, expected) and (np.diff(distances, axis=1) >= -1e-6).all()


def test_extending_loads_no_umap() -> None:
    code = (
        "import sys, numpy as np\n"
        "from dagster_project.clustering import Projection, Rows, extend_projection\n"
        "points = np.eye(20, 32, dtype=np.float32)\n"
        "fitted = Projection(points, np.zeros((20, 2), np.float32), np.ones(20, np.float32))\n"
        "extend_projection(fitted, Rows.of(points + 0.1), np.arange(20))\n"
        "print([m for m in ('umap', 'numba', 'pynndescent', 'sklearn') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
