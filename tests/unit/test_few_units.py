"""Intervals of few units hold what they say, and a verdict needs more units than a coincidence does."""

from __future__ import annotations

import duckdb
import numpy as np
import polars as pl
import pytest

import sql
from dagster_project.statistics.bootstrap import (
    EFFECTIVE,
    JACKKNIFE,
    WILSON,
    cluster_means,
    cluster_statistic,
)
from dagster_project.statistics.correlations import FISHERS_SCALE, SUMS, correlation, moments
from dagster_project.statistics.few_units import (
    FEW_UNITS,
    FEWEST_FOR_A_VERDICT,
    degrees_of_freedom,
    jackknife_variance,
)
from dagster_project.statistics.mixed_effects import LEFT_OUT, fit_coefficients
from tests.unit.published_sample import eval_metrics

UNITS = (2, 3, 4, 8, 20)
WORLDS = 700
MARGIN = 0.025
"""Three standard errors of a coverage of 95 % in so many worlds."""
ROWS = 5


def worlds(units: int, of_unit: np.ndarray, rows: np.ndarray) -> pl.DataFrame:
    """world, unit, value; of_unit: (worlds, units); rows: (worlds, units, rows of the unit)."""
    count, _, each = rows.shape
    return pl.DataFrame(
        {
            "world": np.repeat(np.arange(count), units * each),
            "unit": np.tile(np.repeat(np.arange(units), each), count),
            "value": rows.ravel(),
            "weight": np.repeat(of_unit.ravel(), each),
        }
    )


def coverage(frame: pl.DataFrame, truth: float, *, weight: str | None = None, share: bool = False) -> float:
    found = cluster_means(frame, "value", by=["world"], weight=weight, share=share, draws=500)
    assert found.height == WORLDS
    return ((found["ci_low"] <= truth) & (truth <= found["ci_high"])).mean()  # type: ignore[return-value]


@pytest.mark.parametrize("units", UNITS)
def test_intervals_of_means_over_units_hold_the_truth(units: int) -> None:
    rng = np.random.default_rng(units)
    effects = rng.normal(size=(WORLDS, units))
    rows = effects[:, :, None] + 0.5 * rng.normal(size=(WORLDS, units, ROWS))
    assert abs(coverage(worlds(units, np.ones_like(effects), rows), 0.0) - 0.95) <= MARGIN


@pytest.mark.parametrize("units", UNITS)
def test_intervals_of_probabilities_hold_the_truth_inside_0_and_1(units: int) -> None:
    rng = np.random.default_rng(units)
    effects = rng.beta(2, 1, size=(WORLDS, units))
    frame = worlds(units, np.ones_like(effects), np.repeat(effects[:, :, None], ROWS, axis=2))
    assert 0.95 - MARGIN <= coverage(frame, 2 / 3, share=True) <= 0.99


@pytest.mark.parametrize("units", UNITS)
def test_intervals_of_hits_hold_the_truth(units: int) -> None:
    """Counts of so few answers come in steps: an interval holds the truth too often rather than too rarely."""
    rng = np.random.default_rng(units)
    hits = rng.binomial(1, rng.beta(4, 2, size=(WORLDS, units))[:, :, None], size=(WORLDS, units, ROWS))
    frame = worlds(units, np.ones((WORLDS, units)), hits.astype(float))
    assert coverage(frame, 2 / 3, share=True) >= 0.95 - MARGIN


@pytest.mark.parametrize("units", UNITS)
def test_intervals_by_usage_hold_the_truth_where_a_few_units_weigh_most(units: int) -> None:
    rng = np.random.default_rng(units)
    effects = rng.normal(size=(WORLDS, units))
    weights = np.exp(rng.normal(size=(WORLDS, units)))
    frame = worlds(units, weights, np.repeat(effects[:, :, None], 2, axis=2))
    assert 0.95 - MARGIN <= coverage(frame, 0.0, weight="weight") <= 0.985


@pytest.mark.parametrize("units", (5, 8, 20))
def test_intervals_of_correlations_hold_the_truth(units: int) -> None:
    rng = np.random.default_rng(units)
    x = rng.normal(size=(WORLDS, units))
    y = 0.5 * x + rng.normal(size=(WORLDS, units))
    frame = worlds(units, x, y[:, :, None])
    sums = frame.select("world", "unit", n=1, **moments("weight", "value", pl.lit(1.0)))
    found = cluster_statistic(sums, SUMS, correlation, by=["world"], scale=FISHERS_SCALE, draws=500)
    truth = 0.5 / 1.25**0.5
    held = ((found["ci_low"] <= truth) & (truth <= found["ci_high"])).mean()
    assert 0.95 - MARGIN <= held <= 0.985  # type: ignore[operator]


@pytest.mark.parametrize("units", (3, 8, 24))
def test_least_squares_over_few_units_holds_the_truth(units: int) -> None:
    rng = np.random.default_rng(units)
    unit, held, worlds_here = np.repeat(np.arange(units), 2), 0, 250
    for world in range(worlds_here):
        slopes = rng.normal(0.4, 1.0, units)
        x = rng.normal(size=2 * units)
        y = slopes[unit] * x + 0.3 * rng.normal(size=2 * units)
        fit = fit_coefficients(y, np.column_stack([np.ones(2 * units), x]), unit, world)
        assert fit is not None and (fit.method.startswith(LEFT_OUT)) == (units < FEW_UNITS)
        held += fit.low[1] <= 0.4 <= fit.high[1]
    assert held / worlds_here >= 0.9


