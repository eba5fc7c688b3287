"""Which conversations a release counts: those in a cluster, without what the bounds on one user leave out."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from assets.clio.release.report import LeftOut
from dagster_project.errors import ObservatoryError
from dagster_project.privacy.contributions import Bounds, bound_contributions
from dagster_project.privacy.settling import COLUMNS, POOL, Settled, settle
from dagster_project.privacy.thresholds import Limits

# No name made of shared terms holds brackets, so no sibling has this one.
POOL_NAME = "Newest conversations (not yet in a cluster)"
TURNS = {"1": 1, "2-4": 4, "5-9": 9}
MANY_TURNS = "10+"
FLAGS = ("flagged", "not flagged", "unknown")
FROZEN = ("turns_band", "flag")
POOL_SUMMARY = "Conversations that came lately, too few of them in each cluster to be told there."


@dataclass(frozen=True)
class Counted:
    """`rows`: `COLUMNS` of what counts, by base cluster; who was left out, and why."""

    rows: pl.DataFrame
    left_out: LeftOut


def clustered_rows(assignments: pl.DataFrame, facets: pl.DataFrame, concerns: pl.DataFrame) -> pl.DataFrame:
    """One row per clustered conversation: `COLUMNS`.

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
        .select(COLUMNS)
    )


def turns_band() -> pl.Expr:
    """Band of the number of user turns: 1, 2-4, 5-9, 10+; null where unknown."""
    turns = pl.col("turns")
    band = pl.when(turns <= TURNS["1"]).then(pl.lit("1"))
    for name in ("2-4", "5-9"):
        band = band.when(turns <= TURNS[name]).then(pl.lit(name))
    return band.when(turns.is_not_null()).then(pl.lit(MANY_TURNS)).alias("turns_band")


def flag_value() -> pl.Expr:
    """The supplied flag as a value: flagged, not flagged, unknown."""
    flagged = pl.when(pl.col("flagged")).then(pl.lit(FLAGS[0])).otherwise(pl.lit(FLAGS[1]))
    return pl.when(pl.col("flagged").is_null()).then(pl.lit(FLAGS[2])).otherwise(flagged).alias("flag")


def as_counted(rows: pl.DataFrame, details: pl.DataFrame, before: pl.DataFrame | None = None) -> pl.DataFrame:
    """Conversations that count, with `turns_band` and `flag` as they were when each was counted.

    In: `COLUMNS` and any others; conversation_id, turns, flagged of the current conversations; the rows that the last
    release counted. What is no part that is held (`privacy.settling`) must not move while the conversation stays.
    """
    today = details.select("conversation_id", turns_band(), flag_value())
    if before is None:
        return rows.join(today, on="conversation_id", how="left")
    stays = before.select(*COLUMNS, *FROZEN).join(rows, on=list(COLUMNS), how="semi", nulls_equal=True)
    fresh = today.join(stays, on="conversation_id", how="anti")
    frozen = pl.concat([stays.select(fresh.columns), fresh])
    return rows.join(frozen, on="conversation_id", how="left")


def count_rows(
    rows: pl.DataFrame,
    bounds: Bounds,
    secret: bytes,
    *,
    before: pl.DataFrame | None = None,
    alive: pl.Series | None = None,
    limits: Limits | None = None,
) -> Counted:
    """Apply the bounds on one user, then hold back what would show a small change against the release `before`.

    In: rows as `clustered_rows` returns them; `before` the rows that the last release counted, with `alive` (ids of
    today's base clusters) and the `limits` of a change.
    """
    kept = bound_contributions(rows, bounds, secret)
    uncounted = rows.join(kept, on="conversation_id", how="anti").select("user_key") if bounds.any else None
    if before is None or alive is None or limits is None:
        return Counted(kept, LeftOut(bounds, uncounted))
    settled: Settled = settle(before, kept, alive, limits)
    return Counted(settled.rows, LeftOut(bounds, uncounted, settled.waiting.select("user_key")))


def with_pool(nodes: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The tree, with a cluster at the top for what is counted in the pool of the newest conversations."""
    if not rows["cluster_id"].eq(POOL).any():
        return nodes
    pool = pl.DataFrame(
        {
            "cluster_id": POOL,
            "level": nodes["level"].max(),
            "parent_id": None,
            "name": POOL_NAME,
            "summary": POOL_SUMMARY,
        },
        schema=nodes.select("cluster_id", "level", "parent_id", "name", "summary").schema,
    )
    return pl.concat([nodes.select(pool.columns), pool])
