"""Cell suppression in a two-way table with public margins: children of a cluster by values of a dimension.

Rows are the children, columns the values shown for the parent plus, as last column, the parent's remainder.
Every row total (the child's conversations) and every column total (the parent's cells) is public. A table is
safe when

1. in each row, what is withheld is nothing, or two or more values that pass the limits together (shown as
`other`); 2. in each column, it is nothing, or two or more children whose conversations pass the limits
together; 3. each withheld cell can vary by `min_conversations` or more with all totals kept.

Rule 3 is tested from below, by amounts that can really be moved around the table (augmenting paths of a
transportation table), so it never takes an unsafe table for safe. It always ends: with all cells of a table
withheld, a cell can vary by the smallest of its row, its column and what the table holds besides either, and
each of these has passed the limits.

Tables of a tree do not narrow each other. The values shown for a child are among those shown for its parent,
so below a withheld cell nothing is published about its value: any amount it could have can be spread over its
descendants, whose own totals mention only its cluster's remainder. And within the last column, a value
withheld at the parent can vary by what it varies there or by what the remainder can hold, whichever is less,
and both are large enough. Source: specs/privacy_reliability.md 1.3, rule 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dagster_project.privacy.thresholds import Limits

Array = np.ndarray
LARGEST_BLOCK = 2_000_000


@dataclass(frozen=True)
class Margin:
    """The withheld part of each row or column: conversations, distinct users, most active user, cells."""

    conversations: Array
    users: Array
    top: Array
    cells: Array

    def passes(self, limits: Limits, min_merged: int) -> Array:
        """Whether each may be known: nothing withheld, or enough of everything."""
        enough = (self.conversations >= limits.min_conversations) & (self.users >= limits.min_users)
        enough &= (self.top <= limits.max_user_share * self.conversations) & (self.cells >= min_merged)
        return (self.conversations == 0) | enough


class Side:
    """One side (rows or columns) of a table's per-user entries, ready to be summed over any mask of cells."""

    def __init__(self, owner: Array, user: Array, size: int) -> None:
        """Group entries by (owner, user). owner, user: (E,) integers; owner < size."""
        key = owner.astype(np.int64) * (int(user.max(initial=0)) + 1) + user
        groups, self.group = np.unique(key, return_inverse=True)
        self.owner = (groups // (int(user.max(initial=0)) + 1)).astype(np.int64)
        self.size = size

    def sums(self, weights: Array) -> tuple[Array, Array, Array]:
        """(conversations, distinct users, most active user) of each owner, for entries weighted by (E,)."""
        per_user = np.bincount(self.group, weights, minlength=self.owner.size)
        total = np.bincount(self.owner, per_user, minlength=self.size)
        users = np.bincount(self.owner, per_user > 0, minlength=self.size)
        top = np.zeros(self.size)
        np.maximum.at(top, self.owner, per_user)
        return total, users, top


class Table:
    """One parent's table. `shown` marks the cells that are published; it only ever shrinks."""

    def __init__(
        self,
        entries: tuple[Array, Array, Array, Array],
        passing: Array,
        hidden_values: Array,
        limits: Limits,
        min_merged: int = 2,
        diverse: Array | None = None,
        told: Array | None = None,
    ) -> None:
        """Start with every cell shown that passes by itself.

        Parameters
        ----------
        entries : (row, column, user, n), each (E,)
            Conversations of each user in each cell; the last column is the parent's remainder.
        passing : (R, C) bool
            Cells that pass the limits by themselves; the last column is filled in here.
        hidden_values : (R,) int
            Distinct values that each row has in the last column.
        diverse : (C,) bool, optional
            For a sensitive dimension: columns that harm nobody. Rows are then shown only if two or more
            groups remain and the withheld group does not cover nearly all users of the row.
        told : (R, C) bool, optional
            Cells that the release before showed: withheld last, because what it told could be subtracted.

        """
        row, column, user, n = entries
        self.limits, self.min_merged, self.diverse = limits, min_merged, diverse
        self.row, self.column, self.n = row, column, n
        shape = passing.shape
        self.counts = np.bincount(row * shape[1] + column, n, minlength=passing.size).reshape(shape)
        # What a cell costs to withhold: its conversations, and more than all of them where it was told before.
        self.cost = self.counts + (0 if told is None else told * (self.counts.sum() + 1))
        self.rows, self.columns = Side(row, user, shape[0]), Side(column, user, shape[1])
        self.row_users = self.rows.sums(n)[1]
        self.passing, self.hidden_values = passing, hidden_values
        rest = Margin(*self.rows.sums(n * (column == shape[1] - 1)), np.full(shape[0], min_merged))
        self.passing[:, -1] = rest.passes(limits, min_merged)
        self.shown = passing & (self.counts > 0)
        self.shown[:, -1] = False

    def protect(self) -> Array:
        """Withhold further cells until all three rules hold; returns `shown`, (R, C) bool."""
        while (
            self._withhold(self._row_faults())
            or self._withhold(self._column_faults())
            or self._withhold(self._narrow())
        ):
            pass
        return self.shown

    def _withhold(self, cells: Array) -> bool:
        """Withhold cells given as flat positions; whether any was still shown."""
        before = self.shown.sum()
        self.shown.flat[cells] = False
        return bool(self.shown.sum() < before)

    def withheld_rows(self) -> Margin:
        """What is withheld of each row."""
        hidden = ~self.shown
        positive = (hidden & (self.counts > 0))[:, :-1].sum(axis=1) + self.hidden_values
        return Margin(*self.rows.sums(self.n * hidden[self.row, self.column]), positive)

    def withheld_columns(self) -> Margin:
        """What is withheld of each column. A row whose other cells are all known has a known remainder."""
        hidden = ~self._known()
        return Margin(
            *self.columns.sums(self.n * hidden[self.row, self.column]),
            (hidden & (self.counts > 0)).sum(axis=0),
        )

    def _known(self) -> Array:
        """Cells that totals give away: shown, zero beside a zero remainder, or alone hidden in a row."""
        hidden = ~self.shown
        rows, columns = (self.counts * hidden).sum(axis=1), (self.counts * hidden).sum(axis=0)
        known = self.shown | (rows == 0)[:, None] | (columns == 0)[None, :]
        known[:, -1] |= known[:, :-1].all(axis=1)
        return known

    def _row_faults(self) -> Array:
        margin = self.withheld_rows()
        faulty = ~margin.passes(self.limits, self.min_merged)
        if self.diverse is not None:
            faulty |= self._revealing(margin, self.diverse)
        return self._smallest(faulty[:, None] & self.shown, axis=1)

    def _revealing(self, margin: Margin, diverse: Array) -> Array:
        """Sensitive rows where one group is everybody, or nearly everybody is in a harmful one."""
        alone = (self.shown.sum(axis=1) + (margin.conversations > 0)) < 2
        harmless = ((~self.shown & (self.counts > 0)) & diverse).any(axis=1) | (margin.conversations == 0)
        return alone | (~harmless & (self.row_users - margin.users < self.limits.min_diverse_users))

    def _column_faults(self) -> Array:
        faulty = ~self.withheld_columns().passes(self.limits, self.min_merged)
        cells = self._smallest(faulty[None, :] & self.shown, axis=0)
        if faulty[-1]:
            candidates = self.shown & self._known()[:, -1:]
            cells = np.concatenate([cells, self._smallest_of(candidates)])
        return cells

    def _narrow(self) -> Array:
        """For each withheld cell with too small a range, the smallest shown cell that widens it."""
        width = self.widths()
        narrow = ~self._known() & (self.counts > 0) & (width < self.limits.min_conversations)
        narrow[:, -1] &= ~self.passing[:, -1]
        cells = [self._widening(row, column) for row, column in np.argwhere(narrow)]
        return np.unique(np.concatenate(cells)) if cells else np.empty(0, dtype=np.int64)

    def _widening(self, row: int, column: int) -> Array:
        crossing = self.shown & (~self.shown[:, column])[:, None] & (~self.shown[row])[None, :]
        beside = np.zeros_like(self.shown)
        beside[row], beside[:, column] = self.shown[row], self.shown[:, column]
        for candidates in (crossing, beside, self.shown):
            if candidates.any():
                return self._smallest_of(candidates)
        return np.empty(0, dtype=np.int64)

    def widths(self) -> Array:
        """How far each withheld cell can surely vary with all totals kept; (R, C), zero where it is shown.

        Up: conversations go from the column's other rows over columns both share to the cell; down: back.
        """
        hidden = ~self.shown
        amounts = self.counts * hidden
        wanted = np.flatnonzero(amounts.any(axis=1))
        step = max(1, LARGEST_BLOCK // (amounts[0].size * max(amounts.shape)))
        width = np.zeros(self.counts.shape)
        for start in range(0, wanted.size, step):
            part = wanted[start : start + step]
            width[part] = _rise(part, hidden.astype(float), amounts) + _fall(
                part, hidden.astype(float), amounts
            )
        return width * hidden

    def _smallest(self, candidates: Array, axis: int) -> Array:
        """Flat positions of the cheapest candidate along an axis, for each line that has one."""
        size = np.where(candidates, self.cost, np.inf)
        best = size.argmin(axis=axis)
        lines = np.flatnonzero(candidates.any(axis=axis))
        place = (lines, best[lines]) if axis == 1 else (best[lines], lines)
        return np.ravel_multi_index(place, self.counts.shape)

    def _smallest_of(self, candidates: Array) -> Array:
        if not candidates.any():
            return np.empty(0, dtype=np.int64)
        return np.array([np.where(candidates, self.cost, np.inf).argmin()])


def _rise(part: Array, link: Array, amounts: Array) -> Array:
    """Lower bound of how far cells can rise; (P, C) for the rows in `part`.

    To raise (t, c), each other row r gives up its amount in column c and takes as much in columns j that both
    rows hide, by what row t has there; no column takes more than row t can give up.
    """
    demand = amounts[part]  # (P, C)
    reach = (link @ demand.T).T[:, :, None] - link[None] * demand[:, None, :]  # (P, R, C)
    rate = np.divide(amounts[None], reach, out=np.zeros_like(reach), where=reach > 0)
    rate[np.arange(part.size), part] = 0
    load = np.matmul(rate.transpose(0, 2, 1), link) * demand[:, None, :]  # (P, C, C): arriving at column j
    moved = np.minimum(load, demand[:, None, :])
    moved[:, np.arange(link.shape[1]), np.arange(link.shape[1])] = 0
    return np.floor(moved.sum(axis=2) + 1e-9)


def _fall(part: Array, link: Array, amounts: Array) -> Array:
    """How far cells can fall over one other row each; (P, C) for the rows in `part`."""
    shared = link[part] @ amounts.T  # (P, R): what row r can give up in columns that both rows hide
    free = shared[:, :, None] - amounts[None] * link[part][:, None, :]
    free[np.arange(part.size), part] = 0
    return np.minimum(amounts[part], (link[None] * free).sum(axis=1))
