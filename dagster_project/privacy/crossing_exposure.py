"""The last look at finished comparisons, with an attacker's eyes: from published rows alone.

All two-way tables are put before the attack together: intervals are passed between them until nothing changes, and where
a withheld cell is left not far from the limits, linear programmes over its table tell exactly. Nothing here knows how cells
were chosen, nor which of the withheld ones are empty. Source: specs/privacy_reliability.md 1.3, rule 3 (checker).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from dagster_project.privacy.attack import Array, Public, propagate
from dagster_project.privacy.exposure import exposed_cells, too_narrow
from dagster_project.privacy.joint import Pair, joint_bounds
from dagster_project.privacy.readback import (
    CLOSE,
    CLUSTER,
    PLACE,
    Told,
    in_rows,
    parents_of,
    told_cells,
    told_tables,
    told_totals,
)

FOUND = dict.fromkeys(PLACE, pl.String)
FLAGGED = "flagged"


def exposed_pairs(
    clusters: pl.DataFrame,
    cells: pl.DataFrame,
    contrasts: pl.DataFrame,
    weeks: pl.DataFrame,
    facets: pl.DataFrame,
    *,
    order: Sequence[str],
    least: int,
) -> pl.DataFrame:
    """Withheld cells of two facets that the comparisons narrow to under `least` conversations.

    Parameters
    ----------
    clusters : cluster_id, parent_id, conversations, users, and `merged`: named for nothing, so that its cells by other
        facets are not told though they pass
    cells, contrasts, weeks, facets
        `cluster_cells`, `language_contrasts`, `cluster_weeks` and `facet_contrasts` as published.
    order
        All facets, in the order in which pairs are published.
    least
        The smaller of both limits of a cell.

    Returns
    -------
    facet_a, value_a, facet_b, value_b
        One row per cell that is given away, and per cell that the release withheld and the comparisons tell; empty where
        they are sound. What the release gives away by itself is not held against them. Raises ArithmeticError
        where published counts contradict each other.

    """
    clusters = in_rows(clusters)
    totals = told_totals(clusters, contrasts, weeks, facets)
    told = told_cells(cells, weeks, facets, order)
    released = told_cells(cells, weeks.clear(), facets.clear(), order)
    found = _given_away(clusters, told_tables(clusters, totals, told, order), least)
    if found.height:
        before = _given_away(clusters, told_tables(clusters, totals, released, order), least)
        found = found.join(before, on=PLACE, how="anti")
    dimensions = cells["dimension"].unique().implode()
    held_back = (pl.col("facet_a") == CLUSTER) & pl.col("facet_b").is_in(dimensions)
    against = told.filter(held_back).join(released, on=PLACE, how="anti").select(PLACE)
    by_users = _by_users(clusters, facets, dimensions, least)
    return pl.concat([found, against, by_users]).unique(maintain_order=True)


def exposed_flags(
    clusters: pl.DataFrame, quadrants: pl.DataFrame, overall: float | None, least: int
) -> pl.DataFrame:
    """Withheld flagged conversations of clusters that shares and quadrants narrow to under `least`.

    In: clusters as in `exposed_pairs`; cluster_id, share_flagged, flagged_less (the quadrant says that fewer are flagged than
    `overall`, the share of the whole release). Out and errors as there.
    """
    clusters = in_rows(clusters)
    told = clusters.join(quadrants, on="cluster_id", how="left", maintain_order="left")
    top = clusters.filter(pl.col("parent_id").is_null())
    sizes = np.array([top["conversations"].sum(), *clusters["conversations"]], dtype=float)
    shares = np.array([overall, *told["share_flagged"]], dtype=float)
    known = ~np.isnan(shares)
    shown = pl.DataFrame(
        {"node": np.flatnonzero(known), "conversations": _whole_numbers((shares * sizes)[known])}
    )
    shown = shown.with_columns(value=pl.lit(FLAGGED), users=pl.lit(0))
    public = Public.build(parents_of(clusters), sizes, sizes, shown, [FLAGGED], unseen=True)
    bounds = propagate(public, with_users=False)
    if overall is not None:
        less = np.array([False, *told["flagged_less"].fill_null(False)])
        ceiling = np.where(less & ~known, np.floor(overall * sizes), np.inf)
        bounds.high[:, 0] = np.minimum(bounds.high[:, 0], ceiling)
        propagate(public, with_users=False, start=bounds)
    narrow = too_narrow(public, least, bounds=bounds)
    narrow[1:, 0] &= ~_may_be_told(clusters["merged"].to_numpy(), bounds.high[1:, 0], least)
    return _rows(narrow[1:, :1], (CLUSTER, "flag"), clusters["cluster_id"].to_list(), [FLAGGED])


def _given_away(clusters: pl.DataFrame, told: Mapping[Pair, Told], least: int) -> pl.DataFrame:
    """Narrow cells of all tables together. Out: `FOUND`."""
    found = [pl.DataFrame(schema=FOUND)]
    merged = clusters["merged"].to_numpy()
    for pair, bounds in joint_bounds({pair: part.table for pair, part in told.items()}).items():
        table, rows = told[pair].table, told[pair].rows
        narrow = too_narrow(table.public, least, bounds=bounds)[1 : len(rows) + 1]
        if pair[0] == CLUSTER and table.rest_row:
            narrow &= ~_may_be_told(merged[: len(rows), None], bounds.high[1 : len(rows) + 1], least)
        found.append(_rows(narrow, pair, rows, table.public.values))
    return pl.concat(found)


def _may_be_told(unnamed: Array, high: Array, least: int) -> Array:
    """Cells that no row would tell though they passed the limits: not given away unless they are surely too small."""
    return unnamed & (high >= least)


def _by_users(
    clusters: pl.DataFrame, facets: pl.DataFrame, dimensions: pl.Expr | pl.Series, least: int
) -> pl.DataFrame:
    """Cells of the clusters at the top that distinct users narrow: those of facets that no release has told before."""
    top = clusters.filter(pl.col("parent_id").is_null())
    own = facets.filter((pl.col("facet_a") == CLUSTER) & ~pl.col("facet_b").is_in(dimensions))
    cells = own.rename({"value_a": "cluster_id", "facet_b": "dimension", "value_b": "value"})
    nothing = pl.DataFrame(schema={"language": pl.String, "base_rate": pl.Float64})
    found = exposed_cells(top, cells, nothing, min_users=least, min_conversations=least)
    columns = {"value_a": "cluster_id", "facet_b": "dimension", "value_b": "value"}
    return found.select(
        pl.lit(CLUSTER).alias("facet_a"), **{name: pl.col(old) for name, old in columns.items()}
    )


def _whole_numbers(counts: Array) -> Array:
    """Counts behind published shares. Raises ArithmeticError where they are of no whole number."""
    near = np.round(counts)
    if (np.abs(counts - near) > CLOSE * (1 + near)).any():
        raise ArithmeticError("a published share is of no whole number of conversations")
    return near


def _rows(narrow: Array, pair: Pair, rows: list[str], values: list[str]) -> pl.DataFrame:
    row, column = np.nonzero(narrow)
    data = {
        "facet_a": [pair[0]] * row.size,
        "value_a": [rows[place] for place in row],
        "facet_b": [pair[1]] * row.size,
        "value_b": [values[place] for place in column],
    }
    return pl.DataFrame(data, schema=FOUND)
