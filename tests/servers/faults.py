"""The fault face: replies planned for a prompt, call after call; all other prompts, and later calls, are echoed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

import orjson

from tests.servers.faces import echo
from tests.servers.openai_server import Call, Completion, Reply, completed, failure

RESET = Reply(manner="reset")
HANG = Reply(manner="hang")
MALFORMED_BODY = Reply(b'{"choices": [')
NO_CHOICES = Reply(b"{}")
NAN_BODY = Reply(b'{"model": "test-model", "choices": [NaN]}')
LONE_SURROGATE = Reply(
    b'{"model": "test-model", "choices": [{"message": {"content": "\\ud800"}, "finish_reason": "stop"}]}'
)
REFUSAL = Completion(None, refusal="I will not")
FILTERED = Completion("half of", finish_reason="content_filter")
TRUNCATED = Completion('{"grade": ', finish_reason="length")
EMPTY = Completion("")
BLANK = Completion(" \n")
NOTHING = Completion(None)
WRONG_MODEL = Completion("heard", model="another-model")


class Faults:
    """A face with a plan: prompt to its replies, in order; `for_ever` prompts get their last one again and again."""

    def __init__(
        self, plan: Mapping[str, Sequence[str | Completion | Reply]], for_ever: Sequence[str] = ()
    ) -> None:
        self._plan = plan
        self._for_ever = for_ever
        self.calls: Counter[str] = Counter()

    def __call__(self, call: Call) -> str | Completion | Reply:
        self.calls[call.prompt] += 1
        replies = self._plan.get(call.prompt, ())
        times = self.calls[call.prompt]
        if times > len(replies) and replies and call.prompt in self._for_ever:
            return replies[-1]
        return replies[times - 1] if times <= len(replies) else echo(call)


def quoting(status: int, code: str = "", message: str = "", **headers: str) -> Reply:
    """An error whose message quotes what was asked, as servers' do."""
    return failure(status, code, headers, f"{message} jo.secret@example.org asked")


def trickling(pace: float) -> Reply:
    """A whole answer, one byte after the other."""
    return Reply(_body("heard"), manner="trickle", pace=pace)


def cut_short() -> Reply:
    """A connection that ends half-way through the body it announced."""
    return Reply(_body("heard"), manner="cut")


def doubled() -> Reply:
    """An answer with two choices where one was asked for."""
    body = orjson.loads(_body("heard"))
    return Reply(orjson.dumps({**body, "choices": body["choices"] * 2}))


def shuffled(seed: int, most: float) -> object:
    """A face that answers after a random time, so that answers come in another order."""
    drawn = random.Random(seed)

    def face(call: Call) -> Reply:
        return Reply(completed(echo(call), "test-model", call), delay=drawn.random() * most)

    return face


def often_full(seed: int, share: float) -> object:
    """A face that turns a share of all calls away, half of them with a time to wait."""
    drawn = random.Random(seed)

    def face(call: Call) -> Completion | Reply:
        if drawn.random() < share:
            return quoting(429, **({"Retry-After": "0.02"} if drawn.random() < 0.5 else {}))
        return echo(call)

    return face


def _body(text: str) -> bytes:
    call = Call({"messages": []}, "", 1)
    return completed(Completion(text), "test-model", call)
