"""The attacker's linear programmes: the same ends as another solver's, and the same verdict when they stop early."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import csr_array
from small_releases import BANDS, FLOOR, make

from dagster_project.privacy import exposure
from dagster_project.privacy.attack import Public, propagate, public_views
from dagster_project.privacy.programme import _Relations, programme

TOLERANCE = 1e-6


def views() -> list[Public]:
    """What four small releases make public, one dimension each."""
    found = []
    for seed in range(4):
        released = make(seed, 200, 50, (2, 3)).release(FLOOR)
        domains = {"concern_band": list(BANDS)}
        found += [
            public
            for _, public in public_views(released.clusters, released.cluster_cells, None, domains)
            if not public.known.all()
        ]
    assert len(found) >= 8
    return found


@pytest.mark.parametrize("with_users", [False, True])
def test_ends_are_those_of_another_solver(with_users: bool) -> None:
    for public in views()[:4]:
        index = np.full(public.known.shape, -1)
        size = int((~public.known).sum())
        index[~public.known] = np.arange(size)
        relations = _Relations(public, index, size, with_users)
        starts, places, weights, least, greatest = relations.rows()
        left = csr_array((weights, places, starts), shape=(least.size, 2 * size))
        equal = np.isfinite(least)
        limits = {
            "A_eq": left[equal],
            "b_eq": greatest[equal],
            "A_ub": left[~equal] if (~equal).any() else None,
            "b_ub": greatest[~equal] if (~equal).any() else None,
        }
        bounds = programme(public, with_users)
        for cell in range(size):
            goal = np.eye(1, 2 * size, cell)[0]
            low, high = (
                sign * linprog(sign * goal, bounds=relations.box, method="highs", **limits).fun
                for sign in (1, -1)
            )
            place = index == cell
            assert bounds.low[place] == np.ceil(low - TOLERANCE)
            assert bounds.high[place] == np.floor(high + TOLERANCE)


@pytest.mark.parametrize("with_users", [False, True])
@pytest.mark.parametrize("least", [2, 5, 12, 40])
def test_stopping_early_does_not_change_the_verdict(with_users: bool, least: int) -> None:
    narrow = 0
    for public in views():
        within = propagate(public, with_users)
        whole = programme(public, with_users, within)
        early = programme(public, with_users, within, wide=least)
        verdicts = [exposure._narrow(public, bounds, with_users, least) for bounds in (whole, early)]
        assert np.array_equal(*verdicts)
        narrow += int(verdicts[0].sum())
    # Both sides of the limit are met, or the comparison would say nothing.
    assert narrow > 0 or least < 12
