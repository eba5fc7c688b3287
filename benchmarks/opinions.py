"""Seconds from votes to opinion groups and consensus, in both variants.

python -m benchmarks.opinions --participants 2000 --statements 900 --json FILE
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import polars as pl

from assets.collective_constitution.consensus import consensus, group_counts, representativeness
from assets.collective_constitution.groups import split
from assets.collective_constitution.matrix import vote_matrix
from benchmarks.report import report
from schemas.collective import VARIANTS

SEEN = 0.3


def measure(people: int, statements: int, seed: int = 0) -> dict[str, float]:
    """Seconds of the matrix, and of groups with consensus and representativeness in each variant."""
    random = np.random.default_rng(seed)
    row, column = np.nonzero(random.random((people, statements)) < SEEN)
    votes = pl.DataFrame(
        {
            "participant_id": row.astype(str),
            "statement_id": column.astype(str),
            "vote": random.integers(-1, 2, len(row)),
        }
    )
    start = time.perf_counter()
    matrix = vote_matrix(votes, [str(one) for one in range(people)], [str(one) for one in range(statements)])
    seconds = {"matrix": time.perf_counter() - start}
    for variant in VARIANTS:
        start = time.perf_counter()
        counts = group_counts(matrix, split(variant, matrix).labels)
        consensus(counts)
        representativeness(counts)
        seconds[variant] = time.perf_counter() - start
    return {name: round(value, 3) for name, value in (seconds | {"all": sum(seconds.values())}).items()}


def main() -> None:
    """Measure, print, and write to `--json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--participants", type=int, default=2_000)
    parser.add_argument("--statements", type=int, default=900)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    report({"seconds": measure(chosen.participants, chosen.statements)}, chosen.json)


if __name__ == "__main__":
    main()
