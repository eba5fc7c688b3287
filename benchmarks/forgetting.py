"""What forgetting one user costs: seconds of the erasure itself and of every step that is made again."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from dagster_project.bench import machine
from dagster_project.home import Home
from dagster_project.sample.generate import write_sample
from dagster_project.settings import silence_telemetry


def main() -> None:
    """Run the benchmark and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--hashing", action="store_true", help="Embed by hashed words instead of the model.")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    silence_telemetry()
    os.umask(0o077)
    if arguments.hashing:
        from dagster_project import embedding
        from tests.support import HashingEmbedder

        embedding.default_embedder = HashingEmbedder
    with tempfile.TemporaryDirectory(prefix="observatory-forgetting-") as folder:
        figures = measure(Path(folder), arguments.rows)
    arguments.json.write_text(json.dumps({"machine": machine(), **figures}, indent=1))
    print(json.dumps(figures, indent=1))


def measure(folder: Path, rows: int) -> dict[str, object]:
    """Seconds of forgetting the user of the sample's first conversation, in all and by step."""
    from dagster_project import forgetting, running

    home, sample = Home(folder / "home"), folder / "sample.jsonl"
    write_sample(sample, rows, seed=1)
    with sample.open(encoding="utf-8") as lines:
        user = json.loads(next(lines))["user"]
    running.add_files(home, [sample], format_name=None, privacy_unit="user", mapping={})
    running.materialise(home)
    read = {entry["run_id"] for entry in home.lake.finished_steps()}
    started = time.monotonic()
    outcome = forgetting.forget(home, [user])
    seconds = time.monotonic() - started
    again = [entry for entry in home.lake.finished_steps() if entry["run_id"] not in read]
    steps = {str(entry["stage"]): float(str(entry["seconds"])) for entry in again}
    return {
        "rows": rows,
        "conversations_forgotten": outcome.conversations,
        "seconds": round(seconds, 2),
        "seconds_of_steps": steps,
        "seconds_without_steps": round(seconds - sum(steps.values()), 2),
    }


if __name__ == "__main__":
    main()
