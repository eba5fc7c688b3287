"""The attacker with several two-way tables at once: what they tell together of a cell that each withholds.

Tables A x C and B x C bound A x B without naming it (the inequalities of M. Frechet, Ann. Univ. Lyon A 14
(1951) 53-77, applied within each value of C): conversations with both a and b are at least the sum over c of
(a, c) + (b, c) - c where that is positive, and at most the sum of the smaller of (a, c) and (b, c). Intervals
are passed between all tables until nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import numpy as np

from dagster_project.privacy.attack import Array, Bounds, propagate
from dagster_project.privacy.crossing import Crossing

Pair = tuple[str, str]
Cells = set[tuple[Pair, int, int]]
MOST_ROUNDS = 30
LARGEST_BLOCK = 4_000_000


def acceptable(
    candidates: Mapping[Pair, Crossing], given: Mapping[Pair, Crossing], least: int
) -> dict[Pair, Crossing]:
    """Those of the candidates, taken in order, that narrow no withheld cell of any table to under `least`.

    `given` are tables that are public whatever is decided here. A table that would give a cell away is left out
    as a whole; with it, what it tells.
    """
    before = given_away(given, least)
    if not given_away({**given, **candidates}, least) - before:
        return dict(candidates)
    accepted: dict[Pair, Crossing] = {}
    for pair, table in candidates.items():
        if not given_away({**given, **accepted, pair: table}, least) - before:
            accepted[pair] = table
    return accepted


def given_away(tables: Mapping[Pair, Crossing], least: int) -> Cells:
    """Withheld cells of all tables that all tables together narrow to under `least` conversations."""
    found: Cells = set()
    for pair, bounds in joint_bounds(tables).items():
        table = tables[pair]
        narrow = ~table.public.known & (bounds.high > 0) & (bounds.width() < least) & table.positive
        narrow[:, -1] = False
        if table.rest_row:
            narrow[-1] = False
        found |= {(pair, int(row), int(column)) for row, column in np.argwhere(narrow)}
    return found


def joint_bounds(tables: Mapping[Pair, Crossing]) -> dict[Pair, Bounds]:
    """Intervals of every cell of every table, tightened along rows, columns and every third facet."""
    bounds = {pair: propagate(table.public, with_users=False) for pair, table in tables.items()}
    facets = {name for pair in tables for name in pair}
    triples = [
        (pair, pivot)
        for pair in tables
        for pivot in sorted(facets - set(pair))
        if all(any(way in tables for way in permutations((side, pivot))) for side in pair)
    ]
    for _ in range(MOST_ROUNDS):
        before = sum(part.width().sum() for part in bounds.values())
        for pair, pivot in triples:
            _tighten(pair, pivot, bounds, tables)
        for pair in {pair for pair, _ in triples}:
            propagate(tables[pair].public, with_users=False, start=bounds[pair])
        if before - sum(part.width().sum() for part in bounds.values()) < 0.5:
            break
    return bounds


def _tighten(pair: Pair, pivot: str, bounds: dict[Pair, Bounds], tables: Mapping[Pair, Crossing]) -> None:
    """Narrow one table by the two that share a third facet with it."""
    rows, columns = (_side(name, pivot, bounds, tables) for name in pair)
    totals = _totals(pivot, tables)
    target, free = bounds[pair], ~tables[pair].public.known
    width = min(totals.size, rows[0].shape[1], columns[0].shape[1])
    height = _common_rows(pair, pivot, rows[0].shape[0], tables)
    step = max(1, LARGEST_BLOCK // max(columns[0][:, :width].size, 1))
    for start in range(0, height, step):
        part = slice(start, min(start + step, height))
        sides = [side[part, None, :width] for side in rows], [side[None, :, :width] for side in columns]
        least = np.maximum(sides[0][0] + sides[1][0] - totals[:width], 0).sum(axis=2)
        most = np.minimum(sides[0][1], sides[1][1]).sum(axis=2)
        place = slice(part.start + 1, part.stop + 1)
        np.maximum(target.low[place], least, out=target.low[place], where=free[place])
        np.minimum(target.high[place], most, out=target.high[place], where=free[place])


def _common_rows(pair: Pair, pivot: str, height: int, tables: Mapping[Pair, Crossing]) -> int:
    """Rows that a table and the one beside it both have: a tree goes on below where a plain table has its rest."""
    own, beside = tables[pair], tables.get((pair[0], pivot))
    rows = own.public.parents.size - 1
    if beside is None or own.rest_row == beside.rest_row:
        return min(rows, height)
    return min(rows - own.rest_row, height - beside.rest_row)


def _side(
    name: str, pivot: str, bounds: dict[Pair, Bounds], tables: Mapping[Pair, Crossing]
) -> tuple[Array, Array]:
    """Intervals of one facet's values (rows) by the pivot's (columns)."""
    if (name, pivot) in tables:
        found = bounds[name, pivot]
        return found.low[1:], found.high[1:]
    found, top = bounds[pivot, name], _top(tables[pivot, name])
    return found.low[top].T, found.high[top].T


def _totals(pivot: str, tables: Mapping[Pair, Crossing]) -> Array:
    """Conversations of each value of a facet, its rest last."""
    for (row, column), table in tables.items():
        if row == pivot:
            return table.public.totals[_top(table)]
        if column == pivot:
            return table.public.counts[0]
    raise KeyError(pivot)


def _top(table: Crossing) -> Array:
    """Nodes that part the whole release: rows of a plain table, the top of a tree."""
    return np.flatnonzero(table.public.parents == 0)
