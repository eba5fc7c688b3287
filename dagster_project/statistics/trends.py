"""Growth of shares over time, where the people, not their conversations, are the sample.

The share of a node in each period follows exp(a + growth * period): a Poisson estimating equation whose
offset is the period's total, so that the estimate rests on counts of cells alone. Its variance is the sandwich
with users as clusters (S. L. Zeger and K.-Y. Liang, Biometrics 42 (1986) 121-130): one busy user, active in
some of the periods only, counts once, however much they write. Students' t at the number of users that the
estimate really rests on keeps the test honest where few make up most of a node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from dagster_project.statistics.intervals import CONFIDENCE, log_ratio_interval, log_ratio_p_value

Array = np.ndarray
ROUNDS = 50
SETTLED = 1e-10
STEEPEST = 5.0


@dataclass(frozen=True)
class _Fit:
    """Fitted shares and what a user's influence is made of; (N,) nodes by (T,) periods."""

    growth: Array
    leverage: Array
    """(N, T): distance of each used period from the node's weighted middle, 0 where it is not used."""
    share: Array
    information: Array


def share_trends(
    cells: pl.DataFrame, counts: pl.DataFrame, root: int, confidence: float = CONFIDENCE
) -> pl.DataFrame:
    """Growth per period of each node's share, with an interval and a test clustered by user.

    Parameters
    ----------
    cells : node, period
        Cells to use, two periods or more for each node; `period` is an integer, such as the week's number.
        Every one must occur in `counts`.
    counts : node, period, user, n
        Conversations of each user; node `root` holds all conversations.

    Returns
    -------
    node, growth, low, high, p_value
        `growth` is the factor by which the share changes from one period to the next: 1 is no change.

    The sum of squared influences is expanded into sums of products of sparse counts and one matrix of periods
    by periods, so that nothing of the size users x nodes is made.

    """
    if cells.is_empty():
        numbers = dict.fromkeys(("growth", "low", "high", "p_value"), pl.Float64)
        return pl.DataFrame(schema={"node": cells.schema["node"], **numbers})
    nodes, periods = cells["node"].unique().sort(), cells["period"].unique().sort()
    own = counts.join(cells, on=["node", "period"], how="semi")
    whole = counts.filter((pl.col("node") == root) & pl.col("period").is_in(periods.implode()))
    users = whole["user"].unique().sort()
    place, n = _places(own, nodes, periods, users), own["n"].to_numpy().astype(float)
    activity = _activity(whole, periods, users)
    used = np.zeros((len(nodes), len(periods)))
    np.add.at(used, (place[0], place[1]), n)
    fit = _fit(used, np.asarray(activity.sum(axis=0)).ravel(), periods.to_numpy().astype(float))
    squares, people, units = _influence(place, n, activity, fit)
    scale = np.where(people > 1, people / np.maximum(people - 1, 1), 1.0)
    variance = scale * squares / fit.information**2
    found = log_ratio_interval(np.exp(fit.growth), variance, units, confidence)
    return pl.DataFrame(
        {
            "node": nodes,
            "growth": np.exp(fit.growth),
            "low": found.low,
            "high": found.high,
            "p_value": log_ratio_p_value(np.exp(fit.growth), variance, units),
        }
    )


def _places(
    own: pl.DataFrame, nodes: pl.Series, periods: pl.Series, users: pl.Series
) -> tuple[Array, Array, Array]:
    """Positions of each entry's node, period and user."""
    return (
        np.searchsorted(nodes.to_numpy(), own["node"].to_numpy()),
        np.searchsorted(periods.to_numpy(), own["period"].to_numpy()),
        np.searchsorted(users.to_numpy(), own["user"].to_numpy()),
    )


def _activity(whole: pl.DataFrame, periods: pl.Series, users: pl.Series) -> Any:
    """Conversations of each user in each period; (U, T) sparse."""
    from scipy.sparse import csr_array

    place = (
        np.searchsorted(users.to_numpy(), whole["user"].to_numpy()),
        np.searchsorted(periods.to_numpy(), whole["period"].to_numpy()),
    )
    n = whole["n"].to_numpy().astype(float)
    return csr_array((n, place), shape=(len(users), len(periods)))


def _fit(used: Array, totals: Array, periods: Array) -> _Fit:
    """Solve the estimating equations of all nodes at once by Newton's steps. used: (N, T); totals: (T,)."""
    known = used > 0
    offset = known * totals
    x = (periods - periods.mean()) * known
    level = np.log(used.sum(axis=1) / offset.sum(axis=1))
    growth = np.zeros_like(level)
    for _ in range(ROUNDS):
        share = np.exp(level[:, None] + growth[:, None] * x) * known
        weight = offset * share
        rest = used - weight
        first, second, third = weight.sum(axis=1), (weight * x).sum(axis=1), (weight * x * x).sum(axis=1)
        wrong, slope = rest.sum(axis=1), (rest * x).sum(axis=1)
        spread = np.maximum(third - second**2 / first, np.finfo(float).tiny)
        step = np.clip((slope - second / first * wrong) / spread, -STEEPEST, STEEPEST)
        level += (wrong - second * step) / first
        growth += step
        if np.abs(step).max() < SETTLED:
            break
    share = np.exp(level[:, None] + growth[:, None] * x) * known
    weight = offset * share
    middle = (weight * x).sum(axis=1) / weight.sum(axis=1)
    leverage = (x - middle[:, None]) * known
    return _Fit(growth, leverage, share, (weight * leverage**2).sum(axis=1))


def _influence(
    place: tuple[Array, Array, Array], n: Array, activity: Any, fit: _Fit
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Of each node: the sum over users of squared influences, its users, and how many they are worth.

    A user's influence is a - b: a from the conversations in the node, b from what the fit expects of all
    theirs. Users outside the node have b alone.
    """
    node, period, user = place
    size = fit.growth.size
    key, group = np.unique(node.astype(np.int64) * activity.shape[0] + user, return_inverse=True)
    own_node, own_user = key // activity.shape[0], key % activity.shape[0]
    a = np.bincount(group, n * fit.leverage[node, period], minlength=key.size)
    expected = fit.leverage * fit.share
    b = _expected(own_node, own_user, activity, expected)
    together = (activity.T @ activity).toarray()
    bb = ((expected @ together) * expected).sum(axis=1)
    squares = np.bincount(own_node, a * (a - 2 * b), minlength=size) + bb
    people = np.bincount(own_node, minlength=size)
    weight = (a - b) ** 2
    fourth = np.bincount(own_node, weight**2, minlength=size)
    units = np.bincount(own_node, weight, minlength=size) ** 2 / np.maximum(fourth, np.finfo(float).tiny)
    return np.maximum(squares, 0.0), people, units


def _expected(node: Array, user: Array, activity: Any, expected: Array) -> Array:  # fmt: skip
    """What the fit expects of each (node, user), weighted by leverage, from the user's periods."""
    start, stop = activity.indptr[user], activity.indptr[user + 1]
    length = stop - start
    pair = np.repeat(np.arange(user.size), length)
    entry = np.arange(pair.size) - np.repeat(np.cumsum(length) - length, length) + np.repeat(start, length)
    weight = activity.data[entry] * expected[node[pair], activity.indices[entry]]
    return np.bincount(pair, weight, minlength=user.size)
