"""What the pipeline adds to a subject model: a suite's prompts through items, answers, metrics and the warehouse.

The subject answers at once, so all that is measured is beside the model. The home holds a generated sample with a release.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from dagster_project import evaluating, running
from dagster_project.bench import machine
from dagster_project.home import Home
from dagster_project.language_models import OptionLogprobs, Request, Response, Usage, backends
from dagster_project.memory import peak_megabytes
from dagster_project.sample.generate import write_sample

OPTIONS = {"discrimination": {"fills": ["explicit"], "usage_scenarios": 0}}
CONVERSATIONS = 2_000


class Instant:
    """A model that answers at once: no probability differs from another's."""

    identity = "instant:benchmark"
    context_tokens = None

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """A token for every four characters."""
        return [len(text) // 4 for text in texts]

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """The same word for every request."""
        for request in requests:
            yield Response(request.id, "yes", usage=Usage(1, 100, 1))

    def option_logprobs(
        self, requests: Iterable[Request], options: Sequence[str]
    ) -> Iterator[OptionLogprobs]:
        """The same log-probabilities for every request."""
        for request in requests:
            yield OptionLogprobs(request.id, dict.fromkeys(options, -0.7), 0.0, usage=Usage(1, 100, 1))


def main() -> None:
    """Run the benchmark and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for part in (make_home, measure):
            # A process of its own each, as the command line has: the memory of the first is no part of the second's.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                figures = pool.submit(part, Path(folder)).result()
    arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


def make_home(folder: Path) -> None:
    """A home with a release of the sample."""
    home = Home(folder / "home")
    os.environ["OBSERVATORY_HOME"] = str(home.root)
    sample = write_sample(folder / "sample.jsonl", CONVERSATIONS, 1)
    running.add_files(home, [sample.path], format_name=None, privacy_unit="user", mapping={})
    running.materialise(home)


def measure(folder: Path) -> dict[str, Any]:
    """Seconds of each step, of the whole, and the peak of memory."""
    home = Home(folder / "home")
    os.environ["OBSERVATORY_HOME"] = str(home.root)
    backends.connect = lambda _: Instant()  # type: ignore[assignment]
    suite = evaluating.suite_named("discrimination")
    subject = evaluating.model_subject(evaluating.Asked("openai:http://127.0.0.1:1/v1#instant"), [suite])
    done: dict[str, dict[str, float | None]] = {}

    def on_event(event: running.StepEvent) -> None:
        if event.kind == "done" and event.seconds is not None:
            done[event.step] = {"rows": event.rows, "seconds": round(event.seconds, 2)}

    started = time.monotonic()
    evaluating.evaluate(home, [suite], [subject], OPTIONS, on_event)
    seconds = time.monotonic() - started
    return {
        "machine": machine(),
        "steps": done,
        "seconds": round(seconds, 1),
        "peak_memory_mb": round(peak_megabytes(), 0),
    }


if __name__ == "__main__":
    main()
