"""The reconstruction benchmark with models in every role that know the truth: what the way itself loses.

The models are the oracle face of the local server, asked over HTTP by the real client; the embedder is the packaged one.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from dagster_project.bench import machine
from dagster_project.reconstruction import run_reconstruction
from dagster_project.sample.generate import write_sample
from tests.servers.openai_server import OpenAIServer
from tests.servers.oracle import Oracle

SEED = 7


def main() -> None:
    """Run the benchmark and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=20_000)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), arguments.conversations)
    arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


def measure(folder: Path, conversations: int) -> dict[str, Any]:
    """Accuracy by level and group, as `observatory evaluate-clio` reports it, with the calls that it took."""
    os.environ["OBSERVATORY_HOME"] = str(folder / "home")
    write_sample(folder / "sample.jsonl", conversations, SEED)
    started = time.monotonic()
    with OpenAIServer(Oracle(folder / "sample.jsonl"), keep_seen=False) as server:
        model = f"openai:{server.url}#test-model"
        roles: dict[str, str | None] = {"reader": model, "namer": model, "auditor": model}
        report = run_reconstruction(conversations, SEED, None, folder / "home", roles)
        calls = sum(server.calls.values())
    return {
        "machine": machine(),
        "conversations": conversations,
        "calls": calls,
        "seconds": round(time.monotonic() - started, 1),
        "figures": report["figures"],
    }


if __name__ == "__main__":
    main()
