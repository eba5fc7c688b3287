"""The share of real usage that each suite covers, with its interval, beside what clusters drawn at random would cover.

The people are the sample, not their conversations, and only counts of both are published. So each user of a cluster is
one observation, whose conversations there are taken to be distributed geometrically, as is the count from one upwards of
which nothing but the mean is known. The variance is the linearised one of a ratio (K. M. Wolter, Introduction to Variance
Estimation, chapter 6), and never less than if all that a user does were alike: that of as many independent users as
conversations spread in the same way over all users are worth (L. Kish, Survey Sampling, 1965). The interval is Wilson's at
that size (Korn and Graubard, Survey Methodology 24 (1998) 193-201). Usage in no published cluster is in no suite's reach:
it counts as uncovered, with as many conversations a user as the rest has. Items that were drafted from usage lie near it
by where they come from: coverage is told without them, and once more with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dagster_project.statistics.intervals import Interval, clustered_wilson

Floats = NDArray[np.float64]

DRAWS = 10_000
CELLS = 4_000_000
ROUNDING = 1e-12
COVERAGE = {
    "suite": pl.String,
    "threshold": pl.Float64,
    "share": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "baseline": pl.Float64,
    "p_value": pl.Float64,
    "clusters": pl.UInt32,
    "covered_clusters": pl.UInt32,
    "share_with_drafted": pl.Float64,
    "ci_low_with_drafted": pl.Float64,
    "ci_high_with_drafted": pl.Float64,
    "covered_with_drafted": pl.UInt32,
    "unpublished": pl.Float64,
}


def coverage(
    reach: pl.DataFrame,
    seeds: pl.DataFrame,
    suites: Sequence[str],
    *,
    users: int | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> pl.DataFrame:
    """One row (schemas.usage.UsageCoverage) for each of `suites`, in their order.

    In: `reach` schemas.usage.UsageReach of all suites; `seeds` schemas.usage.UsageSeed that it was made from; `users`
    distinct users of the release, where it tells. A suite of which `reach` says nothing covers nothing.
    """
    rows = [
        {"suite": suite}
        | _covered(reach.filter(pl.col("suite") == suite), seeds, users, draws, np.random.default_rng(seed))
        for suite in suites
    ]
    return pl.DataFrame(rows, schema=COVERAGE)


def _covered(
    reach: pl.DataFrame, seeds: pl.DataFrame, users: int | None, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    told = seeds.join(
        reach.select("seed_cluster_id", "covered", reached=pl.col("covered") | (pl.col("drafted") > 0)),
        on="seed_cluster_id",
        how="left",
        maintain_order="left",
    )
    covered, reached = (told[name].fill_null(False).to_numpy() for name in ("covered", "reached"))
    weights = told["weight"].to_numpy()
    interval, of_all = (_interval(near, told, users) for near in (covered, reached))
    drawn = bool(covered.any())
    return {
        "threshold": reach["threshold"].first() if reach.height else None,
        "share": interval.estimate,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "baseline": float(covered.sum() * weights.mean()) if drawn else None,
        "p_value": _chance(weights, covered, draws, rng) if drawn else None,
        "clusters": len(covered),
        "covered_clusters": int(covered.sum()),
        "share_with_drafted": of_all.estimate,
        "ci_low_with_drafted": of_all.low,
        "ci_high_with_drafted": of_all.high,
        "covered_with_drafted": int(reached.sum()),
        "unpublished": max(0.0, 1.0 - float(weights.sum())),
    }


def _interval(covered: NDArray[np.bool_], seeds: pl.DataFrame, users: int | None) -> Interval:
    """The share of usage that is covered, with its interval."""
    share = min(1.0, float(seeds["weight"].to_numpy()[covered].sum()))
    if seeds.is_empty():
        return Interval(0.0, 0.0, 1.0)
    conversations, people = (seeds[name].to_numpy().astype(float) for name in ("conversations", "users"))
    total = conversations.sum() / seeds["weight"].sum()
    rest = max(0.0, total - conversations.sum())
    people = np.append(people, rest * people.sum() / conversations.sum())
    deviations = np.append(covered - share, -share)
    squares = _squares(np.append(conversations, rest), people)
    people_at_most = min(users, total) if users else people.sum()
    most = min(people.sum(), total**2 / float(_squares(total, people_at_most)))
    variance = max((squares * deviations**2).sum() / total**2, share * (1 - share) / most)
    return clustered_wilson(share * total, total, variance, most)


def _squares(conversations: Any, users: Any) -> Any:
    """Sum over users of their conversations squared, where these are geometric with the mean conversations / users."""
    mean = np.divide(conversations, users, out=np.ones_like(conversations), where=np.asarray(users) > 0)
    return users * (2 * mean**2 - mean)


def _chance(weights: Floats, covered: NDArray[np.bool_], draws: int, rng: np.random.Generator) -> float:
    """Share of draws of as many clusters that weigh as much; the suite's own is one of them (Phipson and Smyth 2010)."""
    count, observed = int(covered.sum()), weights[covered].sum() - ROUNDING
    size = max(1, CELLS // len(weights))
    as_heavy = 0
    for start in range(0, draws, size):
        keys = rng.random((min(size, draws - start), len(weights)))
        chosen = np.argpartition(keys, count - 1, axis=1)[:, :count]
        as_heavy += int((weights[chosen].sum(axis=1) >= observed).sum())
    return (1 + as_heavy) / (1 + draws)
