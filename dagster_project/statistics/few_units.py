"""Intervals from few independent units, where draws of them anew can show too little of what they might have been.

Two or three units drawn anew give a handful of different means, none further out than the units themselves, and nothing in
them says that a spread measured on two units is hardly known. Student's t says it. Sources: B. Efron and C. Stein, Ann. Stat. 9
(1981) 586-596, for the jackknife's variance; L. Kish, Survey Sampling (1965), for what unequal sizes are worth; E. L. Korn and
B. I. Graubard, Survey Methodology 24 (1998) 193-201, for shares.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dagster_project.statistics.intervals import CONFIDENCE

FEW_UNITS = 20
"""Fewer units have an interval by the jackknife and Student's t, more by the bootstrap, widened by Student's t."""
FEWEST_FOR_A_VERDICT = 5
"""Units that a verdict needs beside its interval: four that agree by chance or by a formula show no spread at all."""
Array = np.ndarray


def jackknife_variance(values: Array, statistic: Callable[[Array], Array]) -> Array:
    """Variance of a statistic of sums, each unit left out once; NaN where it is not defined without one of them.

    values: sums by unit (units, columns). statistic: (draws, columns) to (draws, ...). Out: (...).
    """
    units = len(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        without = statistic(values.sum(axis=0) - values)
        return (units - 1) / units * np.square(without - without.mean(axis=0)).sum(axis=0)


def degrees_of_freedom(sizes: Array) -> Array:
    """How many units of one size those of these sizes are worth, less one, and one at least. sizes: (..., units)."""
    sizes = np.asarray(sizes, dtype=float)
    squares = np.square(sizes).sum(axis=-1)
    worth = np.divide(np.square(sizes.sum(axis=-1)), squares, out=np.ones_like(squares), where=squares > 0)
    return np.maximum(worth - 1, 1.0)


def student(degrees: Any) -> Any:
    """What a standard error is multiplied with for the half of a 95 % interval; a number or an array."""
    from scipy.special import stdtrit

    return stdtrit(degrees, 0.5 + CONFIDENCE / 2)


def widening(sizes: Array, units: Any) -> Any:
    """By how much ends of a percentile interval of drawn units lie too near to the estimate.

    Drawing n of n units anew makes the spread too small by sqrt((n - 1) / n), and percentiles are those of a spread that is
    known. sizes: (..., units), 0 for what is no unit; units: (...).
    """
    from scipy.special import ndtri

    normal = float(ndtri(0.5 + CONFIDENCE / 2))
    return np.sqrt(units / np.maximum(units - 1, 1)) * student(degrees_of_freedom(sizes)) / normal
