"""Where each conversation stands on the map: fitted once, then only extended, until too much lies off the map.

The table itself is the state: its fitted rows, with their vectors from the embeddings of today, are all that is needed
to place new rows. So nothing else is stored, a conversation that is gone leaves no vector behind, and nothing is ever
unpickled. A row whose vector has changed is a new row; another embedder changes them all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dagster_project.clustering import Projection, Rows, extend_projection, fit_projection
from dagster_project.clustering.projection import SAMPLE
from dagster_project.errors import ObservatoryError

Vectors = NDArray[np.float32]
Codes = NDArray[np.uint64]

# A row is off the map where it is farther from every fitted point than this share of these are from each other.
NEAR = 0.99
MOST_OFF_THE_MAP = 0.1
FEWEST_LEFT = 0.5
# A map of few points is fitted again once this many times more could be fitted.
GROWTH = 10
HASHED_STEPS = 64.0
SCHEMA = {
    "conversation_id": pl.String,
    "x": pl.Float32,
    "y": pl.Float32,
    "fitted": pl.Boolean,
    "nearest": pl.Float32,
    "vector_hash": pl.UInt64,
    "map": pl.UInt32,
}


@dataclass(frozen=True)
class Projected:
    """The projections table, and why it was fitted anew (None where it was extended)."""

    projections: pl.DataFrame
    refitted: str | None


def project_conversations(
    ids: pl.Series,
    vectors: Vectors,
    *,
    seed: int,
    device: str = "cpu",
    previous: pl.DataFrame | None = None,
) -> Projected:
    """Place conversations `ids` [N] with vectors [N, D] (array or memory map) on the map of `previous`, or on a new one.

    `previous` is an earlier result. Rows known from it keep their places to the last bit. A new map is fitted where
    there is none, where more than half of its fitted points are gone, where ten times as many points could be fitted,
    and where more than a tenth of all rows lie off it. Raises ObservatoryError where ids and vectors differ in number.
    """
    if len(ids) != len(vectors):
        raise ObservatoryError(
            "embeddings and conversations are out of step; materialise the embeddings again"
        )
    rows, codes = Rows.of(vectors), vector_codes(vectors)
    now = pl.DataFrame({"conversation_id": ids, "vector_hash": codes})
    known = _known(now, previous)
    reason = _why_refit(known, previous, len(np.unique(codes)))
    if reason is None:
        extended = _extend(known, rows)
        reason = _too_far(extended)
        if reason is None:
            return Projected(extended, None)
    number = 1 if previous is None or previous.is_empty() else int(previous["map"][0]) + 1
    return Projected(_fit(now, rows, codes, number, seed, device), reason)


def vector_codes(vectors: Vectors) -> Codes:
    """One number [N] for each vector, equal where vectors are: they are compared in steps of 1/64."""
    random = np.random.default_rng(0)
    factors = random.integers(1, 2**63, size=vectors.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    codes = np.empty(len(vectors), dtype=np.uint64)
    for start in range(0, len(vectors), 8_192):
        steps = np.rint(np.asarray(vectors[start : start + 8_192]) * HASHED_STEPS).astype(np.int64)
        codes[start : start + 8_192] = (steps.view(np.uint64) * factors).sum(axis=1, dtype=np.uint64)
    return codes


def _known(now: pl.DataFrame, previous: pl.DataFrame | None) -> pl.DataFrame:
    """Rows of today with their places of before; null where they are new."""
    before = pl.DataFrame(schema=SCHEMA) if previous is None else previous
    return now.join(before, on=["conversation_id", "vector_hash"], how="left", maintain_order="left").select(
        SCHEMA.keys()
    )


def _why_refit(known: pl.DataFrame, previous: pl.DataFrame | None, different: int) -> str | None:
    """Why the map of before cannot be extended, as far as that can be told without placing anything."""
    if previous is None or previous.is_empty():
        return "there was no map"
    left, before = int(known["fitted"].sum()), int(previous["fitted"].sum())
    if left == 0 or left < FEWEST_LEFT * before:
        return "most of its fitted points are gone"
    if min(different, SAMPLE) >= GROWTH * left:
        return "ten times as many points can be fitted"
    return None


def _too_far(projections: pl.DataFrame) -> str | None:
    fitted = projections.filter("fitted")["nearest"]
    off = (projections["nearest"] > fitted.quantile(NEAR)).mean()
    return "more than a tenth of all rows lie off it" if float(off or 0.0) > MOST_OFF_THE_MAP else None  # type: ignore[arg-type]


def _extend(known: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    """Places for the rows that have none."""
    new = np.flatnonzero(known["x"].is_null().to_numpy())
    if not len(new):
        return known
    at = np.flatnonzero(known["fitted"].fill_null(False).to_numpy())
    fitted = known[at]
    map_so_far = Projection(rows.take(at), fitted.select("x", "y").to_numpy(), fitted["nearest"].to_numpy())
    places, nearest = extend_projection(map_so_far, rows, new)
    fresh = pl.DataFrame(
        {
            "row": new,
            "conversation_id": known["conversation_id"][new],
            "x": places[:, 0],
            "y": places[:, 1],
            "fitted": False,
            "nearest": nearest,
            "vector_hash": known["vector_hash"][new],
            "map": fitted["map"][0],
        },
        schema={"row": pl.Int64, **SCHEMA},
    )
    old = known.with_columns(row=pl.int_range(pl.len())).drop_nulls("x")
    return pl.concat([old.select(fresh.columns), fresh]).sort("row").drop("row")


def _fit(now: pl.DataFrame, rows: Rows, codes: Codes, number: int, seed: int, device: str) -> pl.DataFrame:
    """A new map over a sample of different vectors, extended to all rows."""
    different = np.sort(np.unique(codes, return_index=True)[1])
    if len(different) > SAMPLE:
        different = np.sort(np.random.default_rng(seed).choice(different, SAMPLE, replace=False))
    fitted = fit_projection(rows.take(different), seed=seed, device=device)
    places = pl.DataFrame(
        {
            "row": different,
            "x": fitted.places[:, 0],
            "y": fitted.places[:, 1],
            "fitted": True,
            "nearest": fitted.nearest,
            "map": number,
        },
        schema_overrides={"map": pl.UInt32},
    )
    placed = now.with_columns(row=pl.int_range(pl.len())).join(
        places, on="row", how="left", maintain_order="left"
    )
    return _extend(placed.select(SCHEMA.keys()), rows)
