"""Unit-length rows over an array or memory map, read in blocks so that no second copy of the data exists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dagster_project.errors import ObservatoryError

Matrix = NDArray[np.float32]
Labels = NDArray[np.int32]

BLOCK = 8_192


@dataclass(frozen=True)
class Rows:
    """Vectors [N, D] as given, and the factor [N] that makes each row's length 1 (0 for a zero row)."""

    vectors: Matrix
    scale: Matrix

    @classmethod
    def of(cls, vectors: Matrix) -> Rows:
        """Check vectors. Raises ObservatoryError when they are no matrix, or hold NaN or infinite values."""
        if vectors.ndim != 2:
            raise ObservatoryError(f"clustering needs a matrix of vectors, not {vectors.ndim} dimensions")
        scale = np.empty(len(vectors), dtype=np.float32)
        for start in range(0, len(vectors), BLOCK):
            block = np.asarray(vectors[start : start + BLOCK], dtype=np.float32)
            lengths = np.linalg.norm(block, axis=1)
            bad = int((~np.isfinite(lengths)).sum())
            if bad:
                raise ObservatoryError(
                    f"{bad} or more embeddings are not finite; materialise the embeddings again"
                )
            scale[start : start + BLOCK] = np.divide(
                1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0
            )
        return cls(vectors, scale)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.scale)

    def take(self, positions: NDArray[np.integer]) -> Matrix:
        """The rows at `positions`, of length 1."""
        return np.asarray(self.vectors[positions], dtype=np.float32) * self.scale[positions, None]

    def blocks(
        self, positions: NDArray[np.integer] | None = None
    ) -> Iterator[tuple[NDArray[np.integer], Matrix]]:
        """Positions and rows, some thousand at a time."""
        chosen = np.arange(len(self)) if positions is None else positions
        for start in range(0, len(chosen), BLOCK):
            part = chosen[start : start + BLOCK]
            yield part, self.take(part)

    def sums(self, labels: Labels, clusters: int) -> Matrix:
        """Sum of the rows of each cluster [clusters, D]; rows labelled -1 count nowhere."""
        from scipy.sparse import csr_array

        total = np.zeros((clusters, self.vectors.shape[1]), dtype=np.float32)
        for start in range(0, len(self), BLOCK):
            part = labels[start : start + BLOCK]
            known = np.flatnonzero(part >= 0)
            weights = self.scale[start + known]
            members = csr_array((weights, (part[known], known)), shape=(clusters, len(part)))
            total += members @ np.asarray(self.vectors[start : start + BLOCK], dtype=np.float32)
        return total

    def centroids(self, labels: Labels, clusters: int) -> Matrix:
        """Mean direction of each cluster [clusters, D], of length 1."""
        return unit(self.sums(labels, clusters))

    def distances(self, labels: Labels, centroids: Matrix) -> Matrix:
        """Squared distance of each row to its cluster's centroid [N]."""
        result = np.empty(len(self), dtype=np.float32)
        for positions, block in self.blocks():
            result[positions] = np.square(block - centroids[labels[positions]]).sum(axis=1)
        return result


def unit(matrix: Matrix) -> Matrix:
    """Rows scaled to length 1; a row without a direction becomes the first axis."""
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    scaled = (matrix / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
    lost = lengths[:, 0] <= np.finfo(np.float32).eps
    scaled[lost] = 0.0
    scaled[lost, 0] = 1.0
    return scaled


def members_by_cluster(labels: Labels, clusters: int) -> list[NDArray[np.int64]]:
    """Positions of the rows of each cluster."""
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(clusters + 1))
    return [order[bounds[cluster] : bounds[cluster + 1]] for cluster in range(clusters)]
