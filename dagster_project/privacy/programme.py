"""The attacker's linear programmes: the exact range of each withheld count over all relations at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from dagster_project.privacy.attack import Array, Bounds, Public

TOLERANCE = 1e-6


def programme(public: Public, with_users: bool = True) -> Bounds:
    """Minimise and maximise conversations and users of every unknown cell.

    Variables are the conversations x and users u of each unknown cell; (N, V) bounds come back, known cells
    exact. Relations: values add up to their node, children to their parent, u <= x, users of a child <= of
    its parent <= of all children together, and the users outside a node's published cells bound those of its
    unknown cells.
    """
    from scipy.optimize import linprog

    index = np.full(public.known.shape, -1)
    index[~public.known] = np.arange((~public.known).sum())
    size = int((~public.known).sum())
    relations = _Relations(public, index, size, with_users)
    limits = relations.matrices()
    ends = np.zeros((2 * size, 2))
    for variable in range(2 * size):
        for end, sign in enumerate((1.0, -1.0)):
            goal = np.zeros(2 * size)
            goal[variable] = sign
            answer = linprog(goal, bounds=relations.box, method="highs", **limits)
            if answer.status != 0:
                raise ArithmeticError("the published counts contradict each other")
            ends[variable, end] = sign * answer.fun
    return _bounds(public, index, size, ends)


def _bounds(public: Public, index: Array, size: int, ends: Array) -> Bounds:
    low, high = np.ceil(ends[:, 0] - TOLERANCE), np.floor(ends[:, 1] + TOLERANCE)
    take = np.where(public.known, 0, index)
    parts = (
        (low[:size], public.counts),
        (high[:size], public.counts),
        (low[size:], public.users),
        (high[size:], public.users),
    )
    if size == 0:
        return Bounds(*(known.copy() for _, known in parts))
    return Bounds(*(np.where(public.known, known, found[take]) for found, known in parts))


class _Relations:
    """Rows of the linear programme, in the order conversations then users."""

    def __init__(self, public: Public, index: Array, size: int, with_users: bool) -> None:
        self.public, self.index, self.size = public, index, size
        self.equal: list[tuple[Array, float]] = []
        self.below: list[tuple[Array, float]] = []
        self.box = [(0.0, None)] * (2 * size)
        for node in range(public.parents.size):
            self._row(node)
        for node in np.unique(public.parents[1:]):
            for value in range(len(public.values)):
                self._column(int(node), value)
        for cell in range(size * with_users):
            self.below.append((self._weights({size + cell: 1.0, cell: -1.0}), 0.0))

    def _weights(self, entries: dict[int, float]) -> Array:
        row = np.zeros(2 * self.size)
        for place, weight in entries.items():
            row[place] += weight
        return row

    def _row(self, node: int) -> None:
        cells = self.index[node][self.index[node] >= 0]
        if cells.size == 0:
            return
        self.equal.append((self._weights(dict.fromkeys(cells, 1.0)), self.public.rest[node]))
        users = self.size + cells
        self.below.append((self._weights(dict.fromkeys(users, -1.0)), -self.public.rest_users_least[node]))
        for cell in users:
            self.box[cell] = (0.0, self.public.rest_users[node])

    def _column(self, parent: int, value: int) -> None:
        children = np.flatnonzero(self.public.parents == parent)
        conversations, constant = self._difference(parent, children, value, self.public.counts, 0)
        self.equal.append((conversations, constant))
        users, constant = self._difference(parent, children, value, self.public.users, self.size)
        self.below.append((users, constant))
        for child in children:
            larger, constant = self._difference(
                parent, np.array([child]), value, self.public.users, self.size
            )
            self.below.append((-larger, -constant))

    def _difference(
        self, parent: int, children: Array, value: int, known: Array, offset: int
    ) -> tuple[Array, float]:
        """Weights and constant of `parent - sum(children)` compared with zero."""
        entries: dict[int, float] = {}
        constant = 0.0
        for node, sign in ((parent, 1.0), *((int(child), -1.0) for child in children)):
            if self.public.known[node, value]:
                constant -= sign * known[node, value]
            else:
                entries[offset + int(self.index[node, value])] = sign
        return self._weights(entries), constant

    def matrices(self) -> dict[str, Any]:
        """Keyword arguments of `linprog`, without rows that hold no variable."""
        equal = [row for row in self.equal if row[0].any()]
        below = [row for row in self.below if row[0].any()]
        return {
            "A_eq": np.array([row for row, _ in equal]) if equal else None,
            "b_eq": np.array([right for _, right in equal]) if equal else None,
            "A_ub": np.array([row for row, _ in below]) if below else None,
            "b_ub": np.array([right for _, right in below]) if below else None,
        }