def test_the_method_is_named_and_two_units_are_hardly_known() -> None:
    frame = pl.DataFrame({"unit": ["a", "b"], "x": [0.4, 0.5]})
    plain = cluster_means(frame, "x", by=[]).row(0, named=True)
    assert plain["method"] == JACKKNIFE
    # Student's t at one degree of freedom, 12.706, times the standard error.
    assert plain["ci_high"] - plain["ci_low"] == pytest.approx(2 * 12.7062 * 0.05, rel=1e-4)
    share = cluster_means(frame, "x", by=[], share=True).row(0, named=True)
    assert share["method"] == EFFECTIVE and 0 <= share["ci_low"] < 0.2 and 0.7 < share["ci_high"] <= 1


def test_probabilities_that_are_all_the_same_are_worth_as_many_trials_as_units() -> None:
    same = cluster_means(pl.DataFrame({"unit": ["a", "b", "c"], "x": [0.5] * 3}), "x", by=[], share=True)
    assert same["method"].item() == WILSON
    assert same["ci_low"].item() == pytest.approx(0.12533, abs=1e-4), "1.96 and three trials"


def test_a_correlation_of_few_units_is_known_on_fishers_scale_or_not_at_all() -> None:
    def told(x: list[float], y: list[float]) -> tuple[object, ...]:
        units = pl.DataFrame({"x": x, "y": y, "n": 1}).select("n", **moments("x", "y", pl.lit(1.0)))
        return cluster_statistic(units, SUMS, correlation, by=[], scale=FISHERS_SCALE).row(0)[:3]

    assert told([0, 1, 2, 3], [0, 2, 4, 6]) == pytest.approx((1, 1, 1)), "on a line: no spread"
    assert told([0, 1, 2], [0, 2, 3])[1:] == (None, None), "two points are always on a line"
    low, high = told([0, 1, 2, 3, 4], [0, 2, 1, 4, 3])[1:]
    assert -1 < low < 0.5 < 0.9 < high < 1  # type: ignore[operator]


def test_what_is_not_defined_without_a_unit_has_no_interval() -> None:
    sums = pl.DataFrame({"n": [1, 1, 1], "hit": [1.0, 0.0, 1.0], "of": [2.0, 0.0, 0.0]})
    found = cluster_statistic(
        sums, ["hit", "of"], lambda s: np.where(s[:, 1] > 0, s[:, 0] / s[:, 1], np.nan), by=[]
    )
    assert found.row(0)[:5] == (1.0, None, None, 3, 3)


def test_degrees_of_freedom_count_what_unequal_units_are_worth() -> None:
    assert degrees_of_freedom(np.full(6, 3.0)) == 5
    assert degrees_of_freedom(np.array([2.0, 1.0, 1.0])) == pytest.approx(16 / 6 - 1)
    assert degrees_of_freedom(np.array([1.0, 1e-6, 1e-6])) == 1
    assert degrees_of_freedom(np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])).tolist() == [1, 1]


def test_the_jackknife_of_a_mean_is_its_standard_error_squared() -> None:
    x = np.array([1.0, 2.0, 4.0, 9.0])
    values = np.column_stack([x, np.ones(4)])
    assert jackknife_variance(values, lambda s: s[:, 0] / s[:, 1]) == pytest.approx(x.var(ddof=1) / 4)


VERDICTS = {
    "discrimination_scores": ("differs", {"suite": "discrimination", "metric": "score"}),
    "self_correction": ("bias_than_asked", {"suite": "moral_self_correction", "metric": "correction"}),
    "self_correction_emergence": (
        "self_correction",
        {"suite": "moral_self_correction", "metric": "correction_slope"},
    ),
    "model_written_scaling": ("with_scale", {"suite": "model_written", "metric": "inverse_scaling"}),
}
BESIDE = {
    "self_correction": {"metric": "parity_difference", "group": None, "level": None},
    "model_written_scaling": {"metric": "match_rate_slope"},
}


@pytest.mark.parametrize("view", VERDICTS)
@pytest.mark.parametrize("units", (FEWEST_FOR_A_VERDICT - 1, FEWEST_FOR_A_VERDICT))
def test_a_verdict_needs_units(view: str, units: int) -> None:
    """An interval that leaves 0 out by far, of one unit too few and of enough."""
    column, facts = VERDICTS[view]
    sample = eval_metrics()
    plain = {"subject": "all", "dataset": "law", "condition": "instruction", "weighting": "items"}
    plain |= {"group": "parameters", "level": None, "estimate": 1.0, "ci_low": 1.0, "ci_high": 1.0}
    plain |= {"method": JACKKNIFE, "n": 900, "units": units, "missing": 0} | facts
    rows = [plain, *([plain | BESIDE[view]] if view in BESIDE else [])]
    with duckdb.connect() as connection:
        connection.register("frame", pl.DataFrame(rows, schema=sample.schema))
        connection.execute("CREATE TABLE eval_metrics AS SELECT * FROM frame")
        made = dict(zip(sql.view_names(), sql.view_statements(), strict=True))
        connection.execute(made[view])
        found = connection.execute(f"SELECT {column} FROM {view}").fetchall()
    assert [value is not None for (value,) in found] == [units >= FEWEST_FOR_A_VERDICT]
