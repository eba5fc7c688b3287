"""How many texts that people really wrote are taken for orders to a model, by public data set: counts, no text is shown.

None of these sets was made to turn a model, so every hit counts as a false one.
"""

from __future__ import annotations

import argparse
import json
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.corpora import clinc_texts, hh_turns, moderation
from dagster_project.bench import machine
from dagster_project.privacy.instructions import strip_instructions

HH_PARTS = ("helpful-base", "harmless-base", "helpful-online")


def main() -> None:
    """Run the benchmark and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    figures = measure(arguments.data)
    arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


def measure(data: Path) -> dict[str, Any]:
    """Texts of each set and how many of them lose a sentence."""
    sets = {
        "oasst": oasst_turns(data),
        "clinc150": clinc_texts(data),
        "moderation": moderation(data)[0],
        **{f"hh-rlhf {part}": list(chain.from_iterable(hh_turns(data, part))) for part in hh_parts(data)},
    }
    return {
        "machine": machine(),
        "sets": {name: {"texts": len(texts), "taken": taken(texts)} for name, texts in sets.items()},
    }


def taken(texts: list[str]) -> int:
    """How many of the texts would lose a sentence."""
    seen = pl.Series(texts, dtype=pl.String)
    plain = seen.str.normalize("NFKC").str.replace_all(r"\p{Cf}", "")
    return int((strip_instructions(seen) != plain).sum())


def hh_parts(data: Path) -> list[str]:
    """The parts of hh-rlhf whose test split is there."""
    return [part for part in HH_PARTS if (data / "hh-rlhf" / part / "test.jsonl.gz").exists()]


def oasst_turns(data: Path) -> list[str]:
    """Prompts of the OpenAssistant validation set."""
    lines = (data / "oasst" / "en-validation.jsonl").read_text("utf-8").splitlines()
    messages = [json.loads(line) for line in lines if line.strip()]
    return [message["text"] for message in messages if message.get("role") == "prompter"]


if __name__ == "__main__":
    main()
