"""Finished comparison tables read back as a reader has them: totals of facet values, and two-way tables of pairs.

Written apart from the code that chooses cells (`privacy.crossing`): from published rows alone, without a restricted
count. Values of a facet whose totals nobody can read are its rest: the last column, and the last row of a plain table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl

from dagster_project.privacy.attack import UNSEEN, Array, Public
from dagster_project.privacy.crossing import Crossing
from dagster_project.privacy.joint import Pair

CLUSTER = "cluster"
CLOSE = 1e-6
PLACE = ["facet_a", "value_a", "facet_b", "value_b"]


@dataclass(frozen=True)
class Told:
    """A two-way table as rows tell it. `rows`: values of the first facet, in order; all clusters where it is a tree.

    Which cells hold anything is not public, so `positive` of the table is true throughout.
    """

    table: Crossing
    rows: list[str]


def told_totals(
    clusters: pl.DataFrame, contrasts: pl.DataFrame, weeks: pl.DataFrame, facets: pl.DataFrame
) -> pl.DataFrame:
    """Conversations of every value of a facet that published rows tell.

    In: `clusters`, `language_contrasts`, `cluster_weeks` and `facet_contrasts` as published. A share tells the total that
    it was divided by, a base rate the total of its value. Out: facet, value, total (whole numbers), sorted. Raises
    ArithmeticError where rows contradict each other or are of no whole number.
    """
    top = clusters.filter(pl.col("parent_id").is_null())
    whole = top["conversations"].sum()
    everywhere = pl.col("base_rate") * whole
    told = [
        top.select(facet=pl.lit(CLUSTER), value="cluster_id", total="conversations"),
        contrasts.select(facet=pl.lit("language"), value="language", total=everywhere),
        weeks.select(facet=pl.lit("week"), value=_day(), total="week_conversations"),
        facets.select(facet="facet_a", value="value_a", total=pl.col("conversations") / pl.col("share")),
        facets.select(facet="facet_b", value="value_b", total=everywhere),
    ]
    read = pl.concat([part.cast({"total": pl.Float64}) for part in told])
    if read.filter((pl.col("total") - pl.col("total").round()).abs() > CLOSE * (1 + pl.col("total"))).height:
        raise ArithmeticError("a published share is of no whole number of conversations")
    totals = read.with_columns(pl.col("total").round()).unique().sort("facet", "value")
    sums = totals.group_by("facet").agg(pl.col("total").sum())
    if totals.select("facet", "value").is_duplicated().any() or (sums["total"] > whole).any():
        raise ArithmeticError("published shares contradict each other")
    return totals


def told_cells(
    cells: pl.DataFrame, weeks: pl.DataFrame, facets: pl.DataFrame, order: Sequence[str]
) -> pl.DataFrame:
    """Every published cell of two facets, the cells of clusters at all levels among them. Out: `PLACE`, conversations.

    `order`: the facets, so that each pair is told one way round. Raises ArithmeticError where two tables tell different
    counts of one cell.
    """
    trees = cells.rename({"cluster_id": "value_a", "dimension": "facet_b", "value": "value_b"})
    weekly = weeks.rename({"cluster_id": "value_a"}).with_columns(facet_b=pl.lit("week"), value_b=_day())
    place = {name: position for position, name in enumerate(order)}
    a, b = (
        pl.col(name).replace_strict(place, return_dtype=pl.Int64, default=len(order))
        for name in ("facet_a", "facet_b")
    )
    swapped = dict(zip(PLACE, [*PLACE[2:], *PLACE[:2]], strict=True))
    parts = [
        trees.with_columns(facet_a=pl.lit(CLUSTER)),
        weekly.with_columns(facet_a=pl.lit(CLUSTER)),
        facets.filter(a <= b),
        facets.filter(a > b).rename(swapped),
    ]
    counted = [part.select(*PLACE, pl.col("conversations").cast(pl.Int64)) for part in parts]
    told = pl.concat(counted).unique(maintain_order=True)
    if told.select(PLACE).is_duplicated().any():
        raise ArithmeticError("published cells contradict each other")
    return told


def told_tables(
    clusters: pl.DataFrame, totals: pl.DataFrame, cells: pl.DataFrame, order: Sequence[str]
) -> dict[Pair, Told]:
    """The table of every pair of facets, whether cells of it are published or none.

    In: clusters as `in_rows` sorts them, and what `told_totals` and `told_cells` return. Clusters by a dimension are
    a tree, other tables are plain.
    """
    facets = {
        name: totals.filter(pl.col("facet") == name) for name in order if name in totals["facet"].unique()
    }
    dimensions = set(cells.filter(~_in_facet(totals))["facet_b"])
    whole = float(clusters.filter(pl.col("parent_id").is_null())["conversations"].sum())
    tables = {}
    for a, b in combinations(facets, 2):
        shown = cells.filter((pl.col("facet_a") == a) & (pl.col("facet_b") == b))
        deep = a == CLUSTER and b in dimensions
        rows = clusters.select(value="cluster_id", total="conversations") if deep else facets[a]
        parents = parents_of(clusters) if deep else np.array([-1, *[0] * (rows.height + 1)])
        tables[a, b] = _table(parents, whole, rows, facets[b], shown)
    return tables


def in_rows(clusters: pl.DataFrame) -> pl.DataFrame:
    """Clusters in the order of a table's rows: those at the top first, as in a plain table."""
    return clusters.sort(pl.col("parent_id").is_not_null(), "cluster_id")


def parents_of(clusters: pl.DataFrame) -> Array:
    """Parent (N + 1,) of every row of a tree; row 0 is the whole release, clusters follow in their order."""
    places = clusters.select(parent_id="cluster_id").with_row_index("place", offset=1)
    found = clusters.join(places, on="parent_id", how="left", maintain_order="left")
    return np.concatenate([[-1], found["place"].fill_null(0).to_numpy()]).astype(np.int64)


def _day() -> pl.Expr:
    return pl.col("week").dt.strftime("%Y-%m-%d")


def _in_facet(totals: pl.DataFrame) -> pl.Expr:
    """Whether a cell's row is a value of a facet: not so for clusters under the top."""
    return (pl.col("facet_a") != CLUSTER) | pl.col("value_a").is_in(totals["value"].implode())


def _table(
    parents: Array, whole: float, rows: pl.DataFrame, columns: pl.DataFrame, shown: pl.DataFrame
) -> Told:
    """One table as `joint` wants it: row 0 the whole, the rest of the columns last, and of the rows where one is left."""
    plain = parents.size == rows.height + 2
    sizes, ends = rows["total"].to_numpy().astype(float), columns["total"].to_list()
    totals = np.concatenate([[whole], sizes, [whole - sizes.sum()] * plain])
    places = rows.select(value_a="value").with_row_index("node", offset=1)
    known = shown.join(places, on="value_a").select(
        pl.col("node").cast(pl.Int64), "conversations", value="value_b"
    )
    edge = pl.DataFrame({"value": [*columns["value"], UNSEEN], "conversations": [*ends, whole - sum(ends)]})
    told = pl.concat(
        [known, edge.select(pl.lit(0, pl.Int64).alias("node"), "conversations", "value")],
        how="vertical_relaxed",
    ).with_columns(users=pl.lit(0))
    public = Public.build(parents, totals, totals, told, columns["value"].to_list(), unseen=True)
    table = Crossing(shown.clear(), public, np.ones(public.known.shape, dtype=bool), rest_row=plain)
    return Told(table, rows["value"].to_list())
