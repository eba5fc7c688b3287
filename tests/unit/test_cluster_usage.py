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


def groups(*members: list[int]) -> pl.DataFrame:
    """Kin of k0, k1, ... by their numbers."""
    schema = {"group": pl.UInt32, "cluster_id": pl.String}
    rows = [(group, f"k{cluster}") for group, clusters in enumerate(members) for cluster in clusters]
    return pl.DataFrame(rows, schema=schema, orient="row")


def quiet(
    *counts: list[int],
    users: int = 40,
    traffic: list[int] | None = None,
    limits: Limits = LIMITS,
    kin: pl.DataFrame | None = None,
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
    entries = entries.with_columns(pl.col("n").cast(pl.Int64))
    found = quiet_clusters(entries, total, limits, groups() if kin is None else kin)
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


def quiet_but_for(busiest: int, others: int, after: int) -> bool:
    """Whether a cluster is told where the busiest user stops, and the others say `after` instead of `others`."""
    weekly = [(0, busiest), *((user, 1) for user in range(1, others + 1))]
    before = [(MONDAYS[week], user, n) for week in range(3) for user, n in weekly]
    rows = [("k0", *row) for row in [*before, *((MONDAYS[3], user, 1) for user in range(1, after + 1))]]
    schema = {"cluster_id": pl.String, "week": pl.Date, "user": pl.UInt32, "n": pl.Int64}
    total = pl.DataFrame({"week": MONDAYS[:4], "n": [TRAFFIC] * 4})
    entries = pl.DataFrame(rows, schema=schema, orient="row")
    return not quiet_clusters(entries, total, LIMITS, groups()).is_empty()


def test_a_person_who_makes_nearly_half_of_a_cluster_and_stops_is_not_told() -> None:
    assert not quiet_but_for(18, others=20, after=14)
    assert quiet_but_for(1, others=37, after=14)


def test_silence_never_tells_a_smaller_count_than_a_withheld_cell() -> None:
    assert quiet([40, 40, 40, 14]) == quiet([40, 40, 40, 0]) == {"k0": 3}
    assert quiet([40, 40, 40, 15]) == {}, (
        "this week may be published, and would tell that the others are empty"
    )


def test_kin_that_stop_together_are_told_at_once() -> None:
    stops = [14, 14, 14, 0]
    assert quiet(stops, stops, stops) == {}
    assert quiet(stops, stops, stops, kin=groups([0, 1], [0, 1, 2])) == {"k0": 3, "k1": 3, "k2": 3}


def test_kin_are_told_of_by_what_they_have_together_and_no_closer() -> None:
    kin = groups([0, 1, 2])
    assert len(quiet([14, 14, 14, 14], [14, 14, 14, 0], [14, 14, 14, 0], kin=kin)) == 3
    assert quiet([14, 14, 14, 8], [14, 14, 14, 7], [14, 14, 14, 0], kin=kin) == {}
    assert quiet([90, 90, 90, 15], [90, 90, 90, 0], kin=groups([0, 1])) == {"k0": 3, "k1": 3}
    assert quiet([30, 30, 30, 15], [90, 90, 90, 0], kin=groups([0, 1])) == {"k1": 3}, "no fifth for a group"


def test_kin_are_not_told_of_where_one_of_them_is_a_few_people_s() -> None:
    few = [6, 6, 6, 0]
    assert quiet([14, 14, 14, 0], [24, 24, 24, 0], few, kin=groups([0, 1, 2]), users=6) == {}
    assert quiet([20, 20, 20, 0], [20, 20, 20, 0], few, kin=groups([0, 1, 2])) == {}
    assert quiet([20, 20, 20, 0], [20, 20, 20, 0], kin=groups([0, 1])) == {"k0": 3, "k1": 3}


def test_kin_date_a_silence_better_than_each_of_them() -> None:
    counts = [30, 30, 30, 30, 11, 0, 0, 0], [30, 30, 30, 30, 31, 0, 0, 0], [30, 30, 30, 30, 34, 0, 0, 0]
    assert quiet(*counts)["k0"] == 4
    assert quiet(*counts, kin=groups([0, 1, 2])) == {"k0": 5, "k1": 5, "k2": 5}


def test_what_stopped_before_its_kin_keeps_its_own_date() -> None:
    counts = [40, 40, 40, 0, 0, 0, 0, 0, 0], [40, 40, 40, 40, 40, 40, 40, 0, 0]
    assert quiet(*counts, kin=groups([0, 1])) == {"k0": 3, "k1": 7}


@pytest.mark.parametrize(("least", "mean"), [(14, 33.8), (4, 17.8), (49, 80.7)])
def test_enough_is_where_the_limit_is_a_rare_chance(least: int, mean: float) -> None:
    from scipy.stats import poisson

    assert enough_expected(least) == pytest.approx(mean, abs=0.1)
    assert poisson.cdf(least, enough_expected(least)) == pytest.approx(1e-4, rel=1e-6)


def test_chance_alone_rarely_looks_like_silence() -> None:
    random = np.random.default_rng(0)
    counts = random.poisson(20, (400, 12)).tolist()
    pairs = groups(*([cluster, cluster + 1] for cluster in range(0, 400, 2)))
    assert len(quiet(*counts, kin=pairs)) <= 2


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
    assert quiet_clusters(entries, traffic, LIMITS, groups()).is_empty()
