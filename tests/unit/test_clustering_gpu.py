"""The device backend: its message without cuML, what it hands to cuML, its agreement with the CPU where a device is."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score

from dagster_project.clustering import Centroids, fit_clusters, fit_projection
from dagster_project.errors import ObservatoryError
from tests.backends import needs_gpu, separated

HAS_CUML = importlib.util.find_spec("cuml") is not None


class FakeUMAP:
    """Takes cuML's arguments by name only, as cuML does, and leaves the points where they start."""

    calls: ClassVar[list[dict]] = []

    def __init__(
        self, *, n_neighbors, min_dist, metric, init, random_state, precomputed_knn, output_type
    ) -> None:
        self.init = init
        knn = [part.shape for part in precomputed_knn]
        self.calls.append(
            {"n": n_neighbors, "d": min_dist, "m": metric, "s": random_state, "o": output_type, "knn": knn}
        )

    def fit_transform(self, points: np.ndarray) -> np.ndarray:
        assert points.dtype == np.float32 and len(points) == len(self.init)
        return self.init


class FakeKMeans:
    """Scikit-learn's Lloyd passes behind cuML's arguments."""

    calls: ClassVar[list[dict]] = []

    def __init__(self, *, n_clusters, init, n_init, max_iter, output_type) -> None:
        self.calls.append({"k": n_clusters, "passes": max_iter, "output": output_type})
        self.model = KMeans(n_clusters, init=init, n_init=n_init, max_iter=max_iter)

    def fit(self, vectors: np.ndarray) -> None:
        self.labels_ = self.model.fit(vectors).labels_


@pytest.fixture
def fake_cuml(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, manifold = ModuleType("cuml.cluster"), ModuleType("cuml.manifold")
    cluster.KMeans, manifold.UMAP = FakeKMeans, FakeUMAP  # type: ignore[attr-defined]
    for name, module in {
        "cuml": ModuleType("cuml"),
        "cuml.cluster": cluster,
        "cuml.manifold": manifold,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    FakeUMAP.calls, FakeKMeans.calls = [], []


@pytest.mark.skipif(HAS_CUML, reason="cuML is installed")
def test_says_what_to_install() -> None:
    with pytest.raises(ObservatoryError, match=r"lm-observatory\[gpu\]"):
        fit_clusters(np.eye(4, 3, dtype=np.float32), device="gpu")
    with pytest.raises(ObservatoryError, match=r"lm-observatory\[gpu\]"):
        fit_projection(separated(80, 4)[0], device="gpu")


def test_the_passes_of_a_fresh_fit_go_to_cuml_and_continuing_does_not(fake_cuml: None) -> None:
    vectors, truth = separated(3_000, 30)
    first = fit_clusters(vectors, 30, device="gpu")
    assert FakeKMeans.calls == [{"k": 30, "passes": 20, "output": "numpy"}]
    assert adjusted_rand_score(truth, first.labels) > 0.99
    on_cpu = fit_clusters(vectors, 30)
    assert abs(first.inertia - on_cpu.inertia) <= 0.01 * on_cpu.inertia
    again = [
        fit_clusters(vectors, 30, previous=Centroids(first.centroids, first.labels), device=where)
        for where in ("cpu", "gpu")
    ]
    assert len(FakeKMeans.calls) == 1
    assert np.array_equal(again[0].labels, again[1].labels)
    assert np.array_equal(again[0].labels, first.labels)


def test_the_layout_goes_to_cuml_with_the_papers_parameters(fake_cuml: None) -> None:
    projection = fit_projection(separated(100, 4)[0], seed=7, device="gpu")
    knn = [(100, 15), (100, 15)]
    assert FakeUMAP.calls == [{"n": 15, "d": 0.0, "m": "cosine", "s": 7, "o": "numpy", "knn": knn}]
    assert projection.places.min() >= 0 and projection.places.max() < 1


@pytest.mark.gpu
@needs_gpu
def test_clusters_agree_with_the_cpu() -> None:
    vectors, _ = separated(20_000, 100)
    ours, theirs = (fit_clusters(vectors, 100, device=where) for where in ("gpu", "cpu"))
    assert abs(ours.inertia - theirs.inertia) <= 0.01 * theirs.inertia
    assert adjusted_rand_score(ours.labels, theirs.labels) >= 0.9


@pytest.mark.gpu
@needs_gpu
def test_the_map_is_as_true_as_the_cpus() -> None:
    vectors, _ = separated(2_000, 20)
    trust = [
        trustworthiness(
            vectors, fit_projection(vectors, device=where).places, n_neighbors=15, metric="cosine"
        )
        for where in ("gpu", "cpu")
    ]
    assert trust[0] >= trust[1] - 0.02
