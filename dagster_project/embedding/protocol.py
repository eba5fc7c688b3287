"""What every embedder promises, and the work they share: distinct texts, order, blanks, checks, normalisation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dagster_project.errors import ObservatoryError
from dagster_project.memory import release_freed

Progress = Callable[[int, int], None]
Vectors = NDArray[np.float32]

# A model reads at most a few hundred tokens; tokenising a 50 MB message in full would be time for nothing.
MAX_CHARACTERS = 16_384
CHUNK = 16_384
RELEASE_EVERY = 2_048


class Embedder(Protocol):
    """Encodes texts as L2-normalised float32 rows."""

    @property
    def name(self) -> str:
        """Model id and version, as stored beside every vector."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def encode(
        self, texts: Sequence[str], *, out: Vectors | None = None, progress: Progress | None = None
    ) -> Vectors:
        """Vectors [N, dimension] of N texts, in their order, each of length 1. Equal texts get equal vectors.

        `out` (float32 [N, dimension], for example a memory map) receives them instead of new memory;
        `progress(done, total)` counts texts. A blank text gets a fixed vector.
        Raises ObservatoryError where the model gives a vector that is not finite.
        """
        ...


def encode_distinct(
    texts: Sequence[str],
    dimension: int,
    encode_chunk: Callable[[list[str]], Iterable[tuple[Sequence[int] | NDArray[np.int64], Vectors]]],
    out: Vectors | None = None,
    progress: Progress | None = None,
) -> Vectors:
    """Encode each distinct text once, straight into its first row of `out`, then copy it to its repeats.

    `encode_chunk(texts)` yields (positions within the chunk, vectors), in any order. Extra memory is one chunk.
    """
    out = _destination(out, len(texts), dimension)
    first, repeats, source = _distinct(texts)
    done = released = 0
    for start in range(0, len(first), CHUNK):
        rows = first[start : start + CHUNK]
        chunk = [_encodable(texts[int(row)]) for row in rows]
        for positions, vectors in encode_chunk(chunk):
            out[rows[np.asarray(positions)]] = normalise(vectors, dimension)
            done += len(positions)
            if progress is not None:
                progress(done, len(texts))
            if done - released >= RELEASE_EVERY:
                release_freed()
                released = done
    for start in range(0, len(repeats), CHUNK):
        out[repeats[start : start + CHUNK]] = out[source[start : start + CHUNK]]
    if progress is not None:
        progress(len(texts), len(texts))
    return out


def normalise(vectors: Vectors, dimension: int) -> Vectors:
    """Rows [n, dimension] scaled to length 1; a zero row becomes the first axis.

    Raises ObservatoryError on a wrong shape or on values that are not finite.
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        width = vectors.shape[1] if vectors.ndim == 2 else "no"
        raise ObservatoryError(f"the embedding model gave {width} dimensions instead of {dimension}")
    if not np.isfinite(vectors).all():
        raise ObservatoryError("the embedding model gave a vector that is not finite; check the model")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    scaled[lengths[:, 0] == 0, 0] = 1.0
    return scaled


def length_sorted_batches(
    lengths: Sequence[int], tokens: int, waste: float = 0.05
) -> Iterator[NDArray[np.int64]]:
    """Positions in batches of similar length: at most `tokens` tokens and about `waste` padding in each.

    A batch that is still small may pad more, because many tiny batches cost more than their padding.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(-sizes, kind="stable")
    start = 0
    while start < len(order):
        longest = max(1, int(sizes[order[start]]))
        window = sizes[order[start : start + max(1, tokens // longest)]]
        area = longest * np.arange(1, len(window) + 1)
        fits = (area - window.cumsum() <= waste * area) | (area <= tokens // 4)
        end = start + (len(window) if fits.all() else int(fits.argmin()))
        yield order[start:end]
        start = end


def _destination(out: Vectors | None, rows: int, dimension: int) -> Vectors:
    if out is None:
        return np.empty((rows, dimension), dtype=np.float32)
    if out.shape != (rows, dimension) or out.dtype != np.float32:
        raise ValueError(f"out must be float32 [{rows}, {dimension}], not {out.dtype} {list(out.shape)}")
    return out


def _distinct(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """First row of each distinct text, the rows that repeat one, and the first row that each repeats."""
    seen: dict[str, int] = {}
    origin = np.fromiter((seen.setdefault(text, row) for row, text in enumerate(texts)), np.int64, len(texts))
    repeats = np.flatnonzero(origin != np.arange(len(texts)))
    return np.fromiter(seen.values(), np.int64, len(seen)), repeats, origin[repeats]


def _encodable(text: str) -> str:
    """The part of a text that a model could read, without lone surrogates, which no tokeniser accepts."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
