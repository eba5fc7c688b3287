"""Language models that tests write themselves: answers by a function of the request, with counts of what was asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from dagster_project.language_models import Message, OptionLogprobs, Request, Response, Sampling, Usage


@dataclass
class ScriptedModel:
    """A backend that holds `window` requests at a time and answers the last that came first."""

    answer: Callable[[Request], Response | str]
    window: int = 4
    identity: str = "scripted:test"
    context_tokens: int | None = 8_000
    asked: list[Request] = field(default_factory=list)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        source = iter(requests)
        held = deque(islice(source, self.window))
        while held:
            request = held.pop()
            self.asked.append(request)
            said = self.answer(request)
            yield said if isinstance(said, Response) else Response(request.id, said, usage=Usage(1, 10, 2))
            held.extend(islice(source, 1))

    def option_logprobs(
        self, requests: Iterable[Request], options: Sequence[str]
    ) -> Iterator[OptionLogprobs]:
        for request in requests:
            self.asked.append(request)
            seen = {
                option: -float(rank) - 1 if rank else float("-inf") for rank, option in enumerate(options)
            }
            yield OptionLogprobs(request.id, seen, 0.25, usage=Usage(1, 10, 1))


def ask(name: str, text: str, *sources: str, schema: dict | None = None, tokens: int = 5) -> Request:
    """A request with one message."""
    messages = (Message("user", text),)
    return Request(name, messages, Sampling(max_tokens=tokens), schema, sources=frozenset(sources))
