"""Intervals for shares and for ratios of shares, where the people, not their conversations, are the sample.

Sources: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212 for shares; for ratios the linearised variance of
a ratio estimator with users as ultimate clusters (K. M. Wolter, Introduction to Variance Estimation, chapter
6), on the log scale, with Student's t at the number of users that the counts are worth (L. Kish, Survey
Sampling, 1965).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

CONFIDENCE = 0.95
Array = np.ndarray


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its interval; arrays of one shape, or single numbers."""

    estimate: Any
    low: Any
    high: Any


def wilson(successes: Any, trials: Any, confidence: float = CONFIDENCE) -> Interval:
    """Wilson score interval of a share; arrays broadcast. No trials give NaN and the interval 0 to 1.

    Raises ValueError where successes are negative or more than trials.
    """
    from scipy.special import ndtri

    k, n = np.asarray(successes, dtype=float), np.asarray(trials, dtype=float)
    if (k < 0).any() or (k > n).any():
        raise ValueError("successes must lie between 0 and trials")
    z = ndtri(0.5 + confidence / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = k / n
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low = np.where(n > 0, np.where(k == 0, 0.0, np.clip(centre - half, 0, 1)), 0.0)
    high = np.where(n > 0, np.where(k == n, 1.0, np.clip(centre + half, 0, 1)), 1.0)
    return Interval(*map(_plain, (share, low, high)))


def clustered_wilson(
    successes: Any,
    trials: Any,
    variance: Any,
    units: Any,
    confidence: float = CONFIDENCE,
    degrees: Any = np.inf,
) -> Interval:
    """Wilson interval of a share at the number of independent trials that its variance is worth.

    Parameters
    ----------
    successes, trials
        Counts; arrays broadcast.
    variance
        Variance of the share with users as clusters.
    units
        Distinct users; what the trials are worth where the variance is 0, as it is at shares of 0 and 1.
    degrees
        Degrees of freedom of the variance: with few of them trials are worth less, by the squares of the normal
        distribution's quantile over Student's.

    Source: E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998) 193-201: the effective sample size is
    share * (1 - share) / variance, and never more than the trials.

    """
    from scipy.special import ndtri, stdtrit

    k, n, variance, units = (np.asarray(part, dtype=float) for part in (successes, trials, variance, units))
    quantile = np.where(
        np.isinf(degrees), ndtri(0.5 + confidence / 2), stdtrit(degrees, 0.5 + confidence / 2)
    )
    known = np.square(ndtri(0.5 + confidence / 2) / quantile)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(n > 0, k / n, 0.0)
        worth = np.where(variance > 0, known * share * (1 - share) / variance, units)
    worth = np.minimum(np.where(worth > 0, worth, units), n)
    return wilson(share * worth, worth, confidence)


def log_ratio_interval(ratio: Any, variance: Any, units: Any, confidence: float = CONFIDENCE) -> Interval:
    """Interval of a ratio from the variance of its logarithm and the number of independent units it is worth.

    Arrays broadcast. Fewer than two units leave the ratio unbounded: 0 to infinity.
    """
    from scipy.special import stdtrit

    ratio, variance, units = (np.asarray(part, dtype=float) for part in (ratio, variance, units))
    enough = units > 1
    quantile = stdtrit(np.where(enough, units - 1, 1), 0.5 + confidence / 2)
    with np.errstate(over="ignore"):
        factor = np.exp(quantile * np.sqrt(np.maximum(variance, 0)))
    low, high = np.where(enough, ratio / factor, 0.0), np.where(enough, ratio * factor, np.inf)
    return Interval(*map(_plain, (ratio, low, high)))


def log_ratio_p_value(ratio: Any, variance: Any, units: Any) -> Any:
    """Two-sided p-value of a ratio of 1, by the test that `log_ratio_interval` inverts; arrays broadcast.

    Fewer than two units, or no variance and no difference, prove nothing: 1.
    """
    from scipy.special import stdtr

    ratio, variance, units = (np.asarray(part, dtype=float) for part in (ratio, variance, units))
    enough = units > 1
    distance = np.abs(np.log(ratio))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(distance > 0, distance / np.sqrt(np.maximum(variance, 0)), 0.0)
    return _plain(np.where(enough, 2 * stdtr(np.where(enough, units - 1, 1), -statistic), 1.0))


def _plain(value: Array) -> Any:
    return value.item() if value.ndim == 0 else value


def prevalence_ratio(
    cell: Array, cluster: Array, value: Array, total: Array, confidence: float = CONFIDENCE
) -> Interval:
    """How much more common a value is in a cluster than overall: (cell / cluster) / (value / total).

    Parameters
    ----------
    cell, cluster, value, total : (users,)
        Conversations of each user with the value in the cluster, in the cluster, with the value, and in all.

    A user's influence on the logarithm is cell/sum - cluster/sum - value/sum + total/sum; the variance is the
    sum of squares over users, times m / (m - 1) for the m users in the cell.

    """
    sums = [float(part.sum()) for part in (cell, cluster, value, total)]
    if min(sums) <= 0:
        raise ValueError(
            "a prevalence ratio needs conversations in the cell, the cluster, the value and overall"
        )
    influence = cell / sums[0] - cluster / sums[1] - value / sums[2] + total / sums[3]
    people = np.count_nonzero(cell)
    scale = people / (people - 1) if people > 1 else 1.0
    units = sums[0] ** 2 / float(np.square(cell, dtype=float).sum())
    ratio = sums[0] / sums[1] / (sums[2] / sums[3])
    return log_ratio_interval(ratio, scale * np.square(influence).sum(), units, confidence)
