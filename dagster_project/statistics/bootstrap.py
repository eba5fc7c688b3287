"""Cluster bootstrap: estimates with percentile intervals, where units and not their rows are drawn anew.

Units with the same sums are one cell, and cells are drawn by their counts (one multinomial draw each time): a million answers
of 0 and 1 cost what two cells cost. Where most units are a cell of their own, they are drawn one by one, which is quicker. Few
units are not drawn at all (statistics/few_units.py). Sources: B. Efron, Ann. Stat. 7 (1979) 1-26, for the bootstrap; C. A.
Field and A. H. Welsh, J. R. Stat. Soc. B 69 (2007) 369-390, for drawing whole clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from dagster_project.statistics.few_units import (
    FEW_UNITS,
    degrees_of_freedom,
    jackknife_variance,
    student,
    widening,
)
from dagster_project.statistics.intervals import CONFIDENCE, clustered_wilson, wilson

DRAWS = 2000
CELLS_AT_ONCE = 4_000_000
MOST_CELLS = 1_000
"""Distinct units above which the interval is the linearised one: it is the same then, and costs one pass."""
MOST_UNITS_A_CELL = 8
"""Units a cell up to which units are drawn one by one: a multinomial draw takes longer for a cell than eight of these."""
BOOTSTRAP, WILSON, LINEARISED, NONE = "cluster bootstrap", "Wilson", "linearised", "one unit"
JACKKNIFE = "jackknife, Student's t"
EFFECTIVE = "Wilson at what the units are worth, Student's t"
SMALLEST_SPREAD = 1e-12
"""A spread of units below this is rounding."""
COLUMNS = {
    "estimate": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "n": pl.UInt32,
    "units": pl.UInt32,
    "method": pl.String,
}
_SIZE = "_size"
Array = np.ndarray
Statistic = Callable[[Array], Array]
Scale = tuple[Callable[[Any], Any], Callable[[Any], Any]]
"""To a scale on which a statistic of few units is nearly normal, and back."""


def cluster_means(
    frame: pl.DataFrame,
    value: str,
    *,
    by: Sequence[str],
    unit: str = "unit",
    weight: str | None = None,
    share: bool = False,
    signed: bool = False,
    draws: int = DRAWS,
    seed: int = 0,
    most_cells: int = MOST_CELLS,
) -> pl.DataFrame:
    """(Weighted) means with 95 % intervals over units.

    In: *by, `unit`, `value` (rows where it is null are left out), `weight` (null counts as 0).
    Out: *by, estimate, ci_low, ci_high, n, units, method; one row per group that has a value, sorted. The ends are null
    where one unit is left, and the estimate too where nothing has a weight. Where each unit says the same 0 or the same 1
    no draw can differ, and the interval is Wilson's at the number of units. share: the values are shares or probabilities,
    whose interval ends at 0 and 1 at the latest; of few units it is Wilson's at what they are worth, and where they all say
    the same, at their number. signed: they lie between -1 and 1, and Wilson's interval is mirrored at 0 where they are all 0
    or all -1. most_cells: distinct units above which the interval is the linearised one.
    """
    w = pl.lit(1.0) if weight is None else pl.col(weight).fill_null(0.0)
    kept = frame.filter(pl.col(value).is_not_null()).select(
        *by, unit, x=pl.col(value).cast(pl.Float64), w=w.cast(pl.Float64)
    )
    kept = kept.filter(pl.col("w") > 0)
    sums = kept.group_by(*by, unit).agg(
        total=(pl.col("w") * pl.col("x")).sum(), weight=pl.col("w").sum(), n=pl.len()
    )
    table = cluster_statistic(
        sums,
        ["total", "weight"],
        ratio,
        by=by,
        size="weight",
        share=share,
        draws=draws,
        seed=seed,
        most_cells=most_cells,
    )
    return with_wilson(table, signed=pl.lit(signed))


def cluster_statistic(
    sums: pl.DataFrame,
    columns: Sequence[str],
    statistic: Statistic,
    *,
    by: Sequence[str],
    size: str = "n",
    share: bool = False,
    scale: Scale | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    most_cells: int = MOST_CELLS,
) -> pl.DataFrame:
    """Any statistic of sums over units, with its 95 % interval.

    In: *by, *columns, n (rows of the unit), `size`; one row per unit. statistic: sums of shape (draws, columns) to values of
    shape (draws,); NaN where it is not defined. size: column of how much a unit counts; units of unequal sizes are worth
    fewer. share: the statistic is one, so that its interval ends at 0 and 1. scale: the one on which Student's t is meant.
    Out: *by, estimate, ci_low, ci_high, n, units, method, sorted by `by`.
    """
    rng = np.random.default_rng(seed)
    ordered = sums.with_columns(pl.col(size).alias(_SIZE)).sort(*by, *columns, _SIZE)
    rows = [
        (*key, *_estimate(part, columns, statistic, share, scale, rng, draws, most_cells))
        for key, part in _groups(ordered, by)
    ]
    schema = {name: sums.schema[name] for name in by} | COLUMNS
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return table.with_columns(pl.col("ci_low", "ci_high").clip(0, 1)) if share else table


def _groups(sums: pl.DataFrame, by: Sequence[str]) -> Iterator[tuple[tuple[object, ...], pl.DataFrame]]:
    if not by:
        yield (), sums
    elif sums.height:
        yield from sums.partition_by(*by, as_dict=True, maintain_order=True).items()


def _estimate(
    part: pl.DataFrame,
    columns: Sequence[str],
    statistic: Statistic,
    share: bool,
    scale: Scale | None,
    rng: np.random.Generator,
    draws: int,
    most_cells: int,
) -> tuple[object, ...]:
    values, sizes = part.select(columns).to_numpy().astype(float), part[_SIZE].to_numpy()
    n, units = int(part["n"].sum()), part.height
    estimate = float(statistic(values.sum(axis=0, keepdims=True))[0]) if units else np.nan
    if not np.isfinite(estimate):
        return None, None, None, n, units, NONE
    if units == 1:
        return estimate, None, None, n, units, NONE
    cells, counts = np.unique(values, axis=0, return_counts=True)
    if units < FEW_UNITS or len(cells) > most_cells:
        trials = n if share else None
        low, high, method = _by_jackknife(values, sizes, statistic, estimate, trials, scale)
        return estimate, low, high, n, units, method
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = _drawn(cells, counts, statistic, rng, draws)
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return estimate, None, None, n, units, BOOTSTRAP
    tail = 50 * (1 - CONFIDENCE)
    wider = float(widening(sizes, units))
    low, high = estimate + (np.percentile(drawn, [tail, 100 - tail]) - estimate) * wider
    return estimate, min(float(low), estimate), max(float(high), estimate), n, units, BOOTSTRAP


def _drawn(cells: Array, counts: Array, statistic: Statistic, rng: np.random.Generator, draws: int) -> Array:
    """Values of the statistic in each draw, (draws,)."""
    units = int(counts.sum())
    if units <= MOST_UNITS_A_CELL * len(cells):
        each = np.repeat(cells, counts, axis=0)
        found = [statistic(times @ each) for times in unit_draws(units, draws, rng, CELLS_AT_ONCE)]
        return np.concatenate(found)
    portion = max(1, CELLS_AT_ONCE // len(cells))
    found = []
    for start in range(0, draws, portion):
        times = rng.multinomial(units, counts / units, size=min(portion, draws - start))
        found.append(statistic(times @ cells))
    return np.concatenate(found)


def unit_draws(units: int, draws: int, rng: np.random.Generator, most: int) -> Iterator[Array]:
    """How often each unit is drawn when as many as there are are drawn anew: arrays (some of the draws, units).

    An array has at most `most` cells, or is of one draw.
    """
    portion = max(1, most // max(units, 1))
    for start in range(0, draws, portion):
        rows = min(portion, draws - start)
        drawn = rng.integers(0, units, (rows, units)) + units * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units).astype(float)


def _by_jackknife(
    values: Array,
    sizes: Array,
    statistic: Statistic,
    estimate: float,
    answers: int | None,
    scale: Scale | None,
) -> tuple[float | None, float | None, str]:
    """Ends and method of an interval from the jackknife's variance. answers: where the estimate is a share, how many."""
    few, degrees = len(values) < FEW_UNITS, degrees_of_freedom(sizes)
    there, back = scale or (np.asarray, np.asarray)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = float(there(estimate))
        variance = float(jackknife_variance(values, lambda sums: there(statistic(sums))))
    if np.isinf(at):
        return estimate, estimate, JACKKNIFE
    if not np.isfinite(variance):
        return None, None, JACKKNIFE
    if few and answers is not None:
        variance = variance if variance > SMALLEST_SPREAD**2 else 0.0
        hits = min(max(estimate, 0.0), 1.0) * answers
        found = clustered_wilson(hits, answers, variance, len(values), degrees=degrees)
        return min(found.low, estimate), max(found.high, estimate), EFFECTIVE if variance else WILSON
    half = float(student(degrees)) * variance**0.5
    low, high = float(back(at - half)), float(back(at + half))
    return min(low, estimate), max(high, estimate), JACKKNIFE if few else LINEARISED


