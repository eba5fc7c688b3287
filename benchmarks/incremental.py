"""What a second run costs: many sampled conversations first, then one per cent more, each run in its own process."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from dagster_project.bench import machine
from dagster_project.home import Home
from dagster_project.sample.generate import write_sample


def main() -> None:
    """Run the benchmark and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=50_000)
    parser.add_argument("--more", type=int, default=500)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="observatory-incremental-") as folder:
        figures = measure(Path(folder), arguments.first, arguments.more)
    arguments.json.write_text(json.dumps({"machine": machine(), **figures}, indent=1))
    print(json.dumps(figures, indent=1))


def measure(folder: Path, first: int, more: int) -> dict[str, object]:
    """Seconds of both runs, rows computed by each, and how many clusters kept their ids."""
    home = folder / "home"
    files = [folder / "first.jsonl", folder / "more.jsonl"]
    write_sample(files[0], first, seed=1)
    write_sample(files[1], more, seed=2)
    seconds, clusters = [], []
    for file in files:
        started = time.monotonic()
        subprocess.run(  # noqa: S603 this interpreter, our own module
            [sys.executable, "-m", "dagster_project", "run", str(file), "--home", str(home)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seconds.append(round(time.monotonic() - started, 1))
        clusters.append(Home(home).lake.scan("restricted", "cluster_nodes").collect())
    journal = pl.DataFrame(Home(home).lake.finished_steps(), infer_schema_length=None)
    second = journal.filter(pl.col("run_id").is_in(_second_runs(journal)))
    ids = [set(frame.filter(pl.col("level") == 0)["cluster_id"]) for frame in clusters]
    return {
        "rows": [first, more],
        "seconds": seconds,
        "ratio": round(seconds[1] / seconds[0], 3),
        "second_run_stages": second.select("stage", "rows_in", "rows_out", "seconds").to_dicts(),
        "base_clusters": [len(group) for group in ids],
        "base_clusters_kept": len(ids[0] & ids[1]),
    }


def _second_runs(journal: pl.DataFrame) -> list[str]:
    order = journal["run_id"].unique(maintain_order=True).to_list()
    return order[2:]


if __name__ == "__main__":
    main()
