"""Vectors between Parquet and arrays: written in slices, gathered into one memory-mapped array."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.clio.facets import rated_concern, score_concern
from dagster_project.errors import ObservatoryError

if TYPE_CHECKING:
    from dagster_project.embedding import Embedder

GATHER_ROWS = 50_000


def embed_facet(
    texts: pl.DataFrame, facet: str, embedder: Embedder, rows: int, on_progress: Callable[[int], None]
) -> Iterator[pl.DataFrame]:
    """Embed `texts[facet]` in slices of `rows`; yields frames of the embeddings table.

    In: conversation_id and the facet's column. Out: conversation_id, embedding (float32, unit length), facet, embedder.
    """
    for start in range(0, max(texts.height, 1), rows):
        part = texts.slice(start, rows)

        def advance(done: int, *_: object, start: int = start) -> None:
            on_progress(start + done)

        vectors = embedder.encode(part[facet].to_list(), progress=advance)
        yield vector_frame(part["conversation_id"], vectors, facet, embedder.name)


def vector_frame(ids: pl.Series, vectors: np.ndarray, facet: str, embedder: str) -> pl.DataFrame:
    """Rows of the embeddings table for unit vectors [N, D] of the conversations `ids`."""
    return pl.DataFrame(
        {
            "conversation_id": ids,
            "embedding": pl.Series(vectors, dtype=pl.Array(pl.Float32, vectors.shape[1])),
        }
    ).with_columns(facet=pl.lit(facet), embedder=pl.lit(embedder))


def score_in_slices(
    facets: pl.LazyFrame, embeddings: pl.LazyFrame, total: int, rows: int, on_progress: Callable[[int], None]
) -> Iterator[pl.DataFrame]:
    """Concern scores of a batch, by a model's ratings where it gave them; facets and embeddings hold the same conversations in the same order."""
    for start in range(0, max(total, 1), rows):
        part = facets.slice(start, rows).collect()
        vectors = embeddings.slice(start, rows).collect()
        if not part["conversation_id"].equals(vectors["conversation_id"]):
            raise ObservatoryError(
                "facets and embeddings are out of step; materialise the batch's embeddings again"
            )
        rated = part["concern_rating"].null_count() < part.height
        yield rated_concern(part) if rated else score_concern(part, vectors["embedding"].to_numpy())
        on_progress(min(start + rows, total))


def without_unread(current: pl.LazyFrame, faults: pl.LazyFrame) -> pl.DataFrame:
    """The versions that count, but for those that no reader has read. Raises ObservatoryError where none is left."""
    versions = current.collect()
    read = versions.lazy().join(faults, on=["conversation_id", "batch"], how="anti").collect()
    if versions.height and read.is_empty():
        raise ObservatoryError(
            "no conversation was read, so there is nothing to cluster; look at the screener"
        )
    return read


@contextmanager
def gathered_vectors(
    embeddings: pl.LazyFrame, current: pl.DataFrame, scratch: Path
) -> Iterator[tuple[pl.Series, np.ndarray]]:
    """Ids and vectors [N, D] of the conversations that count, the vectors memory-mapped from a temporary file.

    In: embeddings of all batches with their `batch`; current: conversation_id, batch. The file goes with the block.
    """
    dimension = embeddings.select(pl.col("embedding").arr.len()).head(1).collect().item()
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        vectors = np.lib.format.open_memmap(
            Path(folder) / "vectors.npy", mode="w+", dtype=np.float32, shape=(current.height, dimension)
        )
        ids, filled = [], 0
        total: int = embeddings.select(pl.len()).collect().item()
        for start in range(0, total, GATHER_ROWS):
            part = embeddings.slice(start, GATHER_ROWS).collect()
            part = part.join(current, on=["conversation_id", "batch"], how="semi", maintain_order="left")
            vectors[filled : filled + part.height] = part["embedding"].to_numpy()
            ids.append(part["conversation_id"])
            filled += part.height
        if filled != current.height:
            raise ObservatoryError("some conversations have no embedding; materialise the embeddings again")
        vectors.flush()
        yield pl.concat(ids), vectors
