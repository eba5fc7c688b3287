"""Trends against simulations: chance findings stay rare however unequal users are, real ones are found."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from statsmodels.api import GLM, families

from dagster_project.statistics import false_discovery_rate, share_intervals, share_trends

WEEKS = 8


def skewed(
    rng: np.random.Generator, users: int, nodes: int, growth: float = 0.0, taste: float = 0.1
) -> pl.DataFrame:
    """Counts of users who write very unequally, like few things each, and come for some of the weeks only.

    The odds of node 1 are multiplied by exp(growth) from week to week. `taste`: small, few nodes for each user.
    """
    activity = np.minimum(1 + rng.pareto(1.1, users) * 2, 200).astype(int)
    user = np.repeat(np.arange(users), activity)
    first, last = np.sort(rng.integers(0, WEEKS, (2, users)), axis=0)
    week = first[user] + (rng.random(user.size) * (last - first + 1)[user]).astype(int)
    liking = rng.dirichlet(np.full(nodes, taste), users)[user]
    liking[:, 0] *= np.exp(growth * week)
    liking /= liking.sum(axis=1, keepdims=True)
    node = 1 + np.minimum((liking.cumsum(axis=1) < rng.random(user.size)[:, None]).sum(axis=1), nodes - 1)
    rows = pl.DataFrame({"node": node, "period": week, "user": user})
    own = rows.group_by("node", "period", "user").agg(n=pl.len().cast(pl.Int64))
    whole = rows.group_by("period", "user").agg(n=pl.len().cast(pl.Int64))
    return pl.concat([own, whole.select(pl.lit(0, dtype=pl.Int64).alias("node"), "period", "user", "n")])


def publishable(counts: pl.DataFrame) -> pl.DataFrame:
    """Cells of 10 users and 15 conversations in nodes that have three of them."""
    cells = (
        counts.filter(pl.col("node") > 0).group_by("node", "period").agg(pl.col("n").sum(), users=pl.len())
    )
    cells = cells.filter((pl.col("n") >= 15) & (pl.col("users") >= 10))
    return cells.filter(pl.len().over("node") >= 3).select("node", "period")


def naive(cells: pl.DataFrame, counts: pl.DataFrame) -> list[float]:
    """p-values of a Poisson regression that takes conversations for independent."""
    sums = counts.group_by("node", "period").agg(pl.col("n").sum())
    total = sums.filter(pl.col("node") == 0).select("period", total="n")
    found = []
    for _, part in cells.join(sums, on=["node", "period"]).join(total, on="period").group_by("node"):
        design = np.column_stack([np.ones(part.height), part["period"]])
        model = GLM(part["n"].to_numpy(), design, families.Poisson(), offset=np.log(part["total"].to_numpy()))
        found.append(model.fit().pvalues[1])
    return found


@pytest.mark.parametrize(("users", "nodes"), [(200, 4), (800, 12)])
def test_chance_trends_are_as_rare_as_promised_for_skewed_users(users: int, nodes: int) -> None:
    rng = np.random.default_rng(1)
    ours, theirs = [], []
    for repeat in range(60):
        counts = skewed(rng, users, nodes)
        cells = publishable(counts)
        ours += share_trends(cells, counts, 0)["p_value"].to_list()
        theirs += naive(cells, counts) if repeat < 10 else []
    assert len(ours) > 150
    assert np.mean(np.array(ours) < 0.05) <= 0.06
    assert np.mean(np.array(ours) < 0.01) <= 0.015
    assert np.mean(np.array(theirs) < 0.05) > 0.15, "else users would not matter here"


def test_a_real_trend_is_found_and_its_interval_holds_it() -> None:
    rng = np.random.default_rng(2)
    found = []
    for _ in range(40):
        counts = skewed(rng, 2500, 10, growth=0.15, taste=1.0)
        rows = share_trends(publishable(counts), counts, 0)
        found.append(rows.filter(pl.col("node") == 1).select("growth", "low", "high", "p_value").row(0))
    growth, low, high, p_value = np.array(found).T
    assert np.mean(p_value < 0.05) > 0.5
    # Odds grow by exp(0.15); shares, which cannot pass 1, by a little less.
    assert 1.08 < np.median(growth) < np.exp(0.15)
    assert np.mean((low < np.median(growth)) & (np.median(growth) < high)) >= 0.9


def test_false_discoveries_are_controlled_over_many_tests() -> None:
    rng = np.random.default_rng(3)
    false, found = [], 0
    for _ in range(30):
        counts = skewed(rng, 2500, 12, growth=0.25, taste=1.0)
        # Node 1 takes a little from all others, so a decline elsewhere is true and growth is not.
        rows = false_discovery_rate(share_trends(publishable(counts), counts, 0))
        called = rows.filter(pl.col("q_value") <= 0.05)
        grown = called.filter(pl.col("growth") > 1)
        found += grown.filter(pl.col("node") == 1).height
        false.append(grown.filter(pl.col("node") != 1).height / max(grown.height, 1))
    assert found >= 20
    assert np.mean(false) <= 0.05


def test_one_busy_user_makes_no_trend() -> None:
    crowd = [(1, week, user, 1) for week in range(WEEKS) for user in range(week * 20, week * 20 + 20)]
    busy = [(1, WEEKS - 1, 999, 60)]
    others = [
        (2, week, user, 2) for week in range(WEEKS) for user in range(5000 + week * 80, 5080 + week * 80)
    ]
    schema = {"node": pl.Int64, "period": pl.Int64, "user": pl.Int64, "n": pl.Int64}
    own = pl.DataFrame([*crowd, *busy, *others], schema=schema, orient="row")
    whole = own.group_by("period", "user").agg(pl.col("n").sum())
    counts = pl.concat([own, whole.select(pl.lit(0, dtype=pl.Int64).alias("node"), "period", "user", "n")])
    cells = own.filter(pl.col("node") == 1).select("node", "period").unique()
    row = share_trends(cells, counts, 0).row(0, named=True)
    assert row["growth"] > 1.1
    assert row["p_value"] > 0.2
    assert row["low"] < 1 < row["high"]
    assert naive(cells, counts)[0] < 1e-6


def test_the_sparse_sums_equal_influences_worked_out_one_by_one() -> None:
    counts = skewed(np.random.default_rng(4), 150, 3)
    cells = publishable(counts)
    for node, growth, low, high, _ in share_trends(cells, counts, 0).iter_rows():
        weeks = cells.filter(pl.col("node") == node)["period"].sort().to_numpy()
        own, whole = (
            counts.filter(pl.col("node") == which, pl.col("period").is_in(weeks.tolist()))
            for which in (node, 0)
        )
        n, total = np.zeros((2, 150, weeks.size))
        for table, part in ((n, own), (total, whole)):
            table[part["user"], np.searchsorted(weeks, part["period"])] = part["n"]
        model = GLM(
            n.sum(axis=0),
            np.column_stack([np.ones(weeks.size), weeks]),
            families.Poisson(),
            offset=np.log(total.sum(axis=0)),
        ).fit()
        assert np.log(growth) == pytest.approx(model.params[1], abs=1e-6)
        expected = np.exp(model.params[0] + model.params[1] * weeks)
        weight = total.sum(axis=0) * expected
        lever = weeks - (weight * weeks).sum() / weight.sum()
        influence = ((n - total * expected) * lever).sum(axis=1) / (weight * lever**2).sum()
        people = (n.sum(axis=1) > 0).sum()
        deviation = np.sqrt(people / (people - 1) * (influence**2).sum())
        inside = n.sum(axis=1) > 0
        units = (influence[inside] ** 2).sum() ** 2 / (influence[inside] ** 4).sum()
        from scipy.stats import t

        assert np.log(high / low) / 2 == pytest.approx(t.ppf(0.975, units - 1) * deviation, rel=1e-6)


def test_share_intervals_hold_the_truth_and_widen_with_unequal_users() -> None:
    rng = np.random.default_rng(5)
    held, widths = [], []
    for _ in range(300):
        activity = np.minimum(1 + rng.pareto(1.3, 200) * 2, 60).astype(int)
        inside = rng.binomial(activity, rng.beta(0.3, 1.2, 200))
        users = pl.Series(range(200))
        part = pl.DataFrame({"cell": 0, "week": 0, "user": users, "n": inside}).filter(pl.col("n") > 0)
        whole = pl.DataFrame({"week": 0, "user": users, "n": activity})
        row = share_intervals(part, whole, ["cell", "week"], ["week"]).row(0, named=True)
        held.append(row["low"] <= 0.2 <= row["high"])
        widths.append(row["high"] - row["low"])
        assert row["users"] == part.height and row["whole"] == activity.sum()
    assert 0.88 <= np.mean(held) <= 0.99
    naive_width = 2 * 1.96 * np.sqrt(0.16 / 800)
    assert np.mean(widths) > 1.5 * naive_width


def test_discoveries_agree_with_the_definition() -> None:
    table = pl.DataFrame({"level": [0, 0, 0, 1], "p_value": [0.01, 0.04, 0.03, 0.04]})
    together = false_discovery_rate(table, "level")["q_value"].to_list()
    assert together == pytest.approx([0.03, 0.04, 0.04, 0.04])
    assert false_discovery_rate(table)["q_value"].to_list() == pytest.approx([0.04] * 4)
    assert false_discovery_rate(table.clear(), "level").columns == ["level", "p_value", "q_value"]
