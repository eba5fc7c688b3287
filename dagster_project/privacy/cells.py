"""Which cells (cluster by language, week, model or concern band) may be published, over a tree of clusters.

The tree is walked from the root: each cluster's children by its own shown values are one two-way table
(`privacy.tables`), so the values shown for a child are always among those shown for its parent. What has been
decided is then attacked with everything that will be public (`privacy.attack`); a cell that still gives
itself away takes its parent's cell with it, and the walk is repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from dagster_project.privacy.attack import Public, derivable, propagate
from dagster_project.privacy.suppression import OTHER, merge_small
from dagster_project.privacy.tables import Table
from dagster_project.privacy.thresholds import Limits, measure

ROOT = 0
MOST_REPEATS = 25
MOST_VALUES = 256


@dataclass(frozen=True)
class Rules:
    """Limits of cells, and for a sensitive dimension the one value that harms nobody."""

    limits: Limits
    min_merged: int = 2
    harmless: str | None = None


@dataclass(frozen=True)
class DimensionCells:
    """Outcome for one dimension. `shown`: node, value, conversations, users (node 0 is the whole release).

    `withheld`: node, value, conversations of the cells that are not shown; restricted, for tests and counts.
    `repeats`: how often the attack asked for more.
    """

    shown: pl.DataFrame
    withheld: pl.DataFrame
    repeats: int


def suppress_cells(
    entries: pl.DataFrame,
    parents: np.ndarray,
    rules: Rules,
    shown_before: pl.DataFrame | None = None,
    barred: pl.DataFrame | None = None,
) -> DimensionCells:
    """Choose the cells of one dimension that may be published.

    Parameters
    ----------
    entries : node, value, user, n
        Conversations of each user in each cell of every node, node 0 being the whole release.
    parents : (N,) int
        Parent of each node; -1 for node 0. Children of one node are contiguous and follow it.
    shown_before : node, value, optional
        Cells that the release before showed; withheld to protect others only where no other cell is left.
    barred : node, value, optional
        Cells that may not be shown, whatever they hold.

    """
    cells = _judged(entries, rules, shown_before)
    blocked = cells.select("node", "value").clear() if barred is None else barred
    for repeat in range(MOST_REPEATS):
        outcome = _walk(entries, cells, blocked, parents, rules)
        open_cells = _given_away(outcome, cells, parents, rules)
        if open_cells.is_empty():
            return replace(outcome, repeats=repeat)
        blocked = pl.concat([blocked, _blocks(open_cells, outcome.shown, parents)])
    everything = cells.select("node", "value", "conversations")
    return DimensionCells(outcome.shown.clear(), everything, MOST_REPEATS)


def _judged(entries: pl.DataFrame, rules: Rules, shown_before: pl.DataFrame | None) -> pl.DataFrame:
    """Every cell with its size, the reason, if any, why it may not be shown by itself, and whether it was `told`."""
    cells = measure(entries, "node", "value").with_columns(reason=rules.limits.reason())
    reason = pl.when(pl.col("value") == OTHER).then(pl.lit("reserved")).otherwise(pl.col("reason"))
    people = entries.group_by("node").agg(node_users=pl.col("user").n_unique().cast(pl.Int64))
    cells = cells.with_columns(reason=reason).join(people, on="node")
    told = cells.select("node", "value").clear() if shown_before is None else shown_before
    cells = cells.join(told.with_columns(told=True), on=["node", "value"], how="left")
    cells = cells.with_columns(pl.col("told").fill_null(False))
    if rules.harmless is None:
        return cells
    covers = pl.col("node_users") - pl.col("users") < rules.limits.min_diverse_users
    revealing = pl.col("reason").is_null() & covers & (pl.col("value") != rules.harmless)
    return cells.with_columns(reason=pl.when(revealing).then(pl.lit("diversity")).otherwise("reason"))


def _root_values(
    entries: pl.DataFrame, cells: pl.DataFrame, blocked: pl.DataFrame, rules: Rules
) -> list[str]:
    """Values of the whole release that may be shown."""
    root = cells.filter(pl.col("node") == ROOT)
    barred = root.filter(pl.col("reason").is_not_null()).select("node", "value", "reason")
    extra = blocked.filter(pl.col("node") == ROOT).join(barred, on="value", how="anti")
    barred = pl.concat([barred, extra.with_columns(reason=pl.lit("attack"))])
    names = {"node": "group", "value": "item"}
    merged = merge_small(
        entries.filter(pl.col("node") == ROOT).rename(names),
        barred.rename(names),
        rules.limits,
        rules.min_merged,
        root.filter("told").select(item="value"),
    )
    shown = root.join(merged, left_on="value", right_on="item", how="anti")["value"].sort().to_list()
    revealing = rules.harmless is not None and (
        len(shown) + (merged.height > 0) < 2 or rules.harmless not in shown
    )
    return [] if revealing else shown


def _walk(
    entries: pl.DataFrame, cells: pl.DataFrame, blocked: pl.DataFrame, parents: np.ndarray, rules: Rules
) -> DimensionCells:
    values = _root_values(entries, cells, blocked, rules)
    grid = _Grid(entries, cells, blocked, values, parents.size, rules)
    grid.show_root()
    children = np.bincount(parents[1:], minlength=parents.size)
    for node in np.flatnonzero(children):
        first = int(np.searchsorted(parents, node))
        grid.solve(int(node), first, first + int(children[node]))
    return grid.outcome(cells)


class _Grid:
    """All cells of one dimension as nodes by values, the last column standing for values not shown at all."""

    def __init__(
        self,
        entries: pl.DataFrame,
        cells: pl.DataFrame,
        blocked: pl.DataFrame,
        values: list[str],
        nodes: int,
        rules: Rules,
    ) -> None:
        """Encode values; `entries` are sorted by node so that a parent's children are one slice."""
        self.values, self.rules = values, rules
        codes = pl.DataFrame(
            {"value": values, "code": np.arange(len(values), dtype=np.int64)},
            schema_overrides={"value": pl.String},
        )
        coded = entries.sort("node").join(codes, on="value", how="left", maintain_order="left")
        coded = coded.with_columns(pl.col("code").fill_null(len(values)))
        self.entries = [coded[name].to_numpy().astype(np.int64) for name in ("node", "code", "user", "n")]
        self.starts = np.searchsorted(self.entries[0], np.arange(nodes + 1))
        self.positive = np.zeros((nodes, len(values)), dtype=bool)
        self.passing = np.zeros((nodes, len(values)), dtype=bool)
        self.told = np.zeros((nodes, len(values)), dtype=bool)
        known = cells.join(codes, on="value").join(
            blocked.with_columns(stop=True), on=["node", "value"], how="left"
        )
        place = known["node"].to_numpy(), known["code"].to_numpy()
        self.positive[place] = True
        self.told[place] = known["told"].to_numpy()
        self.passing[place] = (known["reason"].is_null() & known["stop"].is_null()).to_numpy()
        self.distinct = np.bincount(cells["node"].to_numpy(), minlength=nodes)
        self.shown = np.zeros((nodes, len(values)), dtype=bool)
        self.others: list[tuple[int, int, int]] = []

    def show_root(self) -> None:
        self.shown[ROOT] = True
        start, stop = self.starts[ROOT], self.starts[ROOT + 1]
        hidden = self.entries[1][start:stop] == len(self.values)
        users = np.unique(self.entries[2][start:stop][hidden]).size
        self._note_other(ROOT, int(self.entries[3][start:stop][hidden].sum()), users)

    def solve(self, parent: int, first: int, last: int) -> None:
        """Decide the cells of one parent's children, nodes first to last - 1."""
        columns = np.flatnonzero(self.shown[parent])
        if columns.size == 0:
            return
        table = self._table(columns, first, last)
        self.shown[first:last, columns] = table.protect()[:, :-1]
        margin = table.withheld_rows()
        for row in np.flatnonzero(margin.conversations):
            self._note_other(first + int(row), int(margin.conversations[row]), int(margin.users[row]))

    def _table(self, columns: np.ndarray, first: int, last: int) -> Table:
        place = np.full(len(self.values) + 1, columns.size)
        place[columns] = np.arange(columns.size)
        span = slice(self.starts[first], self.starts[last])
        node, code, user, n = (column[span] for column in self.entries)
        user = np.unique(user, return_inverse=True)[1]
        row, column = node - first, place[code]
        passing = np.zeros((last - first, columns.size + 1), dtype=bool)
        passing[:, :-1] = self.passing[first:last, columns]
        hidden = self.distinct[first:last] - self.positive[first:last, columns].sum(axis=1)
        diverse = None
        if self.rules.harmless is not None:
            diverse = np.array([*(self.values[code] == self.rules.harmless for code in columns), False])
        told = np.zeros_like(passing)
        told[:, :-1] = self.told[first:last, columns]
        return Table(
            (row, column, user, n), passing, hidden, self.rules.limits, self.rules.min_merged, diverse, told
        )

    def _note_other(self, node: int, conversations: int, users: int) -> None:
        if conversations and self.shown[node].any():
            self.others.append((node, conversations, users))

    def outcome(self, cells: pl.DataFrame) -> DimensionCells:
        """Shown cells with the remainders as value `other`, and what is withheld."""
        node, code = np.nonzero(self.shown & self.positive)
        key = {
            "node": pl.Series(node).cast(cells.schema["node"]),
            "value": pl.Series([self.values[c] for c in code], dtype=pl.String),
        }
        chosen = pl.DataFrame(key)
        shown = chosen.join(cells, on=["node", "value"]).select("node", "value", "conversations", "users")
        rest = pl.DataFrame(
            self.others,
            schema={"node": cells.schema["node"], "conversations": pl.Int64, "users": pl.Int64},
            orient="row",
        )
        rest = rest.select("node", pl.lit(OTHER).alias("value"), "conversations", "users")
        withheld = cells.join(chosen, on=["node", "value"], how="anti").select(
            "node", "value", "conversations"
        )
        return DimensionCells(pl.concat([shown, rest]).sort("node", "value"), withheld, 0)


