"""`observatory bench`: the whole pipeline on a generated sample, stage by stage, beside the floor of each stage.

Floors are the arithmetic of the performance specification for two free cores, scaled from its million rows of 2 kB:
what the bytes and the floating-point operations would take if nothing else cost anything.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from dagster_project.errors import ObservatoryError

MODEL_STAGE = "embeddings"
FLOPS = 170e9
"""Single-precision operations a second of two cores at 85 GFLOP/s each."""
PARSE, HASH, MATCH, WRITE = 2.17e9 / 1.5, 2e9 / 1.0, 2e9 / 2.4, 2e9 / 2.5
"""Bytes a second: JSON parsing, content hash, linear regular expressions, compressed Parquet."""
LLOYD_PASSES = 20
POINTS_PER_CENTROID = 256
DIMENSIONS = 384


def run_benchmark(rows: int, json_file: Path | None, seed: int) -> pl.DataFrame:
    """Run the pipeline on `rows` sampled conversations in a temporary home; write and return figures per stage.

    Columns: stage, rows, seconds, peak_memory_mb, floor_seconds (null where the specification gives none), ratio.
    """
    from dagster_project import display, running
    from dagster_project.files import make_private
    from dagster_project.home import Home
    from dagster_project.sample.generate import write_sample

    if json_file is not None:
        make_private(json_file.resolve().parent)
    with tempfile.TemporaryDirectory(prefix="observatory-bench-") as folder:
        sample, home = Path(folder) / "sample.jsonl", Home(Path(folder) / "home")
        write_sample(sample, rows, seed)
        running.add_files(home, [sample], format_name=None, privacy_unit="user", mapping={})
        with display.watching() as on_event:
            running.materialise(home, on_event)
        figures = _figures(home.lake.finished_steps(), rows, sample.stat().st_size)
    totals = _totals(figures)
    if json_file is not None:
        content = {"machine": machine(), "rows": rows, "stages": figures, **totals}
        json_file.write_text(json.dumps(content, indent=1))
    sums = {"stages with a floor": "with_a_floor", "all but the model": "without_model"}
    return pl.DataFrame([*figures, *({"stage": name, **totals[key]} for name, key in sums.items())])


def run_language_models(rows: int, json_file: Path | None) -> pl.DataFrame:
    """Measure the client of language models against a local server of fixed latency; write and return the figures.

    Columns as `benchmarks.language_models.measure` gives them. Raises ObservatoryError outside a checkout: the server
    is one of the tests', which no installation carries.
    """
    from dagster_project.files import make_private

    try:
        from benchmarks import language_models
    except ModuleNotFoundError as error:
        raise ObservatoryError(
            f"{error.name} is missing: this suite runs in a checkout of the repository, after `make install`"
        ) from None
    if json_file is not None:
        make_private(json_file.resolve().parent)
    figures = language_models.measure(rows)
    if json_file is not None:
        language_models.write(figures, json_file)
    return pl.DataFrame(figures, infer_schema_length=None)


def machine() -> dict[str, Any]:
    """Description of the machine that a figure was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
    }


def floor_seconds(stage: str, rows: int, size: int) -> float | None:
    """Floor of a stage for `rows` conversations in a raw file of `size` bytes; None where none is specified."""
    clusters = max(8, rows // 100)
    passes = LLOYD_PASSES * min(1.0, POINTS_PER_CENTROID * clusters / rows) + 1
    floors = {
        "conversations": size / PARSE + size / HASH + size / WRITE,
        "redacted_conversations": size / MATCH + size / WRITE,
        MODEL_STAGE: rows * 5.04e-3,
        "current_conversations": rows * 1e-6,
        "clustering": 2.0 * rows * clusters * DIMENSIONS * passes / FLOPS,
        "release": rows * 1e-6,
    }
    return floors.get(stage)


def _figures(entries: Sequence[Mapping[str, Any]], rows: int, size: int) -> list[dict[str, Any]]:
    figures = []
    for entry in entries:
        floor = floor_seconds(entry["stage"], rows, size)
        figures.append(
            {
                "stage": entry["stage"],
                "rows": entry["rows_out"],
                "seconds": entry["seconds"],
                "peak_memory_mb": entry["peak_memory_mb"],
                "floor_seconds": None if floor is None else round(floor, 6),
                "ratio": None if floor is None else round(entry["seconds"] / floor, 2),
            }
        )
    return figures


def _totals(figures: list[dict[str, Any]]) -> dict[str, Any]:
    others = [figure for figure in figures if figure["stage"] != MODEL_STAGE]
    floored = [figure for figure in others if figure["floor_seconds"] is not None]
    return {
        "with_a_floor": _total(floored, floored),
        "without_model": _total(others, floored),
        "seconds": round(sum(figure["seconds"] for figure in figures), 3),
        "peak_memory_mb": max(figure["peak_memory_mb"] for figure in figures),
    }


def _total(figures: list[dict[str, Any]], floored: list[dict[str, Any]]) -> dict[str, float]:
    seconds = sum(figure["seconds"] for figure in figures)
    floor = sum(figure["floor_seconds"] for figure in floored)
    return {
        "seconds": round(seconds, 3),
        "peak_memory_mb": max(figure["peak_memory_mb"] for figure in figures),
        "floor_seconds": round(floor, 3),
        "ratio": round(seconds / floor, 2),
    }
