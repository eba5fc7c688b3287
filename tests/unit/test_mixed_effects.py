"""The mixed model: the closed form against statsmodels, and what is done where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from dagster_project.statistics import mixed_effects
from dagster_project.statistics.mixed_effects import (
    BOUNDARY,
    CLOSED_FORM,
    ITERATED,
    RESAMPLED,
    TOO_FEW,
    UNFINISHED,
    fit_coefficients,
    weighted_coefficients,
)

UNITS, ROWS = 24, 16
FIXED = np.array([1.0, -0.5, 0.25])


def made(seed: int, spread: tuple[float, ...] = (1.0, 0.5, 0.6)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y, x and unit of a complete design, its rows shuffled."""
    rng = np.random.default_rng(seed)
    x = np.stack([np.ones(ROWS), np.linspace(-1, 1, ROWS), np.tile([0.0, 1.0], ROWS // 2)], axis=1)
    own = FIXED + rng.normal(0, spread, (UNITS, 3))
    y = own @ x.T + rng.normal(0, 0.3, (UNITS, ROWS))
    order = rng.permutation(UNITS * ROWS)
    unit = np.repeat([f"unit {number:02d}" for number in range(UNITS)], ROWS)
    return y.ravel()[order], np.tile(x, (UNITS, 1))[order], unit[order]


def of_statsmodels(y: np.ndarray, x: np.ndarray, unit: np.ndarray):
    from statsmodels.regression.mixed_linear_model import MixedLM

    result = MixedLM(y, x, groups=unit, exog_re=x).fit(reml=True)
    deviations = np.array([np.asarray(result.random_effects[name]) for name in sorted(set(unit))])
    return np.asarray(result.fe_params), np.asarray(result.bse_fe), result.fe_params + deviations


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("absent", "method"), [(0, CLOSED_FORM), (25, ITERATED)])
def test_estimates_errors_and_predictions_are_those_of_statsmodels(absent: int, method: str) -> None:
    y, x, unit = (part[absent:] for part in made(1))
    found = fit_coefficients(y, x, unit)
    assert found is not None and found.method == method
    fixed, errors, of_units = of_statsmodels(y, x, unit)
    assert found.coefficients == pytest.approx(fixed, abs=1e-5)
    assert (found.high - found.low) / 2 == pytest.approx(student.ppf(0.975, UNITS - 1) * errors, rel=1e-3)
    assert found.of_units == pytest.approx(of_units, abs=1e-3)
    assert list(found.units) == sorted(set(unit))


def test_iteration_comes_to_the_closed_form() -> None:
    y, x, unit = made(2)
    units, places = np.unique(unit, return_inverse=True)
    closed, found = fit_coefficients(y, x, unit), mixed_effects._iterated(y, x, places, units)
    assert closed is not None
    for name in ("coefficients", "low", "high", "of_units", "errors"):
        assert getattr(found, name) == pytest.approx(getattr(closed, name), abs=1e-5), name


def test_where_units_do_not_differ_their_predictions_are_the_mean_and_it_is_said() -> None:
    found = fit_coefficients(*made(2, spread=(1.0, 0.0, 0.0)))
    assert found is not None and found.method == CLOSED_FORM + BOUNDARY
    own = found.of_units - found.coefficients
    assert np.abs(own[:, 0]).max() > 1
    assert np.abs(own[:, 1:]).max() < 0.2


def test_a_covariance_on_its_boundary_is_told_and_does_not_move_the_estimates() -> None:
    y, x, unit = made(4, spread=(1.0, 0.0, 0.0))
    found, whole = fit_coefficients(y[5:], x[5:], unit[5:]), fit_coefficients(y, x, unit)
    assert found is not None and whole is not None
    assert found.method in (ITERATED + BOUNDARY, ITERATED + UNFINISHED)
    assert found.coefficients == pytest.approx(whole.coefficients, abs=0.03)
    assert (found.low <= found.coefficients).all() and (found.coefficients <= found.high).all()


def test_answers_by_a_formula_have_no_effect_where_there_is_none() -> None:
    _, x, unit = made(5)
    y = np.unique(unit, return_inverse=True)[1] * 0.3
    found = fit_coefficients(y[5:], x[5:], unit[5:])
    assert found is not None
    assert found.coefficients[1:] == pytest.approx([0, 0], abs=1e-6)
    assert found.of_units[:, 0] == pytest.approx(np.arange(UNITS) * 0.3, abs=1e-4)
    flat = fit_coefficients(np.ones(len(y) - 5), x[5:], unit[5:])
    assert flat is not None and flat.coefficients == pytest.approx([1, 0, 0], abs=1e-9)


def test_the_bootstrap_agrees_with_the_closed_form_and_serves_units_of_few_rows() -> None:
    y, x, unit = made(5)
    whole = fit_coefficients(y, x, unit)
    drawn = weighted_coefficients(y, x, unit, np.full(len(y), 0.3))
    assert whole is not None and drawn is not None and drawn.method == f"weighted {RESAMPLED}"
    assert drawn.coefficients == pytest.approx(whole.coefficients)
    assert (drawn.high - drawn.low) / (whole.high - whole.low) == pytest.approx(np.ones(3), abs=0.15)
    kept = x[:, 1] < np.linspace(-1, 1, ROWS)[3]
    few = fit_coefficients(y[kept][1:], x[kept][1:], unit[kept][1:])
    assert few is not None and few.method == f"{RESAMPLED}: {TOO_FEW}" and len(few.of_units) == 0


def test_weights_of_units_weigh_their_own_coefficients_in_a_complete_design() -> None:
    y, x, unit = made(7)
    units, places = np.unique(unit, return_inverse=True)
    weights = np.random.default_rng(7).exponential(size=len(units))
    weights[:3] = 0.0
    found = weighted_coefficients(y, x, unit, weights[places])
    own = np.array([np.linalg.lstsq(x[unit == name], y[unit == name], rcond=None)[0] for name in units])
    assert found is not None and list(found.units) == list(units[3:])
    assert found.coefficients == pytest.approx(weights @ own / weights.sum())
    assert ((found.low < found.coefficients) & (found.coefficients < found.high)).all()
    assert weighted_coefficients(y, x, unit, np.where(places == 0, 1.0, 0.0)) is None


def test_nothing_is_fitted_to_one_unit_or_to_terms_that_cannot_be_told_apart() -> None:
    y, x, unit = made(6)
    assert fit_coefficients(y[:9], x[:9], np.repeat("a", 9)) is None
    assert fit_coefficients(y, np.column_stack([x, x[:, 1]]), unit) is None
    assert fit_coefficients(y[:3], x[:3], unit[:3]) is None


def test_deviations_without_noise_are_kept_whole() -> None:
    x = np.stack([np.ones(4), [0.0, 1.0, 0.0, 1.0]], axis=1)
    own = np.array([[0.0, 1.0], [2.0, 1.5], [1.0, 0.5]])
    found = fit_coefficients((own @ x.T).ravel(), np.tile(x, (3, 1)), np.repeat([0, 1, 2], 4))
    assert found is not None
    assert found.of_units == pytest.approx(own)
    assert found.coefficients == pytest.approx(own.mean(axis=0))