def _given_away(
    outcome: DimensionCells, cells: pl.DataFrame, parents: np.ndarray, rules: Rules
) -> pl.DataFrame:
    """Withheld cells that everything public narrows too far. Out: node, value."""
    if outcome.shown.is_empty():
        return cells.select("node", "value").clear()
    totals = (
        cells.group_by("node").agg(pl.col("conversations").sum()).sort("node")["conversations"].to_numpy()
    )
    people = cells.select("node", "node_users").unique().sort("node")["node_users"].to_numpy()
    values = cells["value"].unique().sort().to_list()
    unseen = len(values) > MOST_VALUES or OTHER in values
    if len(values) > MOST_VALUES:
        values = outcome.shown["value"].unique().sort().to_list()
    public = Public.build(parents, totals, people, outcome.shown, values, unseen)
    least = min(rules.limits.min_users, rules.limits.min_conversations)
    found = derivable(propagate(public), public, least)
    return found.join(outcome.withheld, on=["node", "value"], how="semi")


def _blocks(open_cells: pl.DataFrame, shown: pl.DataFrame, parents: np.ndarray) -> pl.DataFrame:
    """What to stop showing: the same value one step up, else the row of the node or a shown ancestor."""
    node = open_cells.schema["node"]
    above = pl.Series("node", np.maximum(parents[open_cells["node"].to_numpy()], ROOT)).cast(node)
    raised = open_cells.with_columns(above).join(
        shown, on=["node", "value"], how="left", maintain_order="left"
    )
    direct = raised["conversations"].is_not_null()
    rows = shown.filter(pl.col("value") != OTHER)
    filled = np.zeros(parents.size, dtype=bool)
    filled[rows["node"].to_numpy()] = True
    start = open_cells.filter(~direct)["node"].to_numpy().astype(np.int64)
    for _ in range(parents.size):
        empty = ~filled[start] & (start != ROOT)
        if not empty.any():
            break
        start = np.where(empty, parents[start], start)
    beside = rows.join(pl.DataFrame({"node": pl.Series(start).cast(node)}).unique(), on="node", how="semi")
    return pl.concat([raised.filter(direct).select("node", "value"), beside.select("node", "value")]).unique()
