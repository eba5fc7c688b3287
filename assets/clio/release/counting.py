"""Which conversations a release counts: those in a cluster, without what the bounds on one user leave out."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from assets.clio.release.report import LeftOut
from dagster_project.errors import ObservatoryError
from dagster_project.privacy.contributions import Bounds, bound_contributions

CELL_COLUMNS = ("user_key", "language", "week", "model", "concern_band")


@dataclass(frozen=True)
class Counted:
    """`rows`: conversation_id, cluster_id (base) and `CELL_COLUMNS` of what counts; who was left out, and why."""

    rows: pl.DataFrame
    left_out: LeftOut


def clustered_rows(assignments: pl.DataFrame, facets: pl.DataFrame, concerns: pl.DataFrame) -> pl.DataFrame:
    """One row per clustered conversation: conversation_id, cluster_id and `CELL_COLUMNS`.

    Raises ObservatoryError where a frame holds a conversation twice.
    """
    for name, frame in {"cluster_assignments": assignments, "facets": facets, "concerns": concerns}.items():
        if frame["conversation_id"].is_duplicated().any():
            raise ObservatoryError(
                f"{name} holds a conversation twice; restrict it to current conversations first"
            )
    return (
        facets.select("conversation_id", "user_key", "language", "week", "model")
        .join(assignments.select("conversation_id", "cluster_id"), on="conversation_id")
        .join(concerns.select("conversation_id", "concern_band"), on="conversation_id", how="left")
        .select("conversation_id", "cluster_id", *CELL_COLUMNS)
    )


def count_rows(rows: pl.DataFrame, bounds: Bounds, secret: bytes) -> Counted:
    """Apply the bounds on one user. In: rows as `clustered_rows` returns them."""
    kept = bound_contributions(rows, bounds, secret)
    uncounted = rows.join(kept, on="conversation_id", how="anti").select("user_key") if bounds.any else None
    return Counted(kept, LeftOut(bounds, uncounted))
