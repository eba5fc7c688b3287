"""How well groups that were found agree with groups that are known, with intervals clustered by user.

Sources: H. W. Kuhn, Naval Research Logistics Quarterly 2 (1955) 83-97 for the one-to-one matching; the linearised
variance of a ratio with users as ultimate clusters (K. M. Wolter, Introduction to Variance Estimation, chapter 6) as the
effective number of conversations in a Wilson interval (L. Kish, Survey Sampling, 1965).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dagster_project.statistics.intervals import Interval, wilson

Codes = NDArray[np.int64]
Hits = NDArray[np.bool_]


def codes(values: NDArray | list[str]) -> Codes:
    """Position [N] of each value among the sorted distinct values."""
    return np.unique(np.asarray(values), return_inverse=True)[1].astype(np.int64)


def match_one_to_one(found: Codes, known: Codes) -> Codes:
    """The known group [N] that each row's found group is matched to, so that most rows agree; -1: to none."""
    from scipy.optimize import linear_sum_assignment

    table = _contingency(found, known)
    rows, columns = linear_sum_assignment(table, maximize=True)
    matched = np.full(len(table), -1, dtype=np.int64)
    matched[rows] = columns
    return matched[found]


def match_to_commonest(found: Codes, known: Codes) -> Codes:
    """The known group [N] that is commonest in each row's found group; several may share one."""
    return _contingency(found, known).argmax(axis=1)[found]


def macro_f1(predicted: Codes, known: Codes) -> float:
    """Mean F1 over the known groups; one that nothing is assigned to counts 0."""
    groups = np.arange(int(known.max()) + 1)
    right = np.bincount(known[predicted == known], minlength=len(groups))
    wanted = np.bincount(known, minlength=len(groups))
    given = np.bincount(predicted[predicted >= 0], minlength=len(groups))
    present = wanted > 0
    return float(np.mean(2.0 * right[present] / (wanted + given)[present]))


def clustered_share(hits: Hits, users: Codes) -> Interval:
    """Share of rows [N] that are hits; rows of one user are not independent of each other."""
    share = float(hits.mean())
    variance = float(np.square(_influence(hits, users)).sum()) * _correction(users)
    worth = share * (1.0 - share) / variance if variance > 0 else float(len(np.unique(users)))
    worth = min(worth, float(len(hits)))
    return wilson(share * worth, worth)


def below_whole(hits: Hits, users: Codes, part: Hits) -> float:
    """One-sided p-value that the share of hits in `part` [N] of the rows is no lower than in all of them."""
    from scipy.special import ndtr

    inside = np.bincount(users[part], (hits[part] - hits[part].mean()) / part.sum(), users.max() + 1)
    difference = inside - _influence(hits, users)
    deviation = float(np.sqrt(np.square(difference).sum() * _correction(users[part])))
    gap = float(hits[part].mean() - hits.mean())
    return float(ndtr(gap / deviation)) if deviation > 0 else float(gap >= 0)


def _contingency(found: Codes, known: Codes) -> NDArray[np.int64]:
    table = np.zeros((int(found.max()) + 1, int(known.max()) + 1), dtype=np.int64)
    np.add.at(table, (found, known), 1)
    return table


def _influence(hits: Hits, users: Codes) -> NDArray[np.float64]:
    """Each user's part in the deviation of the share of hits."""
    away = (hits - hits.mean()) / len(hits)
    return np.bincount(users, away, int(users.max()) + 1).astype(np.float64)


def _correction(users: Codes) -> float:
    people = len(np.unique(users))
    return people / (people - 1) if people > 1 else 1.0
