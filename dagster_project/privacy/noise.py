"""Noisy counts and the choice of what may be named at all, by OpenDP's mechanisms and its own source of chance.

The unit is one user, who is in at most `l0` groups with at most `linf` conversations in each.
Source: specs/privacy_reliability.md 1.3, rules 7 and 8; OpenDP (arXiv 2201.07959 for its framework).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dagster_project.errors import ObservatoryError

HIGHEST_THRESHOLD = 10**9


def _opendp() -> Any:
    try:
        import opendp.prelude as dp
        from opendp.mod import enable_features
    except ImportError:
        raise ObservatoryError(
            "noisy counts need OpenDP: install it with `pip install lm-observatory[dp]`, or unset dp_epsilon"
        ) from None
    enable_features("contrib")
    return dp


def selection_threshold(epsilon: float, delta: float, l0: int) -> int:
    """The smallest noisy count of users with which a group may be named, for Laplace noise of scale l0 / epsilon."""
    dp = _opendp()

    def safe(threshold: int) -> bool:
        return _selection(dp, epsilon, l0, threshold).map((l0, l0, 1))[1] <= delta

    return int(dp.binary_search(safe, bounds=(1, HIGHEST_THRESHOLD)))


def _selection(dp: Any, epsilon: float, l0: int, threshold: int) -> Any:
    domain = dp.map_domain(dp.atom_domain(T=str), dp.atom_domain(T="i64"))
    metric = dp.l01inf_distance(dp.absolute_distance(T="i64"))
    return dp.m.make_laplace_threshold(domain, metric, scale=l0 / epsilon, threshold=threshold)


def select_groups(users: Mapping[str, int], *, epsilon: float, delta: float, l0: int) -> dict[str, int]:
    """Groups that may be named, with noisy users, under (epsilon, delta) together; the rest never existed.

    `users` are the distinct users of each group that has any.
    """
    dp = _opendp()
    return dict(_selection(dp, epsilon, l0, selection_threshold(epsilon, delta, l0))(dict(users)))


def noisy_counts(counts: Sequence[int], *, epsilon: float, l0: int, linf: int) -> list[int]:
    """Counts of conversations with discrete Laplace noise of scale l0 * linf / epsilon; may be negative."""
    dp = _opendp()
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
    return list(dp.m.make_laplace(*space, scale=l0 * linf / epsilon)([int(count) for count in counts]))
