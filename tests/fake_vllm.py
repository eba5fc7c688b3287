"""What the vLLM backend uses of vLLM 0.33, with its signatures, defaults and bounds, over a model of transformers.

Names, keyword-only arguments and checks are those of vllm.LLM, vllm.SamplingParams, vllm.TokensPrompt,
vllm.sampling_params.StructuredOutputsParams and vllm.outputs; anything else that is asked of it fails.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypedDict

import pytest

from dagster_project.language_models import Request, Sampling, parse
from dagster_project.language_models.decoding import Row, decode, score
from dagster_project.language_models.transformers_backend import TransformersModel

MAX_LOGPROB_TOKEN_IDS = 128


class TokensPrompt(TypedDict):
    prompt_token_ids: list[int]


@dataclass
class StructuredOutputsParams:
    json: str | dict | None = None
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None
    json_object: bool | None = None
    structural_tag: str | None = None

    def __post_init__(self) -> None:
        if sum(value is not None for value in vars(self).values()) != 1:
            raise ValueError("one kind of structured outputs, and only one")


@dataclass
class SamplingParams:
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: str | list[str] | None = None
    max_tokens: int | None = 16
    logprobs: int | None = None
    logprob_token_ids: list[int] | None = None
    detokenize: bool = True
    structured_outputs: StructuredOutputsParams | None = None

    def __post_init__(self) -> None:
        if not 0 < self.top_p <= 1 or self.temperature < 0 or not (self.max_tokens or 0) >= 1:
            raise ValueError("out of range")
        if self.seed is not None and not -(2**63) <= self.seed < 2**63:
            raise ValueError("a seed has 64 bits")
        if len(self.logprob_token_ids or []) > MAX_LOGPROB_TOKEN_IDS:
            raise ValueError("too many tokens")


@dataclass
class Logprob:
    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: list[int]
    logprobs: list[dict[int, Logprob]] | None
    finish_reason: str | None


@dataclass
class RequestOutput:
    request_id: str
    prompt_token_ids: list[int]
    outputs: list[CompletionOutput]


class LLM:
    """Answers by the decoding of the transformers backend; `made` holds every engine with what it was asked."""

    made: list[LLM]

    def __init__(
        self,
        model: str,
        *,
        seed: int = 0,
        structured_outputs_config: dict | None = None,
        enable_prefix_caching: bool | None = None,
        logprobs_mode: str = "raw_logprobs",
        disable_log_stats: bool = False,
    ) -> None:
        assert Path(model).is_dir()
        config = structured_outputs_config or {}
        if config.get("disable_any_whitespace") and config.get("backend") not in ("xgrammar", "guidance"):
            raise ValueError("disable_any_whitespace is only supported for xgrammar and guidance backends.")
        self.inner = TransformersModel.of(parse(f"transformers:{model}"))
        self.windows: list[int] = []
        LLM.made.append(self)

    def generate(
        self,
        prompts: list[TokensPrompt],
        sampling_params: SamplingParams | list[SamplingParams] | None = None,
        *,
        use_tqdm: bool = True,
    ) -> list[RequestOutput]:
        assert isinstance(sampling_params, list) and len(sampling_params) == len(prompts)
        self.windows.append(len(prompts))
        return [
            RequestOutput(str(place), prompt["prompt_token_ids"], [self._one(prompt, params)])
            for place, (prompt, params) in enumerate(zip(prompts, sampling_params, strict=True))
        ]

    def _one(self, prompt: TokensPrompt, params: SamplingParams) -> CompletionOutput:
        stop = tuple([params.stop] if isinstance(params.stop, str) else params.stop or [])
        sampling = Sampling(params.temperature, params.top_p, params.max_tokens or 16, stop, params.seed or 0)
        schema = json.loads(params.structured_outputs.json) if params.structured_outputs else None
        row = Row(Request("1", (), sampling, schema), prompt["prompt_token_ids"])
        if schema is not None:
            row.matcher = self.inner._grammars.start(schema, None)
        grammars = self.inner._grammars if row.matcher else None
        decode(self.inner._model, [row], self.inner.local.ends, self.inner._stops, grammars)
        text = self.inner.local.chat.text(row.prompt, row.said)
        for word in stop:
            text = text.partition(word)[0]
        return CompletionOutput(
            0,
            text if params.detokenize else "",
            row.said,
            self._logprobs(row, params),
            "stop" if row.whole else "length",
        )

    def _logprobs(self, row: Row, params: SamplingParams) -> list[dict[int, Logprob]] | None:
        if params.logprob_token_ids is None:
            return None
        asked = sorted({*params.logprob_token_ids, *row.said})
        found = score(self.inner._model, [row.prompt], [(token,) for token in asked])[0]
        return [{token: Logprob(value) for token, value in zip(asked, found, strict=True)}]


def install(monkeypatch: pytest.MonkeyPatch) -> type[LLM]:
    """Put this in the place of vLLM for one test."""
    top, below = ModuleType("vllm"), ModuleType("vllm.sampling_params")
    for thing in (LLM, SamplingParams, TokensPrompt):
        setattr(top, thing.__name__, thing)
    below.StructuredOutputsParams = StructuredOutputsParams  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", top)
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", below)
    monkeypatch.setattr(LLM, "made", [], raising=False)
    return LLM
