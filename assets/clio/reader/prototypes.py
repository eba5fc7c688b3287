"""The embedded half of the concern score: is a request nearer to concerning sentences or to benign ones?

Source: the Clio paper's Concerning facet (arXiv 2412.13678, G.4) in the no-model reader of specs/clio.md. The
sentences and their constants were fixed without any labelled data set; see docs/decisions/0003-concern-score.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from assets.clio.reader.lexicons import read_toml

PACKAGED = Path(__file__).parent / "prototypes_minilm.npz"
# How local the comparison is: 0 compares with the mean of each side, large values with the nearest sentence only.
# 5 lies at the flat top of leave-one-out accuracy among the prototypes themselves.
SHARPNESS = 5.0


@dataclass(frozen=True)
class Prototypes:
    """Unit vectors of the prototype sentences: `concerning` and `benign`, each [P, D] float32."""

    concerning: np.ndarray
    benign: np.ndarray


def prototype_sentences() -> tuple[list[str], list[str]]:
    """The concerning and the benign sentences, in the order of the file."""
    source = read_toml("prototypes.toml")
    concerning = [sentence for category in source.values() for sentence in category["concerning"]]
    benign = [sentence for category in source.values() for sentence in category["benign"]]
    return concerning, benign


def embed_prototypes(encode: Callable[[list[str]], np.ndarray]) -> Prototypes:
    """Prototypes for another embedder; `encode` maps texts to unit vectors [N, D]."""
    concerning, benign = prototype_sentences()
    return Prototypes(np.asarray(encode(concerning), np.float32), np.asarray(encode(benign), np.float32))


def sentences_digest() -> str:
    """SHA-256 of the sentences, to notice vectors of an earlier list."""
    return hashlib.sha256(
        "\n".join([*prototype_sentences()[0], "", *prototype_sentences()[1]]).encode()
    ).hexdigest()


def save_prototypes(prototypes: Prototypes, path: Path = PACKAGED) -> None:
    """Store vectors as half floats beside the digest of their sentences."""
    np.savez_compressed(
        path,
        concerning=prototypes.concerning.astype(np.float16),
        benign=prototypes.benign.astype(np.float16),
        digest=np.array(sentences_digest()),
    )


@lru_cache(maxsize=1)
def packaged_prototypes() -> Prototypes:
    """The prototypes embedded by all-MiniLM-L6-v2, as they come with the package.

    Raises ValueError where the sentences were changed after the vectors were made.
    """
    with np.load(PACKAGED) as stored:
        if str(stored["digest"]) != sentences_digest():
            raise ValueError(
                "prototypes.toml has changed; run python -m benchmarks.concern --rebuild-prototypes to embed it again"
            )
        return Prototypes(stored["concerning"].astype(np.float32), stored["benign"].astype(np.float32))


def concern_margin(embeddings: np.ndarray, prototypes: Prototypes) -> np.ndarray:
    """How much nearer each unit vector [N, D] is to the concerning side: float32 [N], about -0.2..0.3.

    Each side's nearness is the soft maximum of the cosines, its mean taken so that the sides' sizes do not matter.
    Raises ValueError where the vectors come from an embedder of another width than the prototypes.
    """
    if embeddings.shape[1] != prototypes.concerning.shape[1]:
        raise ValueError(
            f"embeddings have {embeddings.shape[1]} dimensions, the prototypes {prototypes.concerning.shape[1]}; "
            "embed the prototypes with the same embedder (embed_prototypes) and pass them"
        )
    return _nearness(embeddings, prototypes.concerning) - _nearness(embeddings, prototypes.benign)


def _nearness(embeddings: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Soft maximum [N] of the cosines between vectors [N, D] and one side [P, D]."""
    return np.log(np.exp(SHARPNESS * (embeddings @ side.T)).mean(axis=1)) / SHARPNESS
