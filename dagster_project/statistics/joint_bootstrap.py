"""Means of many groups from one bootstrap: every draw takes the same units for all of them.

Groups that share their units (countries that answered the same questions) are then compared as pairs, and a thousand
groups cost one product of matrices. Source: B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (1993), chapter 8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from dagster_project.statistics.bootstrap import (
    BOOTSTRAP,
    COLUMNS,
    DRAWS,
    cluster_statistic,
    ratio,
    unit_draws,
    with_wilson,
)
from dagster_project.statistics.few_units import FEW_UNITS, widening
from dagster_project.statistics.intervals import CONFIDENCE

CELLS_AT_ONCE = 4_000_000
JOINT = f"{BOOTSTRAP}, one draw for all groups"
Array = np.ndarray


def joint_means(
    frame: pl.DataFrame,
    values: Sequence[str],
    *,
    by: Sequence[str],
    unit: str = "unit",
    weight: str | None = None,
    signed: Sequence[str] = (),
    draws: int = DRAWS,
    seed: int = 0,
) -> pl.DataFrame:
    """(Weighted) means of several columns with 95 % intervals over units, as `cluster_means` gives them for one.

    In: *by, `unit`, *values (null where a row has none), `weight` (null counts as 0). signed: values that lie between -1 and 1.
    Out: value (name of the column), *by, estimate, ci_low, ci_high, n, units, method; one row per column and group that
    has a value of it, sorted. The interval is that of a ratio: how many of a group's units are drawn varies with the draw.
    Groups of few units have theirs by themselves.
    """
    w = (pl.lit(1.0) if weight is None else pl.col(weight).fill_null(0.0)).cast(pl.Float64)
    kept = frame.select(*by, unit, *values, _w=w).filter(pl.col("_w") > 0)
    index = [*by, unit, "_w"]
    long = kept.unpivot(on=values, index=index, variable_name="value", value_name="_x").drop_nulls("_x")
    x = pl.col("_x").cast(pl.Float64)
    key = ["value", *by]
    sums = long.group_by(*key, unit).agg(
        total=(pl.col("_w") * x).sum(), weight=pl.col("_w").sum(), n=pl.len()
    )
    few = pl.len().over(key) < FEW_UNITS
    alone = cluster_statistic(sums.filter(few), ["total", "weight"], ratio, by=key, size="weight")
    together = _together(sums.filter(~few), key, unit, draws, seed)
    return with_wilson(pl.concat([together, alone]).sort(key), signed=pl.col("value").is_in(list(signed)))


def _together(sums: pl.DataFrame, key: list[str], unit: str, draws: int, seed: int) -> pl.DataFrame:
    """Estimates of groups that have enough units to be drawn. In: *key, unit, total, weight, n."""
    groups = sums.group_by(key).agg(pl.col("n").sum(), units=pl.len()).sort(key).with_row_index("_group")
    sums = sums.join(groups.select(*key, "_group"), on=key, nulls_equal=True)
    places = sums.select(group="_group", place=pl.col(unit).rank("dense") - 1, total="total", weight="weight")
    ends = _ends(places.sort("group", "place"), groups["units"].to_numpy(), draws, seed)
    table = groups.with_columns(**ends, method=pl.lit(JOINT))
    return table.select(*key, *(pl.col(name).cast(kind) for name, kind in COLUMNS.items()))


def _ends(places: pl.DataFrame, units: Array, draws: int, seed: int) -> dict[str, pl.Series]:
    """estimate, ci_low, ci_high of each group. In: group, place (of the unit), total, weight, sorted."""
    size = int(places["place"].max()) + 1 if places.height else 0  # type: ignore[arg-type]
    found = [np.empty((3, 0))]
    for first, last in _portions(len(units), size):
        part = places.filter(pl.col("group").is_between(first, last - 1))
        totals, weights = np.zeros((2, size, last - first))
        where = part["place"].to_numpy(), part["group"].to_numpy() - first
        totals[where], weights[where] = part["total"].to_numpy(), part["weight"].to_numpy()
        found.append(_interval(totals, weights, units[first:last], draws, seed))
    table = np.concatenate(found, axis=1)
    return {
        name: pl.Series(row, nan_to_null=True)
        for name, row in zip(("estimate", "ci_low", "ci_high"), table, strict=True)
    }


def _portions(groups: int, size: int) -> Iterator[tuple[int, int]]:
    step = max(1, CELLS_AT_ONCE // max(size, DRAWS))
    return ((first, min(first + step, groups)) for first in range(0, groups, step))


def _interval(totals: Array, weights: Array, units: Array, draws: int, seed: int) -> Array:
    """(3, groups): estimate, lower and upper end. totals, weights: (units, groups)."""
    estimate = totals.sum(axis=0) / weights.sum(axis=0)
    # Half as many digits are a thousandth of the bootstrap's own noise, and halve what the products cost.
    totals, weights = totals.astype(np.float32), weights.astype(np.float32)
    drawn = np.concatenate(
        [
            _ratio(times @ totals, times @ weights)
            for times in map(
                np.float32, unit_draws(len(totals), draws, np.random.default_rng(seed), CELLS_AT_ONCE)
            )
        ]
    )
    tail = 50 * (1 - CONFIDENCE)
    wider = widening(weights.T, units)
    low, high = (estimate + (_percentile(drawn, part) - estimate) * wider for part in (tail, 100 - tail))
    return np.stack([estimate, np.minimum(low, estimate), np.maximum(high, estimate)])


def _ratio(totals: Array, weights: Array) -> Array:
    return np.divide(totals, weights, out=np.full(totals.shape, np.nan, totals.dtype), where=weights > 0)


def _percentile(drawn: Array, percent: float) -> Array:
    """Percentile of each column without its NaN, of draws in which no unit of the group was drawn."""
    ordered = np.sort(drawn, axis=0)
    last = np.maximum((~np.isnan(ordered)).sum(axis=0) - 1, 0)
    place = last * percent / 100
    below = np.floor(place).astype(int)
    columns = np.arange(drawn.shape[1])
    low, high = ordered[below, columns], ordered[np.minimum(below + 1, last), columns]
    return low + (high - low) * (place - below)
