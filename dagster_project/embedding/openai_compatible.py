"""Embeddings from any endpoint that speaks OpenAI's /v1/embeddings: vLLM, TEI, llama.cpp, Ollama, a gateway."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from dagster_project.embedding.protocol import Progress, Vectors, encode_distinct
from dagster_project.embedding.transport import post_json
from dagster_project.errors import ObservatoryError


@dataclass(frozen=True)
class OpenAICompatible:
    """An embedder behind an URL that ends in `/v1`. Only https, or http on the loopback interface.

    `api_key_variable` names the environment variable that holds the key. Text is sent as given: only redacted
    facets belong here. `seconds` is the deadline of one request in all, not of one read.
    """

    url: str
    model: str
    revision: str = ""
    dimension: int = 384
    request_dimension: bool = False
    api_key_variable: str = "OPENAI_API_KEY"
    batch_size: int = 128
    concurrency: int = 4
    attempts: int = 6
    seconds: float = 60.0

    @property
    def name(self) -> str:
        """Model id and revision."""
        return f"{self.model}@{self.revision}" if self.revision else self.model

    def encode(
        self, texts: Sequence[str], *, out: Vectors | None = None, progress: Progress | None = None
    ) -> Vectors:
        """Vectors [N, dimension] of N texts, as `Embedder.encode`; a blank text is the first axis and is not sent.

        Raises ObservatoryError when the endpoint refuses, stays unreachable, or answers with too few vectors,
        or with vectors of another length.
        """
        return encode_distinct(texts, self.dimension, self._encode_chunk, out, progress)

    def _encode_chunk(self, texts: list[str]) -> Iterator[tuple[list[int], Vectors]]:
        blank = [position for position, text in enumerate(texts) if not text.strip()]
        if blank:
            yield blank, np.zeros((len(blank), self.dimension), dtype=np.float32)
        spoken = sorted(set(range(len(texts))).difference(blank), key=lambda position: len(texts[position]))
        size = max(1, self.batch_size)
        batches = iter([spoken[start : start + size] for start in range(0, len(spoken), size)])
        width = max(1, self.concurrency)
        with ThreadPoolExecutor(width) as pool:
            # A window per round keeps few answers in memory and stops soon after a failure.
            while window := list(islice(batches, width)):
                requests = [[texts[position] for position in batch] for batch in window]
                yield from zip(window, pool.map(self._request, requests), strict=True)

    def _request(self, texts: list[str]) -> Vectors:
        body: dict[str, object] = {"model": self.model, "input": texts, "encoding_format": "float"}
        if self.request_dimension:
            body["dimensions"] = self.dimension
        key = os.environ.get(self.api_key_variable)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        answer = post_json(
            f"{self.url.rstrip('/')}/embeddings", body, headers, attempts=self.attempts, seconds=self.seconds
        )
        return self._vectors(answer, len(texts))

    def _vectors(self, answer: object, expected: int) -> Vectors:
        """Rows in request order: the protocol allows any order and says which is which by `index`."""
        try:
            rows = {int(item["index"]): item["embedding"] for item in answer["data"]}  # type: ignore[index]
            vectors = np.array([rows[index] for index in range(expected)], dtype=np.float32)
            complete = len(rows) == expected == len(answer["data"])  # type: ignore[index]
        except (KeyError, TypeError, ValueError):
            raise ObservatoryError("the embedding endpoint's answer is malformed") from None
        if not complete:
            raise ObservatoryError(f"the embedding endpoint answered {len(rows)} of {expected} texts")
        return vectors
