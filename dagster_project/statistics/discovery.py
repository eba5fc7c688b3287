"""Many comparisons at once: the share of chance findings among those that are called findings."""

from __future__ import annotations

import polars as pl

FALSE_DISCOVERIES = 0.05
"""Share of chance findings that is accepted among all findings."""


def false_discovery_rate(table: pl.DataFrame, *family: str) -> pl.DataFrame:
    """Add `q_value`: the smallest false-discovery rate at which a row would be a finding.

    In: `p_value`, and the columns `family` that say which rows are judged together (none: all). Rows keep their
    order. Source: Y. Benjamini and Y. Hochberg, J. R. Stat. Soc. B 57 (1995) 289-300.
    """
    if table.is_empty():
        return table.with_columns(q_value=pl.lit(None, dtype=pl.Float64))
    adjusted = pl.col("p_value").map_batches(_adjust, return_dtype=pl.Float64, is_elementwise=False)
    return table.with_columns(q_value=adjusted.over(*family) if family else adjusted)


def _adjust(p_values: pl.Series) -> pl.Series:
    from scipy.stats import false_discovery_control

    return pl.Series(false_discovery_control(p_values.to_numpy(), method="bh"))
