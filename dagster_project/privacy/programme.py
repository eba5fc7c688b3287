"""The attacker's linear programmes: the exact range of each withheld count over all relations at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dagster_project.privacy.attack import Array, Bounds, Public

TOLERANCE = 1e-6
Weights = dict[int, float]
Places = NDArray[np.int32]


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
    index = np.full(public.known.shape, -1)
    index[~public.known] = np.arange((~public.known).sum())
    size = int((~public.known).sum())
    relations = _Relations(public, index, size, with_users)
    if within is not None:
        relations.narrow(within)
    ends = np.array(relations.box, dtype=np.float64).reshape(-1, 2)
    cells = index[~public.known if wanted is None else wanted & ~public.known]
    seen = np.column_stack([np.full(2 * size, np.inf), np.full(2 * size, -np.inf)])
    solver = _Solver(relations)
    for cell in cells:
        found = {}
        for variable in (cell, size + cell) if with_users else (cell,):
            for end, sign in enumerate((1.0, -1.0)):
                if _is_wide(seen, cell, size, wide, with_users):
                    break
                solution = solver.least(variable, sign)
                found[variable, end] = solution[variable]
                seen[:, 0], seen[:, 1] = np.minimum(seen[:, 0], solution), np.maximum(seen[:, 1], solution)
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


class _Solver:
    """One programme for all goals: only costs change, so the simplex starts each from the corner of the last."""

    def __init__(self, relations: _Relations) -> None:
        import highspy

        self._columns = 2 * relations.size
        model = highspy.HighsLp()
        model.num_col_ = self._columns
        model.col_cost_ = np.zeros(self._columns)
        model.col_lower_, model.col_upper_ = np.array(relations.box, dtype=np.float64).reshape(-1, 2).T
        starts, places, weights, model.row_lower_, model.row_upper_ = relations.rows()
        model.num_row_ = starts.size - 1
        model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        model.a_matrix_.start_, model.a_matrix_.index_, model.a_matrix_.value_ = starts, places, weights
        self._solver = highspy.Highs()
        options = {
            "output_flag": False,
            "presolve": "off",
            "solver": "simplex",
            "simplex_strategy": int(highspy.simplex_constants.SimplexStrategy.kSimplexStrategyPrimal),
        }
        for name, value in options.items():
            self._solver.setOptionValue(name, value)
        self._solver.passModel(model)
        self._solved = highspy.HighsModelStatus.kOptimal

    def least(self, variable: int, sign: float) -> Array:
        """Solution (2 * size,) where `sign` times a variable is least."""
        self._solver.changeColCost(int(variable), sign)
        self._solver.run()
        if self._solver.getModelStatus() != self._solved:
            # Far from the last corner the arithmetic may stall where a fresh start does not.
            self._solver.clearSolver()
            self._solver.run()
        if self._solver.getModelStatus() != self._solved:
            raise ArithmeticError("the published counts contradict each other")
        self._solver.changeColCost(int(variable), 0.0)
        return np.array(self._solver.getSolution().col_value)


class _Relations:
    """Rows of the linear programme, in the order conversations then users."""

    def __init__(self, public: Public, index: Array, size: int, with_users: bool) -> None:
        self.public, self.index, self.size, self.with_users = public, index, size, with_users
        self.equal: list[tuple[Weights, float]] = []
        self.below: list[tuple[Weights, float]] = []
        self.box: list[tuple[float, float]] = [(0.0, np.inf)] * (2 * size)
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

    def rows(self) -> tuple[Places, Places, Array, Array, Array]:
        """The rows that hold a variable, sparse by rows: starts (R + 1,), places and weights, least and greatest (R,)."""
        filled = [(weights, right, right) for weights, right in self.equal if weights]
        filled += [(weights, -np.inf, right) for weights, right in self.below if weights]
        starts = np.cumsum([0, *(len(weights) for weights, _, _ in filled)], dtype=np.int32)
        places = np.array([place for weights, _, _ in filled for place in weights], dtype=np.int32)
        weights = np.array(
            [value for weights, _, _ in filled for value in weights.values()], dtype=np.float64
        )
        least, greatest = (np.array([row[side] for row in filled], dtype=np.float64) for side in (1, 2))
        return starts, places, weights, least, greatest
