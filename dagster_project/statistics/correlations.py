"""Correlations with intervals: Fisher's over units, and a statistic of weighted sums for the cluster bootstrap.

Source: R. A. Fisher, Metron 1 (1921) 3-32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from dagster_project.statistics.intervals import CONFIDENCE

Array = np.ndarray
FEWEST = 4
"""Units that Fisher's interval needs."""
FIELLER = 1.06
FISHERS_SCALE = (np.arctanh, np.tanh)
"""To and from the scale on which a correlation of few units is nearly normal."""
SMALLEST_SPREAD = 1e-9
"""What varies less than this is rounding."""
SUMS = ("w", "wx", "wy", "wxx", "wyy", "wxy")


def moments(x: str, y: str, weight: pl.Expr) -> dict[str, pl.Expr]:
    """Expressions of the sums that `correlation` takes, by name in their order."""
    a, b = pl.col(x), pl.col(y)
    values = (weight, weight * a, weight * b, weight * a * a, weight * b * b, weight * a * b)
    return dict(zip(SUMS, values, strict=True))


def fisher(units: pl.DataFrame, by: Sequence[str], *, ranks: bool = False) -> pl.DataFrame:
    """Correlation of x and y in each part with Fisher's interval; null where it is not defined.

    In: *by, x, y, n; one row per unit. ranks: Spearman's in place of Pearson's, with the variance of its transform by
    Fieller, Hartley and Pearson (Biometrika 44 (1957) 470-481).
    Out: *by, estimate, ci_low, ci_high, n, units, method.
    """
    from scipy.special import ndtri

    varies = pl.min_horizontal(pl.col("x").std(), pl.col("y").std()) > SMALLEST_SPREAD
    how = "spearman" if ranks else "pearson"
    found = units.group_by(*by).agg(
        estimate=pl.when(varies).then(pl.corr("x", "y", method=how)), n=pl.col("n").sum(), units=pl.len()
    )
    defined = (pl.col("units") >= FEWEST) & pl.col("estimate").is_finite()
    r = pl.when(defined).then(pl.col("estimate").clip(-1, 1))
    error = ((FIELLER if ranks else 1.0) / (pl.col("units") - 3)).sqrt()
    half = float(ndtri(0.5 + CONFIDENCE / 2)) * error
    ends = {name: (r.arctanh() + side * half).tanh() for name, side in (("ci_low", -1), ("ci_high", 1))}
    return found.with_columns(
        estimate=r,
        # A correlation of exactly one is at infinity on Fisher's scale: the interval is that point.
        **{name: pl.when(r.abs() < 1).then(end).otherwise(r) for name, end in ends.items()},
        method=pl.lit(f"{how.capitalize()}, Fisher's z over units"),
    ).sort(by)


def correlation(sums: Array) -> Array:
    """Weighted Pearson correlation from sums of shape (draws, 6); NaN where one of the two does not vary."""
    w, wx, wy, wxx, wyy, wxy = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        both = wxy / w - wx * wy / w**2
        spread = (wxx / w - (wx / w) ** 2) * (wyy / w - (wy / w) ** 2)
        return np.clip(np.where(spread > 1e-15, both / np.sqrt(spread), np.nan), -1, 1)
