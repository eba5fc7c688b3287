"""The attacker: what everything published tells about each count that is withheld.

Written apart from the code that suppresses, from the published tables alone. It knows the tree, the size and
users of every published cluster, every published cell, that values of a cluster add up to the cluster and
children to their parent, and that distinct users do not add up but are bounded: no child has more than its
parent, and a parent has no more than all its children together.

Two strengths: `bounds` propagates intervals along every relation until nothing changes (fast, any size);
`programme` minimises and maximises each withheld count over all relations at once (linear programmes; small
inputs). Source: specs/privacy_reliability.md 1.3, rule 3 (checker) and 1.4 (attack g).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

OTHER = "other"
UNSEEN = "\u2205 not published anywhere"
MOST_ROUNDS = 60
SMALL = 400

Array = np.ndarray
INTERVALS = {
    "cluster_id": pl.String,
    "dimension": pl.String,
    "value": pl.String,
    "low": pl.Float64,
    "high": pl.Float64,
    "users_low": pl.Float64,
    "users_high": pl.Float64,
}


@dataclass(frozen=True)
class Public:
    """What is public of one dimension. Node 0 is the whole release; the last value may stand for unseen ones.

    parents (N,), totals (N,) conversations, people (N,) users; counts, users, known: (N, V);
    rest (N,): conversations of each node outside its published cells; rest_users, rest_users_least (N,): the
    most and the fewest users these can have, equal where `other` is published.
    """

    parents: Array
    totals: Array
    people: Array
    values: list[str]
    counts: Array
    users: Array
    known: Array
    rest: Array
    rest_users: Array
    rest_users_least: Array

    @classmethod
    def build(
        cls,
        parents: Array,
        totals: Array,
        people: Array,
        shown: pl.DataFrame,
        values: list[str],
        unseen: bool = False,
        people_least: Array | None = None,
    ) -> Public:
        """Read one dimension's published cells (`shown`: node, value, conversations, users)."""
        names = [value for value in values if value != OTHER] + [UNSEEN] * unseen
        codes = pl.DataFrame(
            {"value": names, "code": np.arange(len(names))}, schema_overrides={"value": pl.String}
        )
        cells = shown.join(codes, on="value", how="inner")
        place = cells["node"].to_numpy(), cells["code"].to_numpy()
        counts, users = np.zeros((parents.size, len(names))), np.zeros((parents.size, len(names)))
        known = np.zeros(counts.shape, dtype=bool)
        counts[place], users[place], known[place] = (
            cells["conversations"].to_numpy(),
            cells["users"].to_numpy(),
            True,
        )
        rest = totals - counts.sum(axis=1)
        rest_users = np.where(rest > 0, people, 0).astype(float)
        fewest = people if people_least is None else people_least
        least = np.where(rest > 0, np.maximum(fewest - users.sum(axis=1), 0), 0).astype(float)
        others = shown.filter(pl.col("value") == OTHER)
        for target in (rest_users, least):
            target[others["node"].to_numpy()] = others["users"].to_numpy()
        return cls(parents, totals, people, names, counts, users, known, rest, rest_users, least)


@dataclass
class Bounds:
    """Intervals of conversations and users of every cell, (N, V) each."""

    low: Array
    high: Array
    users_low: Array
    users_high: Array

    def width(self) -> Array:
        """How many conversations apart the ends are."""
        return self.high - self.low


def propagate(public: Public, with_users: bool = True, start: Bounds | None = None) -> Bounds:
    """Tighten every cell's interval along every relation until nothing changes.

    Without `with_users` the users of withheld cells are left out: what conversations alone tell. `start` are
    intervals that are known already; they are tightened in place.
    """
    free = ~public.known
    bounds = start or Bounds(
        np.where(free, 0.0, public.counts),
        np.where(free, public.rest[:, None], public.counts),
        np.where(free, 0.0, public.users),
        np.where(free, np.minimum(public.rest_users, public.rest)[:, None], public.users),
    )
    for _ in range(MOST_ROUNDS):
        before = bounds.width().sum() + (bounds.users_high - bounds.users_low).sum()
        _tighten_rows(bounds, public, free)
        _tighten_columns(bounds, public, free)
        if with_users:
            _tighten_users(bounds, free)
        if before - bounds.width().sum() - (bounds.users_high - bounds.users_low).sum() < 0.5:
            break
    return bounds


