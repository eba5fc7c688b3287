"""What `kill -9` costs a run that asks a model: calls paid again, beside the most that were under way."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from dagster_project.bench import machine
from tests.kill_support import MOST_AT_ONCE, excess, run


def main() -> None:
    """Run the benchmark and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--requests", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="observatory-kills-") as folder:
        whole = run(Path(folder) / "whole", arguments.requests, 0, arguments.seed)
        killed = run(Path(folder) / "killed", arguments.requests, arguments.kills, arguments.seed)
    figures = {
        "kills": killed.killed,
        "requests": arguments.requests,
        "unique_calls": len(whole.calls),
        "same_bytes": killed.results == whole.results,
        "paid_again": excess(whole, killed),
        "under_way_at_most": killed.killed * MOST_AT_ONCE,
    }
    arguments.json.write_text(json.dumps({"machine": machine(), **figures}, indent=1))
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
