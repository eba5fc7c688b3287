"""What the map costs: fitting points, and extending it to further rows, on a mixture of Gaussians on the sphere.

`python -m benchmarks.projection --fit 5000 10000 --extend 80000 --json FILE`. The first fit of a process includes
importing umap and compiling its loops; `fit` is without them, `cold` is them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dagster_project.bench import machine
from dagster_project.clustering import Rows, extend_projection, fit_projection
from dagster_project.memory import peak_megabytes, reset_peak

DIMENSIONS = 384
T = TypeVar("T")
TOPS, GROUPS = 8, 60
JUDGED = 2_000


def mixture(rows: int, seed: int = 0) -> np.ndarray:
    """Unit vectors [rows, 384]: 60 groups of uneven size around 8 directions."""
    random = np.random.default_rng(seed)
    tops = random.standard_normal((TOPS, DIMENSIONS))
    centres = tops[random.integers(0, TOPS, GROUPS)] + 0.9 * random.standard_normal((GROUPS, DIMENSIONS))
    group = random.choice(GROUPS, rows, p=random.dirichlet(np.full(GROUPS, 2.0)))
    vectors = (centres[group] + 1.2 * random.standard_normal((rows, DIMENSIONS))).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def measure(fit: int, extend: int) -> dict[str, Any]:
    """Seconds, peak memory and trustworthiness for `fit` fitted points and `extend` more rows."""
    from sklearn.manifold import trustworthiness

    vectors = mixture(fit + extend)
    reset_peak()
    fitted, fit_seconds = timed(lambda: fit_projection(vectors[:fit]))
    fit_memory = peak_megabytes()
    reset_peak()
    (places, _), extend_seconds = timed(
        lambda: extend_projection(fitted, Rows.of(vectors), np.arange(fit, fit + extend))
    )
    judged = slice(0, JUDGED)
    truth = [
        trustworthiness(rows[judged], where[judged], n_neighbors=15, metric="cosine")
        for rows, where in ((vectors[:fit], fitted.places), (vectors[fit:], places))
    ]
    return {
        "fitted": fit,
        "extended": extend,
        "fit": fit_seconds,
        "fit_peak_memory_mb": fit_memory,
        "extend": extend_seconds,
        "extend_peak_memory_mb": peak_megabytes(),
        "trustworthiness_fitted": round(float(truth[0]), 3),
        "trustworthiness_extended": round(float(truth[1]), 3),
    }


def timed(work: Callable[[], T]) -> tuple[T, dict[str, float]]:
    """The result, and seconds by the wall and of the processor: only the latter holds on a busy machine."""
    wall, processor = time.monotonic(), time.process_time()
    result = work()
    spent = {"seconds": time.monotonic() - wall, "processor_seconds": time.process_time() - processor}
    return result, {name: round(value, 1) for name, value in spent.items()}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", type=int, nargs="+", default=[5_000, 10_000])
    parser.add_argument("--extend", type=int, default=80_000)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    _, cold = timed(lambda: fit_projection(mixture(200)))
    runs = [measure(fit, options.extend) for fit in options.fit]
    result = {"machine": machine(), "cold": cold, "runs": runs}
    options.json.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
