"""`kill -9` at any moment, then resume: a process that asks a counting server, killed at random, started until it is done.

The processes are forked from one that has loaded the libraries, so that starting one takes milliseconds.
Source: specs/privacy_reliability.md 2, row `kill -9`.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import orjson

from dagster_project.language_models import Asker, CallCache, Meter, parse
from dagster_project.language_models.openai_backend import OpenAIModel
from tests.language_model_support import ask
from tests.servers.faces import echo
from tests.servers.openai_server import OpenAIServer

SCHEMA = {
    "type": "object",
    "properties": {"grade": {"type": "integer", "minimum": 1, "maximum": 5}, "why": {"type": "string"}},
    "required": ["grade", "why"],
    "additionalProperties": False,
}
MOST_AT_ONCE = 16
LATENCY = 0.02
SECONDS_AT_MOST = 120.0


@dataclass(frozen=True)
class Outcome:
    """What a run led to. calls: by the hash of what was asked; killed: processes that were killed at work."""

    results: bytes
    calls: dict[str, int]
    killed: int

    @property
    def paid(self) -> int:
        """Calls that reached the server."""
        return sum(self.calls.values())


def answer_all(url: str, cache: Path, results: Path, count: int) -> None:
    """Ask `count` requests, one in five of them a repetition, and write all answers, by id, in one piece."""
    model = OpenAIModel(parse(f"openai:{url}#test-model"), most=MOST_AT_ONCE)
    asked = (
        ask(str(number), f"word {number - number % 5 // 4}", f"user{number}", schema=SCHEMA)
        for number in range(count)
    )
    answers = {
        response.id: [response.text, response.value, response.fault]
        for response in Asker(model, CallCache(cache), Meter()).generate(asked)
    }
    unfinished = results.with_suffix(".part")
    unfinished.write_bytes(orjson.dumps(answers, option=orjson.OPT_SORT_KEYS))
    unfinished.replace(results)


def run(folder: Path, count: int, kills: int, seed: int) -> Outcome:
    """Answer `count` requests, killed as often as is said once the server has had a number of calls, drawn beforehand."""
    children = multiprocessing.get_context("forkserver")
    children.set_forkserver_preload(["openai", __name__])
    drawn = random.Random(seed)
    unique = count - count // 5
    moments = sorted(drawn.randrange(unique) for _ in range(kills))
    folder.mkdir()
    results, killed = folder / "results.json", 0
    with OpenAIServer(echo, latency=LATENCY, keep_seen=False) as server:
        while not results.exists():
            child = children.Process(
                target=answer_all, args=(server.url, folder / "calls.sqlite", results, count)
            )
            child.start()
            if moments and _wait(child, server, moments.pop(0)):
                time.sleep(drawn.uniform(0.0, LATENCY))
                os.kill(child.pid or 0, signal.SIGKILL)
            child.join(SECONDS_AT_MOST)
            if child.exitcode not in (0, -signal.SIGKILL):
                raise AssertionError(f"a child ended with {child.exitcode}")
            killed += child.exitcode == -signal.SIGKILL
    return Outcome(results.read_bytes(), dict(server.calls), killed)


def _wait(child: BaseProcess, server: OpenAIServer, calls: int) -> bool:
    """Wait until the server has had so many calls; whether the child is still at work then."""
    end = time.monotonic() + SECONDS_AT_MOST
    while server.calls.total() < calls and child.is_alive() and time.monotonic() < end:
        time.sleep(0.001)
    return child.is_alive()


def excess(whole: Outcome, killed: Outcome) -> int:
    """Calls that a killed run paid beyond those of the whole one. Raises AssertionError where their answers differ."""
    if killed.results != whole.results or set(killed.calls) != set(whole.calls):
        raise AssertionError("a killed run led to other answers")
    return killed.paid - whole.paid
