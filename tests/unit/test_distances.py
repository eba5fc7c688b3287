"""Distances between shares: against scipy, by hand, and where they are not defined."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from dagster_project.statistics.distances import earth_movers_distance, entropy, jensen_shannon_distance


@pytest.fixture
def pairs() -> np.ndarray:
    found = np.random.default_rng(1).dirichlet(np.full(5, 0.4), (2, 200))
    found[0, :20, 0] = 0
    return found


@pytest.mark.parametrize("base", [2.0, np.e, 10.0])
def test_jensen_shannon_is_scipys(pairs: np.ndarray, base: float) -> None:
    p, q = pairs
    expected = [jensenshannon(one, other, base) for one, other in zip(p, q, strict=True)]
    assert jensen_shannon_distance(p, q, base) == pytest.approx(expected, abs=1e-9)


def test_earth_movers_is_wasserstein_over_the_steps_of_the_scale(pairs: np.ndarray) -> None:
    p, q = pairs
    places = np.arange(5)
    expected = [wasserstein_distance(places, places, a / a.sum(), b) / 4 for a, b in zip(p, q, strict=True)]
    assert earth_movers_distance(p, q) == pytest.approx(expected, abs=1e-9)


def test_options_off_the_scale_take_no_part_and_no_room() -> None:
    counted = [True, False, True, True]
    whole = earth_movers_distance([0.5, 0.0, 0.5, 0.0], [0.0, 0.5, 0.0, 0.5], counted)
    assert whole == pytest.approx(earth_movers_distance([0.5, 0.5, 0.0], [0.0, 0.0, 1.0]))
    assert earth_movers_distance([1, 0, 0], [0, 0, 1]) == 1
    assert np.isnan(earth_movers_distance([1.0, 0.0], [0.5, 0.5], [True, False]))


def test_padding_with_zeros_changes_nothing_and_nothing_has_no_distance() -> None:
    p, q = np.array([0.2, 0.8]), np.array([0.6, 0.4])
    assert jensen_shannon_distance(np.append(p, 0), np.append(q, 0)) == jensen_shannon_distance(p, q)
    assert np.isnan(jensen_shannon_distance([0, 0], q))


def test_entropy_is_in_bits() -> None:
    assert entropy([[0.25] * 4, [1, 0, 0, 0]]) == pytest.approx([2, 0])
