"""Small real inputs for tests of the whole graph: a file of conversations, and an embedder that costs nothing."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from dagster_project.home import Home
from schemas.catalogue import PUBLISHED

TOPICS = {
    "bread": "bake sourdough bread in a cold kitchen with rye flour",
    "python": "debug a python script that reads a csv file slowly",
    "garden": "grow tomatoes on a shady balcony in spring",
    "letter": "write a cover letter for a nursing job in a hospital",
    "algebra": "solve quadratic equations with negative discriminant for homework",
    "travel": "plan a train journey through the mountains with children",
    "guitar": "learn guitar chords for slow songs as a beginner",
    "taxes": "understand income tax rules for freelance work at home",
}


def published_tables(home: Home) -> dict[str, pl.DataFrame]:
    """Every published table of a home by name; those of evaluations without a row where nobody has evaluated."""
    return {
        table.name: home.lake.scan(table.zone, table.name).collect()
        if home.lake.manifest(table.zone, table.name)
        else table.empty()
        for table in PUBLISHED
    }


class HashingEmbedder:
    """Unit vectors of hashed words: texts about the same things are near each other, and no model is loaded."""

    name = "hashing-test"
    dimension = 384

    def encode(
        self, texts: Sequence[str], progress: Callable[..., None] | None = None, out: np.ndarray | None = None
    ) -> np.ndarray:
        vectors = np.zeros((len(texts), self.dimension), np.float32) if out is None else out
        vectors[:, 0] = 0.01
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, zlib.crc32(word.encode()) % self.dimension] += 1.0
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        if progress is not None:
            progress(len(texts))
        return vectors


class NGramEmbedder(HashingEmbedder):
    """Unit vectors of hashed runs of three characters: means something in scripts without spaces too."""

    name = "n-grams-test"

    def encode(
        self, texts: Sequence[str], progress: Callable[..., None] | None = None, out: np.ndarray | None = None
    ) -> np.ndarray:
        from sklearn.feature_extraction.text import HashingVectorizer

        vectors = np.zeros((len(texts), self.dimension), np.float32) if out is None else out
        runs = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 3), n_features=self.dimension, norm="l2")
        vectors[:] = runs.transform(texts).toarray()
        vectors[~vectors.any(axis=1), 0] = 1.0
        if progress is not None:
            progress(len(texts))
        return vectors


def write_conversations(
    path: Path, count: int, *, users: int = 60, seed: int = 0, bad_lines: int = 0
) -> Path:
    """Write `count` conversations of eight topics by `users` users in the OpenAI shape, and some broken lines."""
    chance = random.Random(seed)
    lines = []
    for number in range(count):
        topic = chance.choice(list(TOPICS))
        request = f"How do I {TOPICS[topic]}? I have {chance.choice(['one day', 'a week', 'little time'])}."
        messages = [
            {"role": "user", "content": request},
            {"role": "assistant", "content": "Start small, look at what you have, and go on step by step."},
        ]
        day = f"2026-03-{1 + chance.randrange(28):02d}T10:00:00Z"
        user = f"user-{chance.randrange(users)}"
        lines.append(
            json.dumps(
                {
                    "id": f"s{seed}-c{number}",
                    "user": user,
                    "created_at": day,
                    "model": "m",
                    "messages": messages,
                }
            )
        )
    lines += ['{"messages": [' for _ in range(bad_lines)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path