def _tighten_rows(bounds: Bounds, public: Public, free: Array) -> None:
    low, high = (bounds.low * free).sum(axis=1), (bounds.high * free).sum(axis=1)
    users = (bounds.users_high * free).sum(axis=1)
    _lower(bounds.high, public.rest[:, None] - (low[:, None] - bounds.low), free)
    _raise(bounds.low, public.rest[:, None] - (high[:, None] - bounds.high), free)
    _raise(bounds.users_low, public.rest_users_least[:, None] - (users[:, None] - bounds.users_high), free)


def _tighten_columns(bounds: Bounds, public: Public, free: Array) -> None:
    child = np.arange(1, public.parents.size)
    parent = public.parents[1:]
    inner = np.unique(parent)
    low, high, users = (_over_children(part, public) for part in (bounds.low, bounds.high, bounds.users_high))
    most = np.zeros_like(low)
    np.maximum.at(most, parent, bounds.users_low[child])
    for target, limit in ((bounds.high, high), (bounds.users_high, users)):
        target[inner] = np.where(free[inner], np.minimum(target[inner], limit[inner]), target[inner])
    for target, limit in ((bounds.low, low), (bounds.users_low, most)):
        target[inner] = np.where(free[inner], np.maximum(target[inner], limit[inner]), target[inner])
    above, under = bounds.high[parent], bounds.low[parent]
    ceiling = above - (low[parent] - bounds.low[child])
    floor = under - (high[parent] - bounds.high[child])
    crowd = bounds.users_low[parent] - (users[parent] - bounds.users_high[child])
    open_cells = free[child]
    bounds.high[child] = np.where(open_cells, np.minimum(bounds.high[child], ceiling), bounds.high[child])
    bounds.low[child] = np.where(open_cells, np.maximum(bounds.low[child], floor), bounds.low[child])
    top = np.minimum(bounds.users_high[child], bounds.users_high[parent])
    bounds.users_high[child] = np.where(open_cells, top, bounds.users_high[child])
    bounds.users_low[child] = np.where(
        open_cells, np.maximum(bounds.users_low[child], crowd), bounds.users_low[child]
    )


def _tighten_users(bounds: Bounds, free: Array) -> None:
    _lower(bounds.users_high, bounds.high, free)
    _raise(bounds.users_low, (bounds.low > 0).astype(float), free)
    _raise(bounds.low, bounds.users_low, free)


def _over_children(part: Array, public: Public) -> Array:
    sums = np.zeros_like(part)
    np.add.at(sums, public.parents[1:], part[1:])
    return sums


def _lower(target: Array, limit: Array, free: Array) -> None:
    np.minimum(target, limit, out=target, where=free)


def _raise(target: Array, limit: Array, free: Array) -> None:
    np.maximum(target, limit, out=target, where=free)


def derivable(bounds: Bounds, public: Public, least: int) -> pl.DataFrame:
    """Withheld cells narrowed to under `least` conversations or to exact users. Out: node, value."""
    known_empty = bounds.high <= 0
    narrow = (bounds.width() < least) | (bounds.users_low >= bounds.users_high)
    node, code = np.nonzero(~public.known & ~known_empty & narrow)
    names = (
        pl.Series(public.values, dtype=pl.String).gather(code.tolist())
        if code.size
        else pl.Series([], dtype=pl.String)
    )
    return pl.DataFrame({"node": pl.Series(node).cast(pl.UInt32), "value": names}).filter(
        pl.col("value") != UNSEEN
    )


