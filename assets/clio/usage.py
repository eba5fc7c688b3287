"""Whether a cluster is still used: old conversations stay in it, so only new ones can tell; pure.

A cluster, or a group of kindred ones, is quiet from the week that splits its history best, by the likelihood of Poisson
counts at the pace of the weeks before. The pace is a share of all traffic, so that a slow week for everybody silences
nobody.
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
# Chance that a cluster in use at its pace, but for its most active user, looks quiet: there are hundreds of groups.
CHANCE = 1e-4

Matrix = NDArray[np.float64]
SCHEMA = {"cluster_id": pl.String, "quiet_since": pl.Date}


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


def quiet_clusters(
    entries: pl.DataFrame, traffic: pl.DataFrame, limits: Limits, kin: pl.DataFrame
) -> pl.DataFrame:
    """Clusters whose use has stopped, by themselves or with their kin, and since when.

    In: entries cluster_id, week, user, n, the conversations of each user in each cluster and week; traffic week, n, all
    conversations that are clustered; kin group, cluster_id, what may be counted together. Conversations without a week
    are in none. Out: cluster_id, quiet_since (Monday), of the group that tells most.

    Said only where so many conversations were to be expected, the most active user left out, that the most that a
    withheld cell holds would be a rare chance, and where the weeks that told the pace pass `limits` in every cluster of
    the group. The whole group has at most that many in the weeks of silence, or a cluster by itself a fifth of those
    expected. The date is chosen by exact counts, small ones among them.
    """
    weeks = traffic.select("week", "n").sort("week")
    if entries.is_empty() or weeks.height < 2:
        return pl.DataFrame(schema=SCHEMA)
    units = _units(entries["cluster_id"].unique().sort(), kin)
    counts = entries.group_by("cluster_id", "week").agg(pl.col("n").sum()).join(units, on="cluster_id")
    counts = counts.group_by("unit", "week").agg(pl.col("n").sum())
    order = units.group_by("unit").agg(pl.col("pooled").first(), clusters=pl.len()).sort("unit")
    table = np.zeros((order.height, weeks.height))
    place = _codes(counts["unit"], order["unit"]), _codes(counts["week"], weeks["week"])
    table[place] = counts["n"].to_numpy()
    allowed = np.where(order["pooled"].to_numpy(), 0.0, QUIET)
    least = limits.min_conversations - 1
    start, expected, evidence = _first_quiet(table, weeks["n"].to_numpy().astype(float), least, allowed)
    quiet = order.with_columns(
        expected=expected,
        evidence=evidence,
        quiet_since=weeks["week"].gather(start),
        pace_from=weeks["week"].gather(np.maximum(start - PACE_WEEKS, 0)),
    ).filter(pl.Series(start > 0))
    told = _at_a_known_pace(quiet, units, entries, limits).join(units, on="unit")
    told = told.sort("evidence", "unit", descending=[True, False])
    return told.unique("cluster_id", keep="first", maintain_order=True).select(*SCHEMA).sort("cluster_id")


def _units(clusters: pl.Series, kin: pl.DataFrame) -> pl.DataFrame:
    """unit, cluster_id, pooled: each cluster by itself, then the groups."""
    alone = pl.DataFrame({"cluster_id": clusters}).with_row_index("unit").with_columns(pooled=False)
    groups = kin.select(unit=pl.col("group") + len(clusters), cluster_id="cluster_id", pooled=True)
    return pl.concat([alone, groups.cast(alone.schema)])  # type: ignore[arg-type]


def _codes(values: pl.Series, known: pl.Series) -> NDArray[np.int64]:
    """Position of each value among the sorted `known`."""
    return known.search_sorted(values).to_numpy().astype(np.int64)


def _first_quiet(
    counts: Matrix, traffic: Matrix, least: int, allowed: Matrix
) -> tuple[NDArray[np.int64], Matrix, Matrix]:
    """Week [k] from which each is quiet, 0 for none, conversations expected since then, and the evidence.

    In: counts [k, weeks], traffic [weeks], and the part [k] of what was expected that counts as silence.
    """
    from scipy.special import xlogy

    ahead = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    paces, expected_of = np.zeros_like(counts), traffic[::-1].cumsum()[::-1]
    sums, totals = _before(counts), _before(traffic[None])
    np.divide(sums, totals, out=paces, where=totals > 0)
    expected = paces * expected_of
    ratio = np.divide(ahead, expected, out=np.ones_like(counts), where=expected > 0)
    evidence = expected - ahead + xlogy(ahead, ratio)
    silent = (ahead < expected) & (ahead <= np.maximum(least, allowed[:, None] * expected))
    start = np.where(silent, evidence, 0.0).argmax(axis=1)
    row = np.arange(len(counts))
    return np.where(silent.any(axis=1), start, 0), expected[row, start], evidence[row, start]


def _before(counts: Matrix) -> Matrix:
    """Sum of the weeks before each week, of at most PACE_WEEKS."""
    total = np.concatenate([np.zeros((len(counts), 1)), counts.cumsum(axis=1)], axis=1)
    weeks = np.arange(counts.shape[1])
    return total[:, weeks] - total[:, np.maximum(weeks - PACE_WEEKS, 0)]


def enough_expected(least: int) -> float:
    """Smallest Poisson mean for which `least` or fewer is a rare chance: 34 for 14."""
    from scipy.special import chdtri

    return float(chdtri(2 * (least + 1), CHANCE) / 2)

    return float(chdtri(2 * (least + 1), CHANCE) / 2)


def _at_a_known_pace(
    quiet: pl.DataFrame, units: pl.DataFrame, entries: pl.DataFrame, limits: Limits
) -> pl.DataFrame:
    """Those that were to be expected without their most active user, every cluster a cell that could be published."""
    likely = quiet.filter(pl.col("expected") >= enough_expected(limits.min_conversations - 1))
    before = likely.join(units, on="unit").join(entries, on="cluster_id")
    before = before.filter((pl.col("week") >= pl.col("pace_from")) & (pl.col("week") < pl.col("quiet_since")))
    people = before.group_by("unit", "cluster_id", "user").agg(pl.col("n").sum())
    sized = measure(people, "unit", "cluster_id").filter(limits.reason().is_null())
    passed = sized.group_by("unit").agg(passed=pl.len())
    whole = measure(people.group_by("unit", "user").agg(pl.col("n").sum()), "unit")
    rest = pl.col("expected") * (1 - pl.col("top") / pl.col("conversations"))
    known = likely.join(passed, on="unit").filter(pl.col("passed") == pl.col("clusters"))
    sure = rest >= enough_expected(limits.min_conversations - 1)
    return known.join(whole, on="unit").filter(sure).select("unit", "quiet_since", "evidence")
