"""Which conversations the next release counts, so that it differs from the last one by crowds only.

A reader holds both releases and subtracts. Therefore every base cluster, and every value of it in every dimension,
shown or not, gains nobody or a group that passes the limits, and loses nobody or such a group. Everything published
is a sum of these parts, so every difference is a sum of crowds too, and no further suppression is needed. Changes
that are too small wait; conversations that wait in many clusters may be counted together in one pool.
Source: specs/privacy_reliability.md 1.3, rule 2 (differences between releases).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from dagster_project.privacy.thresholds import Limits, measure, user_codes

POOL = "newest"
DIMENSIONS = ("language", "week", "model", "concern_band")
COLUMNS = ("conversation_id", "cluster_id", "user_key", *DIMENSIONS)
GROUP = ["cluster_id", "direction", "dimension", "value"]


@dataclass(frozen=True)
class Settled:
    """`rows` (`COLUMNS`) that count, in no particular order; `waiting`: `COLUMNS` of those that would count by now."""

    rows: pl.DataFrame
    waiting: pl.DataFrame


def settle(before: pl.DataFrame, target: pl.DataFrame, alive: pl.Series, limits: Limits) -> Settled:
    """Bring what is counted as near to `target` as crowds allow.

    Parameters
    ----------
    before, target : `COLUMNS`
        What the last release counted, and what this one would count; one row per conversation.
    alive
        Base clusters that still exist. What was counted in another one cannot stay there.
    limits
        What every gain and every loss has to pass.

    """
    stays = before.join(target, on=list(COLUMNS), how="semi", nulls_equal=True)
    leaves = _rest(before, stays).with_columns(direction=pl.lit("out"))
    enters = _rest(target, stays).with_columns(direction=pl.lit("in"))
    rooted = leaves.filter(pl.col("cluster_id").is_in(alive.implode()) | (pl.col("cluster_id") == POOL))
    settled = _apply(before, pl.concat([rooted, enters]), leaves, limits)
    if _pool_fits(settled, limits):
        return _outcome(settled, target)
    pooled = before.filter(pl.col("cluster_id") == POOL)
    events = pl.concat([rooted, enters]).join(pooled, on="conversation_id", how="anti")
    return _outcome(
        _apply(before, events, leaves.join(pooled, on="conversation_id", how="anti"), limits), target
    )


def _rest(rows: pl.DataFrame, stays: pl.DataFrame) -> pl.DataFrame:
    return rows.select(COLUMNS).join(stays, on="conversation_id", how="anti")


def _apply(before: pl.DataFrame, events: pl.DataFrame, leaves: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Rows after the changes that are crowds, and after the pool has taken in what it can."""
    accepted = _crowds(events, limits).select("conversation_id").unique()
    uprooted = leaves.join(events.filter(pl.col("direction") == "out"), on="conversation_id", how="anti")
    kept = before.select(COLUMNS).join(accepted, on="conversation_id", how="anti")
    kept = kept.join(uprooted, on="conversation_id", how="anti")
    entered = events.filter(pl.col("direction") == "in")
    placed = entered.join(accepted, on="conversation_id", how="semi")
    homeless = entered.join(
        pl.concat([part.select("conversation_id") for part in (kept, placed)]),
        on="conversation_id",
        how="anti",
    )
    pool = _crowds(homeless.with_columns(cluster_id=pl.lit(POOL)), limits)
    return pl.concat([part.select(COLUMNS) for part in (kept, placed, pool)])


def _crowds(events: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """The largest set of events found in which every part is a crowd; both events of a move stay or go together."""
    coded = events.with_columns(user_codes())
    while coded.height:
        parts = _parts(coded)
        entries = parts.group_by(*GROUP, "user").agg(n=pl.len())
        small = measure(entries, *GROUP).filter(limits.reason().is_not_null())
        alone = parts.join(small, on=GROUP, how="semi").select("conversation_id").unique()
        if alone.is_empty():
            break
        coded = coded.join(alone, on="conversation_id", how="anti")
    return events.join(coded, on="conversation_id", how="semi")


def _parts(events: pl.DataFrame) -> pl.DataFrame:
    """conversation_id, user and `GROUP` of every part that an event touches; whole clusters are sums of these."""
    values = [
        events.select(
            "conversation_id",
            "user",
            "cluster_id",
            "direction",
            dimension=pl.lit(dimension),
            value=pl.col(dimension).cast(pl.String).fill_null(""),
        )
        for dimension in DIMENSIONS
    ]
    return pl.concat(values)


def _pool_fits(rows: pl.DataFrame, limits: Limits) -> bool:
    """Whether the pool is empty or may be shown: else nothing may leave it, or its rest would be told."""
    pool = rows.filter(pl.col("cluster_id") == POOL).with_columns(user_codes())
    size = measure(pool.group_by("cluster_id", "user").agg(n=pl.len()), "cluster_id")
    return size.filter(limits.reason().is_not_null()).is_empty()


def _outcome(rows: pl.DataFrame, target: pl.DataFrame) -> Settled:
    return Settled(rows, target.select(COLUMNS).join(rows, on="conversation_id", how="anti"))
