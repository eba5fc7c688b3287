"""Quality and speed of redaction on presidio-research's synthetic data (synth_dataset_v2.json, 1,500
samples).

    python -m benchmarks.redaction --data DIR --json FILE

A found span counts when its type is right and it overlaps a true span with intersection over union of at
least 0.5.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from dagster_project.privacy.redaction import find_identifiers, redact_texts

DATASET = Path("presidio-pii") / "synth_dataset_v2.json"
MIN_OVERLAP = 0.5
# The data set's types and ours. Types of ours that it does not label count against precision in the total.
COVERED = {
    "EMAIL_ADDRESS": "EMAIL", "CREDIT_CARD": "CREDIT_CARD", "IBAN_CODE": "IBAN", "PHONE_NUMBER": "PHONE",
    "US_SSN": "SSN", "IP_ADDRESS": "IP_ADDRESS", "DOMAIN_NAME": "URL", "US_DRIVER_LICENSE": "DRIVER_LICENCE",
}  # fmt: skip
KEYS = ["row", "start", "end", "type"]


def load_samples(data: Path) -> tuple[pl.Series, pl.DataFrame]:
    """Texts, and true spans [row, start, end, type] with the data set's type names."""
    samples = json.loads((data / DATASET).read_text("utf-8"))
    spans = [
        (row, span["start_position"], span["end_position"], span["entity_type"])
        for row, sample in enumerate(samples)
        for span in sample["spans"]
    ]
    schema = {"row": pl.UInt32, "start": pl.UInt32, "end": pl.UInt32, "type": pl.String}
    return pl.Series("text", [s["full_text"] for s in samples]), pl.DataFrame(
        spans, schema=schema, orient="row"
    )


def match_spans(true: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """One-to-one pairs of spans of the same row and type with enough overlap, best overlap first."""
    low = pl.max_horizontal("start", "start_found").cast(pl.Int64)
    high = pl.min_horizontal("end", "end_found").cast(pl.Int64)
    union = pl.max_horizontal("end", "end_found") - pl.min_horizontal("start", "start_found")
    pairs = (
        true.join(found, on=["row", "type"], suffix="_found")
        .with_columns(((high - low) / union).alias("overlap"))
        .filter(pl.col("overlap") >= MIN_OVERLAP)
        .sort("overlap", descending=True)
    )
    return pairs.unique(KEYS, keep="first", maintain_order=True).unique(
        ["row", "type", "start_found", "end_found"], keep="first", maintain_order=True
    )


def f_beta(precision: float, recall: float, beta: float) -> float:
    """Weighted harmonic mean; recall counts beta times as much."""
    weight = beta * beta
    return (1 + weight) * precision * recall / (weight * precision + recall) if precision + recall else 0.0


def score(name: str, true: int, found: int, matched: int) -> dict[str, Any]:
    """Recall, precision, F1 and F2 from counts."""
    recall, precision = matched / true if true else 0.0, matched / found if found else 0.0
    return {
        "type": name, "true": true, "found": found, "matched": matched, "recall": recall,
        "precision": precision,
        "f1": f_beta(precision, recall, 1), "f2": f_beta(precision, recall, 2),
    }  # fmt: skip


def evaluate(texts: pl.Series, labels: pl.DataFrame) -> pl.DataFrame:
    """Scores per covered type, for all of them together, and the types that are not covered (found = 0)."""
    true = labels.with_columns(pl.col("type").replace_strict(COVERED, default=None)).drop_nulls("type")
    found = find_identifiers(texts)
    matched = match_spans(true, found)
    rows = [
        score(kind, *(frame.filter(pl.col("type") == kind).height for frame in (true, found, matched)))
        for kind in COVERED.values()
    ]
    rows.append(score("TOTAL", true.height, found.height, matched.height))
    missing = labels.filter(~pl.col("type").is_in(list(COVERED)))["type"].value_counts().sort("type")
    rows += [
        score(f"{kind} (not covered: needs a language model)", n, 0, 0) for kind, n in missing.iter_rows()
    ]
    return pl.DataFrame(rows)


def measure_speed(texts: pl.Series) -> dict[str, float]:
    """Rows and megabytes a second over the samples, after a first call that loads the recognisers."""
    redact_texts(texts.head(50))
    start, cpu = time.perf_counter(), time.process_time()
    redact_texts(texts)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    megabytes = int(texts.str.len_bytes().sum()) / 1e6
    return {
        "rows_per_second": len(texts) / seconds, "megabytes_per_second": megabytes / seconds,
        "seconds": seconds, "cpu_seconds": cpu,
    }  # fmt: skip


def synthesise(texts: pl.Series, rows: int, characters: int, share: float) -> pl.Series:
    """Conversations of a given length, of which a share holds one sample with identifiers amid plain words.

    A running number beside each sample keeps every stretch that is checked distinct, as it is in life.
    """
    words = (
        "the model explains how to plan a small garden with herbs and 12 pots in 3 weeks without much work. "
    )
    plain = (words * (characters // len(words) + 1))[:characters]
    every = max(1, round(1 / share))
    samples = texts.gather([i % len(texts) for i in range(rows // every + 1)]).to_list()
    half = plain[: characters // 2]
    return pl.Series(
        "text",
        [
            f"{half}{i:x}. {samples[i // every]} ({i:x}) {half}" if i % every == 0 else plain
            for i in range(rows)
        ],
    )


def run(data: Path, rows: int) -> dict[str, Any]:
    """Everything that is measured, as one JSON object."""
    texts, labels = load_samples(data)
    scores = evaluate(texts, labels)
    identified = texts.gather(labels.filter(pl.col("type").is_in(list(COVERED)))["row"].unique().sort())
    return {
        "machine": f"{platform.machine()}, Python {platform.python_version()}, polars {pl.__version__}",
        "scores": scores.to_dicts(),
        "speed_samples": measure_speed(texts),
        "speed_conversations": {"rows": rows, **measure_speed(synthesise(identified, rows, 2_000, 0.05))},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure, print a table, write the JSON file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data sets")
    parser.add_argument("--json", type=Path, required=True, help="file to write")
    parser.add_argument(
        "--rows", type=int, default=100_000, help="synthetic conversations for the speed figure"
    )
    options = parser.parse_args(arguments)
    result = run(options.data, options.rows)
    options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    with pl.Config(tbl_rows=-1, fmt_str_lengths=60, tbl_cols=-1, tbl_width_chars=160, float_precision=3):
        print(pl.DataFrame(result["scores"]))
    print(json.dumps({key: result[key] for key in ("speed_samples", "speed_conversations")}, indent=1))


if __name__ == "__main__":
    main()
