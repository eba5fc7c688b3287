"""How fast exports and traces are read: files of many conversations in each shape, detected and read to frames."""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from assets.conversations.chunks import Counts
from assets.conversations.ingest import ingest_file
from assets.conversations.loaders.registry import detect_format
from dagster_project.bench import machine
from tests.export_support import chatgpt, claude, genai, observation, openinference, otlp, span, write_zip
from tests.reading_support import said

ASKED = "How do I keep tomatoes on a shady balcony alive in spring, and which pots are best for them? "
TOLD = "Choose a small variety, water in the morning, turn the pots every few days and feed little. " * 5
EXCHANGES = 3

Make = Callable[[int, int], dict[str, Any]]


def main() -> None:
    """Run the benchmark and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=10_000)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="observatory-loaders-") as folder:
        figures = [measure(file) for file in write_files(Path(folder), arguments.conversations)]
    arguments.json.write_text(json.dumps({"machine": machine(), "files": figures}, indent=1))
    print(json.dumps(figures, indent=1))


def turns(number: int, exchanges: int = EXCHANGES) -> list[str]:
    """What is said in a conversation, the user first."""
    return [f"{number} {text}" for text in (ASKED, TOLD) * exchanges]


def write_files(folder: Path, count: int) -> Iterator[Path]:
    """One file per shape. A conversation of traces is three calls, each with all that was said before."""
    talks = [chatgpt(number, *turns(number)) for number in range(count)]
    yield write_zip(folder / "chatgpt.zip", {"conversations.json": talks, "user.json": {"id": "u"}})
    talks = [claude(number, *turns(number)) for number in range(count)]
    yield write_zip(folder / "claude-ai.zip", {"conversations.json": talks})
    yield _write_calls(folder / "langfuse.jsonl", count, _generation)
    for name, attributes in (("openinference", openinference), ("otel-genai", genai)):
        yield _write_calls(folder / f"{name}.jsonl", count, _span(attributes))
        yield _write_calls(folder / f"{name}-otlp.jsonl", count, _line(_span(attributes)))


def _generation(number: int, exchanges: int) -> dict[str, Any]:
    *asked, answered = said(*turns(number, exchanges))
    return observation(f"t{number}-{exchanges}", exchanges, asked, answered, session_id=f"s{number}")


def _span(attributes: Callable[..., dict[str, Any]]) -> Make:
    def make(number: int, exchanges: int) -> dict[str, Any]:
        messages = [(turn["role"], turn["content"]) for turn in said(*turns(number, exchanges))]
        return span(f"t{number}-{exchanges}", exchanges, attributes(*messages, session=f"s{number}"))

    return make


def _line(make: Make) -> Make:
    return lambda number, exchanges: otlp(make(number, exchanges))


def _write_calls(path: Path, count: int, make: Make) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            file.writelines(json.dumps(make(number, exchange)) + "\n" for exchange in range(1, EXCHANGES + 1))
    return path


def measure(path: Path) -> dict[str, Any]:
    """Rows, conversations and processor seconds of reading one file."""
    started, format_name = time.process_time(), detect_format(path)
    chunks = ingest_file(
        path, format_name=format_name, pseudonymise=lambda raw: hashlib.sha256(raw.encode()).hexdigest()
    )
    counts = sum((chunk.counts for chunk in chunks), Counts())
    return {
        "file": path.name,
        "format": format_name,
        "rows": counts.rows_in,
        "conversations": counts.conversations,
        "quarantined": counts.rows_quarantined,
        "cpu_seconds": round(time.process_time() - started, 2),
    }


if __name__ == "__main__":
    main()
