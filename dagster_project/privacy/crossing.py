"""Two-way tables of facets whose totals are public: which cells may be published.

A table of facet A by facet B is a marginal of its own beside those of the clusters. Each of its cells has to pass
the limits, and what is withheld is protected along rows and columns (`privacy.tables`). Values of a facet that
are not public by themselves are its rest: the last row and the last column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from dagster_project.privacy.attack import Array, Public
from dagster_project.privacy.suppression import merge_small
from dagster_project.privacy.tables import Table
from dagster_project.privacy.thresholds import Limits, measure

WITHHELD = "withheld"


@dataclass(frozen=True)
class Facet:
    """Values of a facet that are public; `harmless` is the one of a sensitive facet that says nothing bad."""

    values: list[str]
    harmless: str | None = None


@dataclass(frozen=True)
class Crossing:
    """One two-way table after suppression. Node 0 is the whole, then one node a row; columns as in `public`.

    shown : row, column, conversations, users
        Cells that may be published.
    public
        The table as the attacker sees it.
    positive : (nodes, columns) bool
        Cells that hold anything; restricted.
    rest_row
        Whether the last node is the rest of the rows, about which nothing is told.
    """

    shown: pl.DataFrame
    public: Public
    positive: Array
    rest_row: bool


def public_values(
    entries: pl.DataFrame, limits: Limits, min_merged: int, allowed: list[str] | None
) -> list[str]:
    """Values of one facet whose totals over the whole release may be told.

    In: `value`, user, n. `allowed`: the values that are public elsewhere, where there are such tables.
    """
    one = entries.select(group=pl.lit(0), item="value", user="user", n="n")
    sizes = measure(one, "group", "item").with_columns(reason=limits.reason())
    if allowed is not None:
        hidden = ~pl.col("item").is_in(allowed)
        sizes = sizes.with_columns(reason=pl.when(hidden).then(pl.lit(WITHHELD)).otherwise("reason"))
    failing = sizes.filter(pl.col("reason").is_not_null()).select("group", "item", "reason")
    merged = merge_small(one, failing, limits, min_merged)
    return sizes.join(merged, on="item", how="anti")["item"].sort().to_list()


def cross(entries: pl.DataFrame, rows: Facet, columns: Facet, limits: Limits, min_merged: int) -> Crossing:
    """Decide which cells of one table are shown.

    In: `row`, `column`, user, n; one row per combination. A sensitive facet has to be the columns.
    """
    place, shape = _encode(entries, rows, columns)
    coded = pl.DataFrame(dict(zip(("row", "column", "user", "n"), place, strict=True)))
    cells = coded.group_by("row", "column", "user").agg(pl.col("n").sum())
    sizes = measure(cells, "row", "column").with_columns(reason=limits.reason())
    people = coded.group_by("row").agg(people=pl.col("user").n_unique().cast(pl.Int64))
    sizes = sizes.join(people, on="row").with_columns(_revealing(columns, limits))
    passing = np.zeros(shape, dtype=bool)
    good = sizes.filter(pl.col("reason").is_null() & (pl.col("column") < shape[1] - 1))
    passing[good["row"].to_numpy(), good["column"].to_numpy()] = True
    diverse = None
    if columns.harmless is not None:
        diverse = np.array([*(value == columns.harmless for value in columns.values), False])
    table = Table(
        place, passing, _hidden_values(entries, place, shape), limits, min_merged, diverse
    )  # fmt: skip
    return _crossing(table.protect()[:, :-1], sizes, rows, columns, shape)


def crossed_tree(entries: pl.DataFrame, parents: Array, columns: Facet, shown: pl.DataFrame) -> Crossing:
    """Cells of a tree of clusters that are published already, in the shape of a crossing.

    In: node, value, user, n, node 0 being the whole; parent of each node; node, value of the published cells.
    """
    known_codes = dict(zip(columns.values, range(len(columns.values)), strict=True))
    code = pl.col("value").replace_strict(known_codes, default=len(known_codes), return_dtype=pl.Int64)
    sums = entries.group_by("node", column=code).agg(pl.col("n").sum())
    counts = np.zeros((parents.size, len(known_codes) + 1))
    counts[sums["node"].to_numpy(), sums["column"].to_numpy()] = sums["n"].to_numpy()
    cells = shown.with_columns(column=code).filter(pl.col("column") < len(known_codes))
    known = np.zeros(counts.shape, dtype=bool)
    known[cells["node"].to_numpy(), cells["column"].to_numpy()] = True
    known[0] = True
    return Crossing(shown.clear(), _public(parents, counts, known, columns), counts > 0, rest_row=False)


def _public(parents: Array, counts: Array, known: Array, columns: Facet) -> Public:
    """What is public: totals of rows and columns, and the known cells. Users are left out of this attack."""
    totals = counts.sum(axis=1)
    rest = totals - (counts * known).sum(axis=1)
    nobody, most = np.zeros_like(totals), np.where(rest > 0, totals, 0.0)
    names = [*columns.values, WITHHELD]
    return Public(
        parents, totals, totals, names, counts * known, np.zeros_like(counts), known, rest, most, nobody
    )


def _encode(
    entries: pl.DataFrame, rows: Facet, columns: Facet
) -> tuple[tuple[Array, Array, Array, Array], tuple[int, int]]:
    """Entries as arrays, the rest of each facet last; and the shape of the table."""
    codes = []
    for name, facet in (("row", rows), ("column", columns)):
        known = dict(zip(facet.values, range(len(facet.values)), strict=True))
        code = entries[name].replace_strict(known, default=len(known), return_dtype=pl.Int64)
        codes.append(code.to_numpy())
    user = np.unique(entries["user"].to_numpy(), return_inverse=True)[1]
    n = entries["n"].to_numpy().astype(np.int64)
    return (codes[0], codes[1], user, n), (len(rows.values) + 1, len(columns.values) + 1)


def _revealing(columns: Facet, limits: Limits) -> pl.Expr:
    """`reason`, with harmful values that nearly all users of a row have."""
    if columns.harmless is None:
        return pl.col("reason")
    harmless = columns.values.index(columns.harmless) if columns.harmless in columns.values else -1
    covers = pl.col("people") - pl.col("users") < limits.min_diverse_users
    revealing = pl.col("reason").is_null() & covers & (pl.col("column") != harmless)
    return pl.when(revealing).then(pl.lit("diversity")).otherwise("reason").alias("reason")


def _hidden_values(entries: pl.DataFrame, place: tuple[Array, ...], shape: tuple[int, int]) -> Array:
    """Distinct values that each row has in the last column."""
    rest = entries.select("column", row=pl.Series(place[0]), code=pl.Series(place[1]))
    rest = rest.filter(pl.col("code") == shape[1] - 1).group_by("row").agg(pl.col("column").n_unique())
    hidden = np.zeros(shape[0], dtype=np.int64)
    hidden[rest["row"].to_numpy()] = rest["column"].to_numpy()
    return hidden


def _crossing(
    shown: Array, sizes: pl.DataFrame, rows: Facet, columns: Facet, shape: tuple[int, int]
) -> Crossing:
    """The outcome as the attacker sees it: shown cells, and the totals of rows and columns."""
    counts, users = np.zeros((2, shape[0] + 1, shape[1]))
    place = sizes["row"].to_numpy() + 1, sizes["column"].to_numpy()
    counts[place], users[place] = sizes["conversations"].to_numpy(), sizes["users"].to_numpy()
    counts[0] = counts.sum(axis=0)
    known = np.zeros(counts.shape, dtype=bool)
    known[0], known[1:, :-1] = True, shown & (counts[1:, :-1] > 0)
    parents = np.concatenate([[-1], np.zeros(shape[0], dtype=np.int64)])
    row, column = np.nonzero(known[1:-1, :-1])
    cells = {
        "row": pl.Series([rows.values[index] for index in row], dtype=pl.String),
        "column": pl.Series([columns.values[index] for index in column], dtype=pl.String),
        "conversations": counts[row + 1, column].astype(np.int64),
        "users": users[row + 1, column].astype(np.int64),
    }
    return Crossing(pl.DataFrame(cells), _public(parents, counts, known, columns), counts > 0, rest_row=True)
