"""When a cluster counts as quiet."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from assets.clio.usage import enough_expected, quiet_clusters, weekly_use
from dagster_project.privacy.thresholds import Limits

LIMITS = Limits(10, 15, 0.5)
MONDAYS = [date(2025, 1, 6) + timedelta(weeks=week) for week in range(12)]
TRAFFIC = 1_000


def quiet(
    *counts: list[int], users: int = 40, traffic: list[int] | None = None, limits: Limits = LIMITS
) -> dict:
    """Clusters called quiet, with the position of the week, from their conversations by week."""
    rows = [
        (f"k{cluster}", MONDAYS[week], number % users + 1)
        for cluster, weekly in enumerate(counts)
        for week, count in enumerate(weekly)
        for number in range(count)
    ]
    schema = {"cluster_id": pl.String, "week": pl.Date, "user": pl.UInt32}
    entries = (
        pl.DataFrame(rows, schema=schema, orient="row").group_by("cluster_id", "week", "user").agg(n=pl.len())
    )
    total = pl.DataFrame({"week": MONDAYS[: len(counts[0])], "n": traffic or [TRAFFIC] * len(counts[0])})
    found = quiet_clusters(entries.with_columns(pl.col("n").cast(pl.Int64)), total, limits)
    return {cluster: MONDAYS.index(week) for cluster, week in found.iter_rows()}


def test_a_cluster_that_stops_is_quiet_from_the_week_it_stopped() -> None:
    assert quiet([40, 40, 40, 40, 0, 0], [40] * 6) == {"k0": 4}


def test_a_few_strays_do_not_keep_it_awake() -> None:
    assert quiet([40, 44, 38, 3, 2, 4]) == {"k0": 3}


def test_a_small_cluster_takes_some_weeks_to_be_told() -> None:
    weekly = [14, 14, 14, 14]
    assert quiet([*weekly, 0]) == {}
    assert quiet([*weekly, 0, 0]) == {}
    assert quiet([*weekly, 0, 0, 0]) == {"k0": 4}


def test_decline_to_a_third_is_no_silence() -> None:
    assert quiet(np.linspace(90, 30, 12).astype(int).tolist()) == {}


def test_a_slow_week_for_everybody_silences_nobody() -> None:
    traffic = [1_000, 1_000, 1_000, 20, 30]
    assert quiet([40, 40, 40, 1, 1], traffic=traffic) == {}
    assert quiet([40, 40, 40, 1, 1]) == {"k0": 3}


def test_a_cluster_that_is_used_again_is_not_quiet() -> None:
    assert quiet([40, 40, 40, 0, 0, 0]) == {"k0": 3}
    assert quiet([40, 40, 40, 0, 0, 0, 40, 40]) == {}


def test_one_person_who_stops_is_never_told() -> None:
    assert quiet([40, 40, 40, 0, 0], users=1) == {}
    assert quiet([40, 40, 40, 0, 0], users=9) == {}


def test_silence_never_tells_a_smaller_count_than_a_withheld_cell() -> None:
    assert quiet([40, 40, 40, 15]) == quiet([40, 40, 40, 0]) == {"k0": 3}
    assert quiet([40, 40, 40, 16]) == {}


@pytest.mark.parametrize(("least", "mean"), [(15, 31.2), (5, 16.5), (50, 75.9)])
def test_enough_is_where_the_limit_is_a_rare_chance(least: int, mean: float) -> None:
    from scipy.stats import poisson

    assert enough_expected(least) == pytest.approx(mean, abs=0.1)
    assert poisson.cdf(least, enough_expected(least)) == pytest.approx(0.001, rel=1e-6)


def test_chance_alone_rarely_looks_like_silence() -> None:
    random = np.random.default_rng(0)
    counts = random.poisson(20, (400, 12))
    assert len(quiet(*counts.tolist())) <= 8


def test_unknown_weeks_and_clusters_that_are_not_shown_are_left_out() -> None:
    facets = pl.DataFrame(
        {
            "conversation_id": ["c1", "c2", "c3"],
            "user_key": ["x", None, "x"],
            "week": [MONDAYS[0], MONDAYS[0], None],
        }
    )
    assignments = pl.DataFrame({"conversation_id": ["c1", "c2", "c3"], "cluster_id": ["a", "b", "a"]})
    nodes = pl.DataFrame(
        {"cluster_id": ["a", "b", "t"], "level": [0, 0, 1], "parent_id": ["t", "t", None]},
        schema_overrides={"level": pl.UInt8},
    )
    counted = facets.join(assignments, on="conversation_id")
    entries, traffic = weekly_use(counted, nodes, pl.Series(["a", "t"]))
    assert dict(entries.group_by("cluster_id").agg(pl.col("n").sum()).iter_rows()) == {"a": 1, "t": 2}
    assert traffic["n"].to_list() == [2]
    assert quiet_clusters(entries, traffic, LIMITS).is_empty()
