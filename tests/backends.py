"""The two backends of clustering and map, for tests that both have to pass."""

from __future__ import annotations

import numpy as np
import pytest

from dagster_project.device import PACKAGES, choose_device

ON_GPU = choose_device("auto").kind == "gpu"
needs_gpu = pytest.mark.skipif(
    not ON_GPU, reason=f"needs a CUDA device and the extra gpu ({choose_device('auto').reason or PACKAGES})"
)
BACKENDS = ["cpu", pytest.param("gpu", marks=[pytest.mark.gpu, needs_gpu])]


def separated(rows: int, groups: int, seed: int = 0, dimension: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors in groups far from each other, and the group of each."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((groups, dimension))
    labels = random.integers(0, groups, rows)
    vectors = centres[labels] + 0.25 * random.standard_normal((rows, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), labels
