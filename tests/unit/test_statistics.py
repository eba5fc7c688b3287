"""Intervals against other implementations, and against how often they hold the truth."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from dagster_project.statistics import (
    log_ratio_interval,
    log_ratio_p_value,
    prevalence_ratio,
    prevalence_ratios,
    wilson,
)


def test_wilson_agrees_with_statsmodels() -> None:
    from statsmodels.stats.proportion import proportion_confint

    successes, trials = np.array([0, 1, 7, 50, 100]), np.array([10, 10, 50, 100, 100])
    found = wilson(successes, trials)
    low, high = proportion_confint(successes, trials, method="wilson")
    np.testing.assert_allclose(found.low, low, atol=1e-12)
    np.testing.assert_allclose(found.high, high, atol=1e-12)
    np.testing.assert_allclose(found.estimate, successes / trials)


def test_wilson_without_trials_knows_nothing() -> None:
    found = wilson(0, 0)
    assert np.isnan(found.estimate)
    assert (found.low, found.high) == (0, 1)
    with pytest.raises(ValueError, match="successes"):
        wilson(3, 2)


def test_ratio_intervals_widen_with_fewer_users() -> None:
    many, few = (log_ratio_interval(2.0, 0.04, units) for units in (200, 4))
    assert few.low < many.low < 2.0 < many.high < few.high
    assert many.high * many.low == pytest.approx(4.0)
    one = log_ratio_interval(2.0, 0.04, 1)
    assert (one.low, one.high) == (0.0, np.inf)


def skewed(rng: np.random.Generator, users: int) -> dict[str, np.ndarray]:
    """Conversations per user in cell, cluster, value and all; a few users write most."""
    activity = np.minimum(1 + rng.pareto(1.3, users) * 2, 60).astype(int)
    language = rng.random(users) < 0.3
    inside = rng.binomial(activity, np.where(language, 0.3, 0.15))
    return {"cell": inside * language, "cluster": inside, "value": activity * language, "total": activity}


TRUE_RATIO = 0.3 / (0.3 * 0.3 + 0.7 * 0.15)


def test_prevalence_intervals_hold_the_truth_for_skewed_users() -> None:
    rng = np.random.default_rng(0)
    trials, naive_holds, holds = 400, 0, 0
    for _ in range(trials):
        counts = skewed(rng, 150)
        found = prevalence_ratio(**counts)
        holds += found.low <= TRUE_RATIO <= found.high
        a, n = counts["cell"].sum(), counts["cluster"].sum()
        share = wilson(a, n)
        base = counts["value"].sum() / counts["total"].sum()
        naive_holds += share.low / base <= TRUE_RATIO <= share.high / base
    assert 0.90 <= holds / trials <= 0.985
    assert naive_holds < holds  # conversations taken for independent are too sure of themselves


def test_prevalence_intervals_are_near_a_bootstrap_over_users() -> None:
    rng = np.random.default_rng(1)
    counts = skewed(rng, 400)
    found = prevalence_ratio(**counts)
    draws = rng.integers(0, 400, (2000, 400))
    sums = {name: part[draws].sum(axis=1) for name, part in counts.items()}
    logs = np.log(sums["cell"] / sums["cluster"] / (sums["value"] / sums["total"]))
    low, high = np.exp(np.quantile(logs, [0.025, 0.975]))
    assert np.log(found.high / found.low) == pytest.approx(np.log(high / low), rel=0.25)
    assert found.low < found.estimate < found.high


def test_everywhere_the_same_has_no_width() -> None:
    ones = np.ones(20)
    found = prevalence_ratio(ones, ones, ones, ones)
    assert found.estimate == found.low == found.high == 1
    with pytest.raises(ValueError, match="needs conversations"):
        prevalence_ratio(ones * 0, ones, ones, ones)


def test_many_ratios_at_once_equal_one_by_one() -> None:
    rng = np.random.default_rng(2)
    size, users = 3000, 120
    user = rng.choice(users, size, p=rng.dirichlet(np.full(users, 0.4)))
    node, value = rng.integers(1, 5, size), rng.choice(list("abc"), size)
    rows = pl.DataFrame({"node": node, "value": value, "user": user})
    inner = rows.group_by("node", "value", "user").agg(n=pl.len().cast(pl.Int64))
    whole = (
        rows.group_by("value", "user")
        .agg(n=pl.len().cast(pl.Int64))
        .with_columns(node=pl.lit(0, dtype=pl.Int64))
    )
    counts = pl.concat([inner, whole.select(inner.columns)])
    cells = pl.DataFrame({"node": [1, 1, 3], "value": ["a", "c", "b"]})
    found = prevalence_ratios(cells, counts, 0)
    assert found.select("node", "value").rows() == [(1, "a"), (1, "c"), (3, "b")]
    for at, of, ratio, low, high, p_value in found.iter_rows():
        parts = [(node == at) & (value == of), node == at, value == of, np.ones(size, dtype=bool)]
        single = prevalence_ratio(*(np.bincount(user[part], minlength=users) for part in parts))
        assert (ratio, low, high) == pytest.approx((single.estimate, single.low, single.high))
        assert (p_value < 0.05) == (not low <= 1 <= high), "test and interval are one"


def test_chance_ratios_are_as_rare_as_promised_for_skewed_users() -> None:
    rng = np.random.default_rng(6)
    p_values = []
    for _ in range(400):
        activity = np.minimum(1 + rng.pareto(1.3, 150) * 2, 60).astype(int)
        language, inside = rng.random(150) < 0.3, rng.binomial(activity, rng.beta(0.5, 2.0, 150))
        sides = [(0, activity), (1, inside)]
        counts = pl.concat(
            pl.DataFrame({"node": node, "value": np.where(language, "a", "b"), "user": range(150), "n": n})
            for node, n in sides
        ).filter(pl.col("n") > 0)
        cells = pl.DataFrame({"node": [1], "value": ["a"]})
        p_values += prevalence_ratios(cells, counts, 0)["p_value"].to_list()
    assert 0.005 <= np.mean(np.array(p_values) < 0.05) <= 0.085
    assert log_ratio_p_value(2.0, 0.01, 1) == 1.0
    assert log_ratio_p_value(1.0, 0.0, 50) == 1.0
    assert log_ratio_p_value(2.0, 0.0, 50) == 0.0