def ratio(sums: Array) -> Array:
    """First sum over the second, from (draws, 2); NaN where the second is 0."""
    return np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)


def with_wilson(table: pl.DataFrame, signed: pl.Expr) -> pl.DataFrame:
    """The table of estimates with Wilson's interval where no draw can differ, and the value is a share of 0 or 1.

    signed: whether the values of a row lie between -1 and 1: 0 then has that interval to both sides, and -1 that of 1.
    """
    possible = pl.col("estimate").is_in([0.0, 1.0]) | (signed & (pl.col("estimate") == -1))
    same = (pl.col("ci_low") == pl.col("ci_high")) & possible
    units = table["units"].cast(pl.Float64).to_numpy()
    shares = table["estimate"].fill_null(0.0).abs().clip(0, 1).round(0).to_numpy()
    found = wilson(shares * units, units)
    low, high = pl.Series(np.asarray(found.low)), pl.Series(np.asarray(found.high))
    nothing, below = signed & (pl.col("estimate") == 0), pl.col("estimate") < 0
    wide_low = pl.when(nothing | below).then(-high).otherwise(low)
    wide_high = pl.when(below).then(-low).otherwise(high)
    return table.with_columns(
        ci_low=pl.when(same).then(wide_low).otherwise("ci_low"),
        ci_high=pl.when(same).then(wide_high).otherwise("ci_high"),
        method=pl.when(same).then(pl.lit(WILSON)).otherwise("method"),
    )
