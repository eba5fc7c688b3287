"""Which tokens keep an answer inside its JSON schema (llguidance); nothing else of an answer is decided here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from dagster_project.errors import ObservatoryError
from dagster_project.language_models.weights import library

# One blank at most between JSON's parts: a model may write as it is used to, and cannot go on with blanks for ever.
# A keyword that the library does not know is left to the validation that every answer passes.
WRITTEN = {"whitespace_pattern": "[ ]?", "lenient": True}


class Grammars:
    """Schemas for one tokenizer. vocabulary: width of the model's logits; ends: tokens that end an answer."""

    def __init__(self, tokenizer: Any, vocabulary: int, ends: Iterable[int]) -> None:
        self.library = library("llguidance", "transformers")
        library("llguidance.hf", "transformers")
        self.width = max(vocabulary, len(tokenizer))
        self.tokenizer = self.library.hf.from_tokenizer(tokenizer, n_vocab=self.width, eos_token=sorted(ends))
        self._compiled = lru_cache(maxsize=32)(self._matcher)

    def start(self, schema: Mapping[str, Any], prefill: str | None) -> Any | None:
        """A matcher that stands after the prefill; None where the prefill is no beginning of such an answer.

        Raises ObservatoryError on a schema that no grammar can be made of.
        """
        # Properties are written in the schema's order, so it is kept.
        matcher = self._compiled(json.dumps(schema)).deep_copy()
        if prefill and not matcher.consume_tokens(self.tokenizer.tokenize_str(prefill)):
            return None
        return matcher

    def allowed(self, matchers: Sequence[Any]) -> np.ndarray:
        """Whether each token [N, V] may follow, per matcher."""
        from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

        mask = allocate_token_bitmask(len(matchers), self.width)
        for place, matcher in enumerate(matchers):
            fill_next_token_bitmask(matcher, mask, place)
        return np.unpackbits(mask.view(np.uint8), axis=1, bitorder="little")[:, : self.width].astype(bool)

    def _matcher(self, schema: str) -> Any:
        limits = self.library.LLParserLimits(verbose_errors=False)
        grammar = self.library.LLMatcher.grammar_from_json_schema(schema, overrides=WRITTEN)
        matcher = self.library.LLMatcher(self.tokenizer, grammar, log_level=0, limits=limits)
        if matcher.is_error():
            raise ObservatoryError(
                "the answers' JSON schema cannot be made a grammar; use plainer keywords in it"
            )
        return matcher
