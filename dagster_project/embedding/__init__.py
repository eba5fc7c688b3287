"""Text to vectors: one protocol, the packaged MiniLM by default, any OpenAI-compatible endpoint by choice."""

from __future__ import annotations

from functools import lru_cache

from dagster_project.embedding.minilm import MiniLM
from dagster_project.embedding.openai_compatible import OpenAICompatible
from dagster_project.embedding.protocol import Embedder, Progress


@lru_cache(maxsize=1)
def default_embedder() -> Embedder:
    """The packaged MiniLM; one per process, so that its model loads once."""
    return MiniLM()


__all__ = ["Embedder", "MiniLM", "OpenAICompatible", "Progress", "default_embedder"]
