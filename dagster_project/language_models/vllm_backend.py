"""Models of vLLM in this process: windows of requests as offline batches, with prefix caching.

vLLM orders a window's calls itself and holds as many as its memory has room for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from dagster_project.errors import ObservatoryError
from dagster_project.language_models.local import LocalModel, OfLocalModel
from dagster_project.language_models.options import OptionTokens
from dagster_project.language_models.protocol import OptionLogprobs, Request, Response
from dagster_project.language_models.specification import Specification
from dagster_project.language_models.vllm_calls import (
    ENGINE,
    Answer,
    Call,
    Job,
    Output,
    generation_job,
    option_job,
    option_steps,
)
from dagster_project.language_models.weights import library
from dagster_project.language_models.windows import windows

WINDOW = 1024
ENDED = {"stop": True, "length": False}


class VLLMModel(OfLocalModel):
    """A model that vLLM runs. Its engine is started when it is first asked."""

    def __init__(self, local: LocalModel) -> None:
        self.local = local
        self.window = WINDOW

    @classmethod
    def of(cls, specification: Specification) -> VLLMModel:
        """The model of a specification. Raises ObservatoryError where the library or the model is missing."""
        library("vllm", "vllm")
        return cls(LocalModel.of(specification))

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answers, a window at a time."""
        return self._answers(requests, self.window, lambda request: generation_job(self.local, request))

    def option_logprobs(
        self, requests: Iterable[Request], options: Sequence[str]
    ) -> Iterator[OptionLogprobs]:
        """Exact log-probabilities at temperature 1, whatever the request's sampling; see options.py for prefixes."""
        tokens = OptionTokens.of(options, self.local.chat.variants)
        window = max(1, self.window // len(option_steps(tokens)))
        yield from self._answers(requests, window, lambda request: option_job(self.local, request, tokens))

    def _answers(
        self, requests: Iterable[Request], size: int, prepare: Callable[[Request], Job[Answer] | Answer]
    ) -> Iterator[Answer]:
        for window in windows(requests, size):
            jobs: list[Job[Answer]] = []
            for request in window:
                job = prepare(request)
                if isinstance(job, Job):
                    jobs.append(job)
                else:
                    yield job
            outputs = iter(self._run([call for job in jobs for call in job.calls]))
            for job in jobs:
                yield job.finish([_output(next(outputs)) for _ in job.calls])

    def _run(self, calls: Sequence[Call]) -> Sequence[Any]:
        """vLLM's outputs, in the order of the calls."""
        if not calls:
            return []
        vllm = library("vllm", "vllm")
        prompts = [vllm.TokensPrompt(prompt_token_ids=call.tokens) for call in calls]
        try:
            return self._engine.generate(prompts, [_params(vllm, call) for call in calls], use_tqdm=False)
        except Exception as error:
            # vLLM's own words may quote a prompt.
            raise ObservatoryError(
                f"vllm stopped ({type(error).__name__}); check the model and the memory of its device"
            ) from None

    @cached_property
    def _engine(self) -> Any:
        vllm = library("vllm", "vllm")
        return vllm.LLM(model=str(self.local.folder), disable_log_stats=True, **ENGINE)


def _params(vllm: Any, call: Call) -> Any:
    given = dict(call.arguments)
    if schema := given.pop("structured_outputs", None):
        structured = library("vllm.sampling_params", "vllm").StructuredOutputsParams
        given["structured_outputs"] = structured(**schema)
    return vllm.SamplingParams(**given)


def _output(output: Any) -> Output:
    said = output.outputs[0]
    first = {token: one.logprob for token, one in said.logprobs[0].items()} if said.logprobs else {}
    return Output(said.text, len(said.token_ids), ENDED.get(said.finish_reason), first)
