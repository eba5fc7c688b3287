"""The last look at a finished release, with an attacker's eyes: from published tables alone.

Every withheld cell is bounded by interval arithmetic over all relations; where the result is not far from the limits,
linear programmes over the relations of its parent and siblings tell exactly. Nothing here knows how the tables were
made. Source: specs/privacy_reliability.md 1.3, rule 3 (checker).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from dagster_project.privacy.attack import UNSEEN, Array, Bounds, Public, propagate, public_views
from dagster_project.privacy.programme import programme

# An interval is looked at exactly while it is at most so many times as wide as it has to be.
SUSPICIOUS = 2.0
EXPOSED = {"cluster_id": pl.String, "dimension": pl.String, "value": pl.String}


def exposed_cells(
    clusters: pl.DataFrame,
    cells: pl.DataFrame,
    contrasts: pl.DataFrame,
    *,
    min_users: int,
    min_conversations: int,
    domains: dict[str, list[str]] | None = None,
) -> pl.DataFrame:
    """Withheld cells that the published tables give away.

    A cell is given away when it can surely not be empty or large and its conversations lie within fewer than
    `min_conversations` of each other, or, with distinct users taken into account, within fewer than the smaller of
    both limits, or its users are known exactly.

    Parameters
    ----------
    clusters : cluster_id, parent_id, conversations, users
    cells : cluster_id, dimension, value, conversations, users
    contrasts : language, base_rate
        Base rates tell the languages of the whole release.
    domains
        Values that are known to be all there are, by dimension.

    Returns
    -------
    cluster_id, dimension, value
        One row per cell that is given away; empty for a sound release. Raises ArithmeticError where the published
        counts contradict each other.

    """
    passes = (
        (_whole_release(clusters, contrasts), False, min_conversations),
        (None, True, min(min_users, min_conversations)),
    )
    found = [pl.DataFrame(schema=EXPOSED)]
    for overall, with_users, least in passes:
        for dimension, public in public_views(clusters, cells, overall, domains):
            node, code = np.nonzero(too_narrow(public, least, with_users)[1:])
            found.append(
                pl.DataFrame(
                    {
                        "cluster_id": clusters["cluster_id"].gather(node.tolist()),
                        "dimension": pl.repeat(dimension, node.size, dtype=pl.String, eager=True),
                        "value": pl.Series([public.values[place] for place in code], dtype=pl.String),
                    }
                )
            )
    return pl.concat(found).unique(maintain_order=True)


def _whole_release(clusters: pl.DataFrame, contrasts: pl.DataFrame) -> pl.DataFrame:
    """Conversations of each language in the whole release; their users are not published, so none are claimed."""
    total = clusters.filter(pl.col("parent_id").is_null())["conversations"].sum()
    count = (pl.col("base_rate") * total).round().cast(pl.UInt32)
    return contrasts.select(
        dimension=pl.lit("language"), value="language", conversations=count, users=count
    ).unique()


def too_narrow(public: Public, least: int, with_users: bool = False, bounds: Bounds | None = None) -> Array:
    """Unknown cells of one table or tree that are narrowed to under `least`; (N, V) bool.

    `bounds` are intervals that are known already, with what other tables tell.
    Raises ArithmeticError where the published counts contradict each other.
    """
    if bounds is None:
        bounds = propagate(public, with_users)
    narrow = _narrow(public, bounds, with_users, least)
    doubtful = ~public.known & ~narrow & (bounds.high > 0) & (bounds.width() < SUSPICIOUS * least)
    for parent in np.unique(np.maximum(public.parents[doubtful.any(axis=1)], 0)):
        family = np.concatenate([[parent], np.flatnonzero(public.parents == parent)])
        part, inside = _family(public, family), _rows(bounds, family)
        exact = programme(part, with_users, inside, doubtful[family], least)
        narrow[family] |= _narrow(part, exact, with_users, least) & doubtful[family]
    return narrow


def _narrow(public: Public, bounds: Bounds, with_users: bool, least: int) -> Array:
    too_close = bounds.width() < least
    if with_users:
        too_close |= bounds.users_low >= bounds.users_high
    # What is published nowhere has no name; its sum in a cluster is the cluster's `other`, which passed the limits.
    named = np.array([value != UNSEEN for value in public.values])
    return ~public.known & named & (bounds.high > 0) & too_close


def _family(public: Public, nodes: Array) -> Public:
    """One parent and its children as a release of their own."""
    rows = ("totals", "people", "counts", "users", "known", "rest", "rest_users", "rest_users_least")
    parents = np.concatenate([[-1], np.zeros(nodes.size - 1, dtype=np.int64)])
    return replace(public, parents=parents, **{name: getattr(public, name)[nodes] for name in rows})


def _rows(bounds: Bounds, nodes: Array) -> Bounds:
    return Bounds(bounds.low[nodes], bounds.high[nodes], bounds.users_low[nodes], bounds.users_high[nodes])
