"""The device backend: its message without cuML here, its agreement with the CPU where there is a device."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from dagster_project.clustering import fit_clusters
from dagster_project.clustering.gpu import fit_clusters_on_gpu
from dagster_project.errors import ObservatoryError

HAS_CUML = importlib.util.find_spec("cuml") is not None


@pytest.mark.skipif(HAS_CUML, reason="cuML is installed")
def test_says_what_to_install() -> None:
    with pytest.raises(ObservatoryError, match=r"lm-observatory\[gpu\]"):
        fit_clusters_on_gpu(np.ones((4, 3), np.float32))


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_CUML, reason="needs a CUDA device and cuML")
def test_is_as_tight_as_the_cpu() -> None:
    vectors = np.random.default_rng(0).standard_normal((20_000, 64)).astype(np.float32)
    assert fit_clusters_on_gpu(vectors, 100).inertia <= 1.03 * fit_clusters(vectors, 100).inertia
