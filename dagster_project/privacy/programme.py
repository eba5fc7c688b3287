"""The attacker's linear programmes: the exact range of each withheld count over all relations at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from dagster_project.privacy.attack import Array, Bounds, Public

TOLERANCE = 1e-6
Weights = dict[int, float]


def programme(
    public: Public,
    with_users: bool = True,
    within: Bounds | None = None,
    wanted: Array | None = None,
    wide: float = np.inf,
) -> Bounds:
    """Minimise and maximise conversations and users of every unknown cell, or of those `wanted` (N, V) bool.

    Variables are the conversations x and users u of each unknown cell; (N, V) bounds come back, known cells
    exact. Relations: values add up to their node, children to their parent, u <= x, users of a child <= of
    its parent <= of all children together, and the users outside a node's published cells bound those of its
    unknown cells. Without `with_users` the latter three are left out. `within` are bounds known before; cells that
    are not wanted come back as they are there, and so do those that two solutions put at least `wide` apart (and, with
    users, at different users): every solution tells of all cells, so that few programmes clear most of them.
    """
    from scipy.optimize import linprog

    index = np.full(public.known.shape, -1)
    index[~public.known] = np.arange((~public.known).sum())
    size = int((~public.known).sum())
    relations = _Relations(public, index, size, with_users)
    if within is not None:
        relations.narrow(within)
    limits = relations.matrices()
    ends = np.array([(low, np.inf if high is None else high) for low, high in relations.box]).reshape(-1, 2)
    cells = index[~public.known if wanted is None else wanted & ~public.known]
    seen = np.column_stack([np.full(2 * size, np.inf), np.full(2 * size, -np.inf)])
    for cell in cells:
        found = {}
        for variable in (cell, size + cell) if with_users else (cell,):
            for end, sign in enumerate((1.0, -1.0)):
                if _is_wide(seen, cell, size, wide, with_users):
                    break
                goal = np.zeros(2 * size)
                goal[variable] = sign
                answer = linprog(goal, bounds=relations.box, method="highs", **limits)
                if answer.status != 0:
                    raise ArithmeticError("the published counts contradict each other")
                found[variable, end] = sign * answer.fun
                seen[:, 0], seen[:, 1] = np.minimum(seen[:, 0], answer.x), np.maximum(seen[:, 1], answer.x)
        if not _is_wide(seen, cell, size, wide, with_users):
            for place, value in found.items():
                ends[place] = value
    return _bounds(public, index, size, ends)


def _is_wide(seen: Array, cell: int, size: int, wide: float, with_users: bool) -> bool:
    """Whether solutions found so far leave a cell open: whole numbers lie as far apart as their ends, rounded inwards."""
    apart = np.floor(seen[:, 1] + TOLERANCE) - np.ceil(seen[:, 0] - TOLERANCE)
    return bool(apart[cell] >= wide and (not with_users or apart[size + cell] > 0))


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
        self.public, self.index, self.size, self.with_users = public, index, size, with_users
        self.equal: list[tuple[Weights, float]] = []
        self.below: list[tuple[Weights, float]] = []
        self.box: list[tuple[float, float | None]] = [(0.0, None)] * (2 * size)
        for node in range(public.parents.size):
            self._row(node)
        for node in np.unique(public.parents[1:]):
            for value in range(len(public.values)):
                self._column(int(node), value)
        for cell in range(size * with_users):
            self.below.append(({size + cell: 1.0, cell: -1.0}, 0.0))

    def narrow(self, within: Bounds) -> None:
        """Take over bounds that are known before."""
        free = self.index >= 0
        pairs = ((within.low, within.high), (within.users_low, within.users_high))
        for offset, (low, high) in list(zip((0, self.size), pairs, strict=True))[: 1 + self.with_users]:
            for place, least, most in zip(self.index[free], low[free], high[free], strict=True):
                self.box[offset + place] = (float(least), float(most))

    def _row(self, node: int) -> None:
        cells = self.index[node][self.index[node] >= 0]
        if cells.size == 0:
            return
        self.equal.append((dict.fromkeys(cells.tolist(), 1.0), self.public.rest[node]))
        if not self.with_users:
            return
        users = self.size + cells
        self.below.append((dict.fromkeys(users.tolist(), -1.0), -self.public.rest_users_least[node]))
        for cell in users:
            self.box[cell] = (0.0, self.public.rest_users[node])

    def _column(self, parent: int, value: int) -> None:
        children = np.flatnonzero(self.public.parents == parent)
        conversations, constant = self._difference(parent, children, value, self.public.counts, 0)
        self.equal.append((conversations, constant))
        if not self.with_users:
            return
        users, constant = self._difference(parent, children, value, self.public.users, self.size)
        self.below.append((users, constant))
        for child in children:
            larger, constant = self._difference(
                parent, np.array([child]), value, self.public.users, self.size
            )
            self.below.append(({place: -weight for place, weight in larger.items()}, -constant))

    def _difference(
        self, parent: int, children: Array, value: int, known: Array, offset: int
    ) -> tuple[Weights, float]:
        """Weights and constant of `parent - sum(children)` compared with zero."""
        entries: dict[int, float] = {}
        constant = 0.0
        for node, sign in ((parent, 1.0), *((int(child), -1.0) for child in children)):
            if self.public.known[node, value]:
                constant -= sign * known[node, value]
            else:
                entries[offset + int(self.index[node, value])] = sign
        return entries, constant

    def matrices(self) -> dict[str, Any]:
        """Keyword arguments of `linprog`, without rows that hold no variable."""
        left_equal, right_equal = self._matrix(self.equal)
        left_below, right_below = self._matrix(self.below)
        return {"A_eq": left_equal, "b_eq": right_equal, "A_ub": left_below, "b_ub": right_below}

    def _matrix(self, rows: list[tuple[Weights, float]]) -> tuple[Any, Array | None]:
        """Sparse left sides and right sides, or None where there are no rows."""
        from scipy.sparse import csr_matrix

        filled = [row for row in rows if row[0]]
        if not filled:
            return None, None
        entries = [(line, *entry) for line, (weights, _) in enumerate(filled) for entry in weights.items()]
        line, place, weight = np.array(entries).T
        shape = (len(filled), 2 * self.size)
        left = csr_matrix((weight, (line.astype(np.int64), place.astype(np.int64))), shape=shape)
        return left, np.array([right for _, right in filled])
