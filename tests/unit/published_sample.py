"""A small release with every kind of row, for the tests of what reads it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from assets.clio.release import release_tables
from dagster_project.privacy.ledger import SUMMARY
from dagster_project.privacy.thresholds import Thresholds

TREE = {"t0": ["m0", "m1"], "t1": ["m2", "m3"]}
LIMITS = Thresholds(min_users=5, min_conversations=8)


def _nodes() -> pl.DataFrame:
    rows: list[tuple[str, int, str | None]] = []
    for top, middles in TREE.items():
        rows.append((top, 2, None))
        for middle in middles:
            rows.append((middle, 1, top))
            rows += [(f"{middle}-b{index}", 0, middle) for index in range(3)]
    schema = {"cluster_id": pl.String, "level": pl.UInt8, "parent_id": pl.String}
    named = {
        "name": pl.format("Talk about {}", "cluster_id"),
        "summary": pl.format("People ask about {}.", "cluster_id"),
    }
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(**named)


def published(seed: int = 0, conversations: int = 3000) -> dict[str, pl.DataFrame]:
    """All published tables."""
    rng = np.random.default_rng(seed)
    bases = _nodes().filter(pl.col("level") == 0)["cluster_id"].to_list()
    share = np.array([1.0] * (len(bases) - 1) + [0.01])
    leaf = rng.choice(len(bases), conversations, p=share / share.sum())
    user = rng.integers(0, 400, conversations)
    language = np.where(
        rng.random(conversations) < 0.5,
        leaf % 3,
        rng.choice(5, conversations, p=[0.5, 0.3, 0.15, 0.04, 0.01]),
    )
    band = np.where(
        leaf == 0,
        rng.choice(4, conversations, p=[0.4, 0.2, 0.2, 0.2]),
        rng.choice(4, conversations, p=[0.8, 0.1, 0.08, 0.02]),
    )
    ids = [f"c{index}" for index in range(conversations)]
    facets = pl.DataFrame(
        {
            "conversation_id": ids,
            "user_key": [f"{value:032x}" for value in user],
            "language": np.array(["en", "es", "fr", "hi", "eo"])[language],
            "week": [
                date(2024, 1, 1) + timedelta(weeks=int(value)) for value in rng.integers(0, 4, conversations)
            ],
            "model": np.array(["model-a", "model-b"])[rng.integers(0, 2, conversations)],
        }
    )
    released = release_tables(
        pl.DataFrame({"conversation_id": ids, "cluster_id": [bases[value] for value in leaf]}),
        _nodes(),
        facets,
        pl.DataFrame(
            {"conversation_id": ids, "concern_band": np.array(["none", "low", "elevated", "high"])[band]}
        ),
        thresholds=LIMITS,
        reader="extractive-1",
        embedder="minilm",
        namer="terms-1",
    )
    return {**released.frames(), "run_log": run_log(), "privacy_ledger": pl.DataFrame(schema=SUMMARY)}


def run_log() -> pl.DataFrame:
    """Two steps."""
    return pl.DataFrame(
        {
            "run_id": ["r1", "r1"],
            "stage": ["facets", "release"],
            "batch": ["b1", None],
            "rows_in": pl.Series([10, 10], dtype=pl.UInt64),
            "rows_out": pl.Series([10, 4], dtype=pl.UInt64),
            "seconds": [0.5, 0.25],
            "finished_at": [datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC)],
            "code_version": ["1", "1"],
            "note": ["", None],
        }
    )