def attack_intervals(
    clusters: pl.DataFrame,
    cells: pl.DataFrame,
    *,
    overall: pl.DataFrame | None = None,
    domains: dict[str, list[str]] | None = None,
    method: str = "auto",
    with_users: bool = True,
) -> pl.DataFrame:
    """Bound every withheld count from what is published.

    Parameters
    ----------
    clusters : cluster_id, parent_id, conversations, users
    cells : cluster_id, dimension, value, conversations, users
    overall : dimension, value, conversations, users, optional
        Published cells of the whole release, such as those behind the base rates; value `other` included.
    domains
        All values that the attacker knows to be possible, by dimension; without it, the published ones and
        one more that stands for all others.
    method
        `bounds`, `programme` (exact over all relations, small inputs) or `auto`, which chooses by size.
    with_users
        Whether distinct users narrow conversations too (no cell has more users than conversations).

    Returns
    -------
    cluster_id, dimension, value, low, high, users_low, users_high
        One row per cluster and value that is not published; `low` to `high` conversations are possible.

    """
    nodes = clusters.select("cluster_id").with_row_index("node", offset=1)
    found = [
        _frame(public, _solve(public, method, with_users), nodes).with_columns(dimension=pl.lit(dimension))
        for dimension, public in public_views(clusters, cells, overall, domains)
    ]
    return pl.concat(found).select(INTERVALS.keys()) if found else pl.DataFrame(schema=INTERVALS)


def public_views(
    clusters: pl.DataFrame,
    cells: pl.DataFrame,
    overall: pl.DataFrame | None = None,
    domains: dict[str, list[str]] | None = None,
) -> Iterator[tuple[str, Public]]:
    """What is public of each dimension; node n is row n - 1 of `clusters`. Parameters as in `attack_intervals`."""
    parents, order = _tree(clusters)
    totals = np.concatenate([[0.0], order["conversations"].to_numpy()])
    totals[0] = order.filter(pl.col("parent_id").is_null())["conversations"].sum()
    top = order.filter(pl.col("parent_id").is_null())["users"].to_numpy()
    people = np.concatenate([[top.sum()], order["users"].to_numpy()])
    people_least = np.concatenate([[top.max(initial=0)], people[1:]])
    nodes = order.select("cluster_id").with_row_index("node", offset=1)
    for (dimension,), part in cells.group_by("dimension", maintain_order=True):
        shown = part.join(nodes, on="cluster_id").select("node", "value", "conversations", "users")
        if overall is not None:
            root = overall.filter(pl.col("dimension") == dimension)
            root = root.with_columns(node=pl.lit(0, dtype=pl.UInt32)).select(shown.columns)
            shown = pl.concat([shown, root], how="vertical_relaxed")
        domain = (domains or {}).get(str(dimension))
        values = shown["value"].unique().sort().to_list() if domain is None else domain
        yield (
            str(dimension),
            Public.build(parents, totals, people, shown, values, domain is None, people_least),
        )


def _tree(clusters: pl.DataFrame) -> tuple[Array, pl.DataFrame]:
    """Parents by position (position 0 is the whole release) and the clusters in that order."""
    ids = clusters.select("cluster_id").with_row_index("place", offset=1)
    joined = clusters.join(ids, left_on="parent_id", right_on="cluster_id", how="left", maintain_order="left")
    return np.concatenate([[-1], joined["place"].fill_null(0).to_numpy()]).astype(np.int64), clusters


def _solve(public: Public, method: str, with_users: bool) -> Bounds:
    if method not in {"auto", "bounds", "programme"}:
        raise ValueError("method must be auto, bounds or programme")
    small = public.known.size <= SMALL
    if method == "programme" or (method == "auto" and small):
        from dagster_project.privacy.programme import programme

        return programme(public, with_users)
    return propagate(public, with_users)


def _frame(public: Public, bounds: Bounds, nodes: pl.DataFrame) -> pl.DataFrame:
    node, code = np.nonzero(~public.known[1:])
    data = {
        "node": pl.Series(node + 1).cast(pl.UInt32),
        "value": pl.Series([public.values[c] for c in code], dtype=pl.String),
        **{
            name: getattr(bounds, name)[node + 1, code] for name in ("low", "high", "users_low", "users_high")
        },
    }
    return pl.DataFrame(data).filter(pl.col("value") != UNSEEN).join(nodes, on="node")
