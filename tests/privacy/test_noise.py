"""The mechanisms keep what they promise: thresholds as in the literature, and noise that hides one user."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import beta

from dagster_project.privacy.noise import noisy_counts, select_groups, selection_threshold

RUNS = 8000
SURE = 0.9999
"""The noise has no seed: a test that is wrong once in twenty runs would be no test."""


def laplace_threshold(epsilon: float, delta: float, l0: int) -> float:
    """tau of the continuous Laplace mechanism: specs/privacy_reliability.md 1.3, rule 8."""
    return 1 - (l0 / epsilon) * math.log(2 * (1 - (1 - delta) ** (1 / l0)))


@pytest.mark.parametrize(
    ("epsilon", "delta", "l0", "tau"),
    [
        (0.5, 1e-6, 1, 27.2),
        (1, 1e-6, 1, 14.1),
        (1, 1e-8, 1, 18.7),
        (1, 1e-6, 5, 74.7),
        (1, 1e-8, 5, 97.7),
        (2, 1e-6, 5, 37.8),
        (4, 1e-8, 1, 5.4),
    ],
)
def test_thresholds_are_those_of_the_table(epsilon: float, delta: float, l0: int, tau: float) -> None:
    assert laplace_threshold(epsilon, delta, l0) == pytest.approx(tau, abs=0.06)
    assert selection_threshold(epsilon, delta, l0) == pytest.approx(tau, abs=1.0)


def test_small_groups_are_never_named_and_large_ones_are() -> None:
    users = {"one": 1, "few": 5, "many": 500}
    for _ in range(50):
        named = select_groups(users, epsilon=1.0, delta=1e-8, l0=1)
        assert set(named) == {"many"}
        assert abs(named["many"] - 500) < 60


def test_noise_has_the_scale_of_its_sensitivity() -> None:
    drawn = np.array(noisy_counts([100] * RUNS, epsilon=0.5, l0=2, linf=3))
    scale = 2 * 3 / 0.5
    assert drawn.mean() == pytest.approx(100, abs=5 * scale * math.sqrt(2 / RUNS))
    assert drawn.std() == pytest.approx(scale * math.sqrt(2), rel=0.1)


def test_the_same_counts_never_get_the_same_noise_twice() -> None:
    first, second = (noisy_counts([100] * 50, epsilon=0.5, l0=1, linf=1) for _ in range(2))
    assert first != second


def epsilon_shown(with_user: np.ndarray, without: np.ndarray) -> float:
    """Epsilon that the runs prove: the best of the tests `count >= t` and `count <= t` by the first half of the runs,
    with a confidence of `SURE` by Clopper and Pearson on the second, which had no part in the choice.
    """
    half = RUNS // 2
    choices = []
    for values, others in ((with_user, without), (-without, -with_user)):
        for cut in np.unique(values[:half]):
            hits, misses = int((values[:half] >= cut).sum()), int((others[:half] >= cut).sum())
            choices.append((_proven(hits, misses, half), cut, values[half:], others[half:]))
    _, cut, values, others = max(choices, key=lambda choice: choice[0])
    return _proven(int((values >= cut).sum()), int((others >= cut).sum()), half)


def _proven(hits: int, misses: int, runs: int) -> float:
    low = beta.ppf((1 - SURE) / 2, hits, runs - hits + 1)
    high = 1.0 if misses == runs else beta.ppf((1 + SURE) / 2, misses + 1, runs - misses)
    return math.log(low / high) if low > 0 else 0.0


def test_no_more_privacy_is_lost_than_is_paid_for() -> None:
    """Neighbours that differ by one user with three conversations, told apart no better than epsilon allows."""
    epsilon = 1.0
    runs = {n: np.array(noisy_counts([n] * RUNS, epsilon=epsilon, l0=1, linf=3)) for n in (40, 43)}
    shown = epsilon_shown(runs[43], runs[40])
    assert 0.5 * epsilon < shown < epsilon
    unbounded = {n: np.array(noisy_counts([n] * RUNS, epsilon=epsilon, l0=1, linf=1)) for n in (40, 43)}
    assert epsilon_shown(unbounded[43], unbounded[40]) > epsilon, "the test must see a bound that is not kept"
