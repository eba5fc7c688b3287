"""Whether a cluster is still used: old conversations stay in it, so only new ones can tell; pure.

A cluster is quiet from the week that splits its history best, by the likelihood of Poisson counts at the pace of
the weeks before. The pace is a share of all traffic, so that a slow week for everybody silences nobody.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.clio.changes import rungs
from dagster_project.privacy.thresholds import Limits, measure, user_codes

# Weeks before the silence that tell the pace, and the part of it that counts as silence.
PACE_WEEKS = 3
QUIET = 0.2
# Chance that a cluster in use at its pace looks quiet.
CHANCE = 0.001

Matrix = NDArray[np.float64]


def weekly_use(
    counted: pl.DataFrame, nodes: pl.DataFrame, clusters: pl.Series
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What `quiet_clusters` reads, for the given clusters of any level.

    In: counted cluster_id (base), user_key, week of each conversation; nodes cluster_id, level, parent_id. Out: entries cluster_id, week, user, n; traffic week, n.
    """
    dated = counted.with_columns(user_codes()).drop_nulls("week")
    base = dated.group_by("cluster_id", "week", "user").agg(n=pl.len().cast(pl.Int64))
    held = rungs(nodes).filter(pl.col("cluster_id").is_in(clusters.implode()))
    entries = base.rename({"cluster_id": "base"}).join(held.select("base", "cluster_id"), on="base")
    entries = entries.group_by("cluster_id", "week", "user").agg(pl.col("n").sum())
    return entries, base.group_by("week").agg(pl.col("n").sum())


def quiet_clusters(entries: pl.DataFrame, traffic: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Clusters whose use has stopped, and since when.

    In: entries cluster_id, week, user, n, the conversations of each user in each cluster and week; traffic week, n, all
    conversations that are clustered. Conversations without a week are in neither. Out: cluster_id, quiet_since (Monday).

    Said only where so many conversations were to be expected that `limits.min_conversations` or fewer would be a rare
    chance, and where the weeks that told the pace pass `limits` themselves. It bounds the count of the weeks
    of silence as a withheld cell does: `limits.min_conversations` or less is as good as none. The date is chosen by exact
    counts, small ones among them.
    """
    weeks = traffic.select("week", "n").sort("week")
    if entries.is_empty() or weeks.height < 2:
        return pl.DataFrame(schema={"cluster_id": pl.String, "quiet_since": pl.Date})
    counts = entries.group_by("cluster_id", "week").agg(pl.col("n").sum())
    ids = counts["cluster_id"].unique().sort()
    table = np.zeros((ids.len(), weeks.height))
    table[_codes(counts["cluster_id"], ids), _codes(counts["week"], weeks["week"])] = counts["n"].to_numpy()
    start = _first_quiet(table, weeks["n"].to_numpy().astype(float), limits.min_conversations)
    found = np.flatnonzero(start)
    quiet = pl.DataFrame(
        {
            "cluster_id": ids.gather(found),
            "quiet_since": weeks["week"].gather(start[found]),
            "pace_from": weeks["week"].gather(np.maximum(start[found] - PACE_WEEKS, 0)),
        }
    )
    return _at_a_known_pace(quiet, entries, limits)


def _codes(values: pl.Series, known: pl.Series) -> NDArray[np.int64]:
    """Position of each value among the sorted `known`."""
    return known.search_sorted(values).to_numpy().astype(np.int64)


def _first_quiet(counts: Matrix, traffic: Matrix, least: int) -> NDArray[np.int64]:
    """Week [k] from which each cluster is quiet, 0 for none, from counts [k, weeks] and traffic [weeks]."""
    from scipy.special import xlogy

    ahead = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    paces, expected_of = np.zeros_like(counts), traffic[::-1].cumsum()[::-1]
    sums, totals = _before(counts), _before(traffic[None])
    np.divide(sums, totals, out=paces, where=totals > 0)
    expected = paces * expected_of
    ratio = np.divide(ahead, expected, out=np.ones_like(counts), where=expected > 0)
    evidence = expected - ahead + xlogy(ahead, ratio)
    silent = (ahead < expected) & (ahead <= np.maximum(least, QUIET * expected))
    start = np.where(silent, evidence, 0.0).argmax(axis=1)
    enough = expected[np.arange(len(counts)), start] >= enough_expected(least)
    return np.where(silent.any(axis=1) & enough, start, 0)


def _before(counts: Matrix) -> Matrix:
    """Sum of the weeks before each week, of at most PACE_WEEKS."""
    total = np.concatenate([np.zeros((len(counts), 1)), counts.cumsum(axis=1)], axis=1)
    weeks = np.arange(counts.shape[1])
    return total[:, weeks] - total[:, np.maximum(weeks - PACE_WEEKS, 0)]


def enough_expected(least: int) -> float:
    """Smallest Poisson mean for which `least` or fewer is a rare chance: 31 for 15."""
    from scipy.special import chdtri

    return float(chdtri(2 * (least + 1), CHANCE) / 2)


def _at_a_known_pace(quiet: pl.DataFrame, entries: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Those whose weeks before the silence could be published as one cell."""
    before = entries.join(quiet, on="cluster_id").filter(
        (pl.col("week") >= pl.col("pace_from")) & (pl.col("week") < pl.col("quiet_since"))
    )
    people = before.group_by("cluster_id", "user").agg(pl.col("n").sum())
    sized = measure(people, "cluster_id").with_columns(reason=limits.reason())
    passed = sized.filter(pl.col("reason").is_null()).select("cluster_id")
    return (
        quiet.join(passed, on="cluster_id", how="semi").select("cluster_id", "quiet_since").sort("cluster_id")
    )
