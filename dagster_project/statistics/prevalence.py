"""Prevalence ratios of many cells at once, from sparse counts per user; figures as `prevalence_ratio`."""

from __future__ import annotations

import polars as pl

from dagster_project.statistics.intervals import CONFIDENCE, log_ratio_interval, log_ratio_p_value


def prevalence_ratios(
    cells: pl.DataFrame, counts: pl.DataFrame, root: int, confidence: float = CONFIDENCE
) -> pl.DataFrame:
    """Each cell's share in its cluster over the value's share overall, with intervals clustered by user.

    Parameters
    ----------
    cells : node, value
        Cells to compare; every one must occur in `counts`.
    counts : node, value, user, n
        Conversations of each user by cluster and value; node `root` holds all conversations.

    Returns
    -------
    node, value, ratio, low, high, p_value
        `p_value` is two-sided, of a ratio of 1.

    The sum of squared influences (see `prevalence_ratio`) is expanded into ten sums of products, each a join
    of sparse counts, so that nothing of the size users x cells is made.

    """
    whole = counts.filter(pl.col("node") == root)
    a = counts.join(cells, on=["node", "value"], how="semi").rename({"n": "a"})
    clusters = counts.join(cells.select("node").unique(), on="node", how="semi")
    b = clusters.group_by("node", "user").agg(b=pl.col("n").sum())
    c = whole.join(cells.select("value").unique(), on="value", how="semi").select("value", "user", c="n")
    d = whole.group_by("user").agg(d=pl.col("n").sum())
    joined = a.join(b, on=["node", "user"]).join(c, on=["value", "user"]).join(d, on="user")
    own = joined.group_by("node", "value").agg(
        *_sums(("a",)), *_products("aa", "ab", "ac", "ad"), people=pl.len()
    )
    by_node = b.join(d, on="user").group_by("node").agg(*_sums(("b",)), *_products("bb", "bd"))
    by_value = c.join(d, on="user").group_by("value").agg(*_sums(("c",)), *_products("cc", "cd"))
    crossed = _cross(b, c, cells)
    every = d.select(*_sums(("d",)), *_products("dd"))
    table = own.join(by_node, on="node").join(by_value, on="value").join(every, how="cross")
    return _intervals(table.join(crossed, on=["node", "value"]), confidence)


def _sums(names: tuple[str, ...]) -> list[pl.Expr]:
    return [pl.col(name).sum().cast(pl.Float64).alias(name.upper()) for name in names]


def _products(*pairs: str) -> list[pl.Expr]:
    return [(pl.col(pair[0]).cast(pl.Float64) * pl.col(pair[1])).sum().alias(pair) for pair in pairs]


def _cross(b: pl.DataFrame, c: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """Sum over users of (conversations in the cluster) x (conversations with the value), for each cell."""
    pairs = b.lazy().join(c.lazy(), on="user").join(cells.lazy(), on=["node", "value"], how="semi")
    return pairs.group_by("node", "value").agg(*_products("bc")).collect()


def _intervals(table: pl.DataFrame, confidence: float) -> pl.DataFrame:
    squares = [
        pl.col(pair) / (pl.col(pair[0].upper()) * pl.col(pair[1].upper()))
        for pair in ("aa", "bb", "cc", "dd")
    ]
    signs = {"ab": -2, "ac": -2, "ad": 2, "bc": 2, "bd": -2, "cd": -2}
    mixed = [
        sign * pl.col(pair) / (pl.col(pair[0].upper()) * pl.col(pair[1].upper()))
        for pair, sign in signs.items()
    ]
    scale = pl.when(pl.col("people") > 1).then(pl.col("people") / (pl.col("people") - 1)).otherwise(1.0)
    known = table.sort("node", "value").with_columns(
        variance=scale * pl.sum_horizontal(*squares, *mixed),
        units=pl.col("A") ** 2 / pl.col("aa"),
        ratio=pl.col("A") / pl.col("B") / (pl.col("C") / pl.col("D")),
    )
    ratio, variance, units = (known[name].to_numpy() for name in ("ratio", "variance", "units"))
    found = log_ratio_interval(ratio, variance, units, confidence)
    return known.select("node", "value", "ratio").with_columns(
        low=pl.Series(found.low),
        high=pl.Series(found.high),
        p_value=pl.Series(log_ratio_p_value(ratio, variance, units)),
    )
