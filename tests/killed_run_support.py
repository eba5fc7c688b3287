"""`kill -9` of `observatory run` itself, then the same command again until it is done, against a counting server.

The models are the oracle face in every role. Every process is a command line of its own, which loads its libraries anew. Its
embedder is the hashing one, and it asks fewer calls at once than it might, so that what may be under way is little beside
all calls of a small sample. Homes get the same pseudonym key, so that two of them ask the same and commit the same bytes.
Source: specs/privacy_reliability.md 2, row `kill -9`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dagster_project.home import Home
from dagster_project.language_models.openai_backend import AHEAD
from dagster_project.sample.generate import write_sample
from schemas.catalogue import PUBLISHED_TABLES, RUN_LOG
from tests.servers.openai_server import OpenAIServer
from tests.servers.oracle import Oracle

REPOSITORY = Path(__file__).resolve().parent.parent
MOST_AT_ONCE = 8
UNDER_WAY = 2 * MOST_AT_ONCE + AHEAD
"""Requests that the client has begun at most without having handed their answers on."""
COMMAND = (
    "from tests.support import HashingEmbedder\n"
    "from dagster_project import cli, embedding\n"
    "embedding.default_embedder = HashingEmbedder\n"
    "from assets.clio.map import projections\n"
    "projections.SAMPLE = 300\n"
    "from dagster_project.language_models.openai_backend import OpenAIModel\n"
    f"OpenAIModel.of = classmethod(lambda cls, chosen: cls(chosen, most={MOST_AT_ONCE}))\n"
    "cli.main()\n"
)
TIMED = {RUN_LOG.name, PUBLISHED_TABLES.name}
"""Tables that tell when they were made, or the hash of one that does."""
LATENCY = 0.05
PAUSE = 0.005


@dataclass(frozen=True)
class RunOutcome:
    """What a run led to. tables: rows and hash of every table that is committed, but for those that tell the time; calls:
    by the hash of what was asked; killed: processes that were killed at work; port: of the server."""

    tables: dict[str, tuple[int, str]]
    calls: dict[str, int]
    killed: int
    port: int

    @property
    def paid(self) -> int:
        """Calls that reached the server."""
        return sum(self.calls.values())


def moments(kills: int, seed: int) -> list[float]:
    """Moments at which to kill, each drawn from its part of the run: 0 to 1 is the share of its calls that were made, 1 to 2
    that of its tables that are committed."""
    drawn = random.Random(seed)
    return [2 * (place + drawn.random()) / kills for place in range(kills)]


def run_command(
    folder: Path, sample: Path, kills: Sequence[float] = (), whole: RunOutcome | None = None
) -> RunOutcome:
    """Run the command on a sample in a new home until it ends well, killed at these moments of the `whole` run."""
    folder.mkdir()
    home = Home(folder / "home")
    home.secret.write_bytes(bytes(range(32)))
    home.secret.chmod(0o600)
    left, killed = list(kills), 0
    # A model is known by its server's address: the same port gives the same bytes.
    port = 0 if whole is None else whole.port
    with OpenAIServer(Oracle(sample), latency=LATENCY, keep_seen=False, port=port) as server:
        while True:
            process = _start(home, sample, server.url, folder / "printed.txt")
            if left and whole is not None:
                _wait(process, home, server, left.pop(0), whole)
                process.kill()
            ended = process.wait()
            if ended == 0:
                break
            assert ended == -signal.SIGKILL, (folder / "printed.txt").read_text()[-2_000:]
            killed += 1
        return RunOutcome(_tables(home), dict(server.calls), killed, server.port)


def excess(whole: RunOutcome, killed: RunOutcome) -> int:
    """Calls that a killed run paid beyond those of the whole one. Raises AssertionError where their tables differ."""
    differing = {
        name
        for name in whole.tables.keys() | killed.tables
        if whole.tables.get(name) != killed.tables.get(name)
    }
    assert not differing, f"a killed run led to other tables: {sorted(differing)}"
    assert killed.calls.keys() == whole.calls.keys(), "a killed run asked something else"
    return killed.paid - whole.paid


def sample_of(folder: Path, conversations: int, seed: int) -> Path:
    """A generated sample as a file."""
    write_sample(folder / "sample.jsonl", conversations, seed)
    return folder / "sample.jsonl"


def _start(home: Home, sample: Path, url: str, printed: Path) -> subprocess.Popen[bytes]:
    model = f"openai:{url}#test-model"
    roles = [part for role in ("reader", "namer", "auditor") for part in (f"--{role}", model)]
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("OBSERVATORY", "DAGSTER"))
    }
    with printed.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, "run", str(sample), "--home", str(home.root), *roles],
            cwd=REPOSITORY,
            env=clean,
            stdout=log,
            stderr=log,
        )


def _wait(
    process: subprocess.Popen[bytes], home: Home, server: OpenAIServer, moment: float, whole: RunOutcome
) -> None:
    """Wait until the moment has come, or the process has ended."""

    def come() -> bool:
        if moment < 1:
            return len(server.calls) >= moment * len(whole.calls)
        return len(server.calls) == len(whole.calls) and len(_tables(home)) >= (moment - 1) * len(
            whole.tables
        )

    while process.poll() is None and not come():
        time.sleep(PAUSE)


def _tables(home: Home) -> dict[str, tuple[int, str]]:
    found = {}
    for path in home.root.rglob("manifest.json"):
        if path.parts[-3] not in TIMED:
            manifest = json.loads(path.read_bytes())
            found["/".join(path.parts[-4:-1])] = (manifest["rows"], manifest["sha256"])
    return found
