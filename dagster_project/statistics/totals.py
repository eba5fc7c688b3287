"""Totals of a population from a sample, where a size of every unit is known."""

from __future__ import annotations

import numpy as np

CONFIDENCE = 0.95


def ratio_total(
    measured: np.ndarray, auxiliary: np.ndarray, auxiliary_total: float, population: int
) -> tuple[float, float, float]:
    """Ratio estimate of the total of what was measured on a simple random sample [n], with its 95 % interval.

    auxiliary [n]: a size that is known of the whole population, of which `auxiliary_total` is the total. The sample
    without replacement; measured completely, it is exact. Source: W. G. Cochran, Sampling Techniques, 1977, chapter 6.
    """
    from scipy.stats import t

    drawn = len(measured)
    ratio = float(measured.sum() / auxiliary.sum())
    likely = ratio * auxiliary_total
    if drawn >= population:
        return likely, likely, likely
    residual = measured - ratio * auxiliary
    error = population * np.sqrt((1 - drawn / population) * (residual**2).sum() / (drawn - 1) / drawn)
    half = float(t.ppf(0.5 + CONFIDENCE / 2, drawn - 1) * error)
    return max(0.0, likely - half), likely, likely + half
