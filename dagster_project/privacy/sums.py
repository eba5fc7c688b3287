"""What remains of several figures of one release together when several of another are subtracted from them.

The finest published groups of a release, its leaf clusters and their cells with `other`, are apart and hold everybody, so every other
figure of a cluster is a sum of them. Of two releases they are the two sides of a graph whose edges are conversations
that lie in both groups. A union X of groups of one release holds a union Y of groups of the other where Y has no edge but to X;
X less Y are the edges from X to groups outside Y, and any linear combination of the groups' figures that is some set of
edges is a sum of such differences, each as small. Whether one is under the limits is a least cut for each small edge that
could be part of one (J.-C. Picard, Management Science 22 (1976) 1268-1272: closures as cuts). Groups that share an edge of
a crowd are on one side, so few small edges are left to ask about.
Source: specs/privacy_reliability.md 1.3, rules 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from dagster_project.privacy.changes import FOUND, Seen
from dagster_project.privacy.suppression import OTHER
from dagster_project.privacy.thresholds import Limits, user_codes

CLUSTER = "cluster"
SUM = "\u2211 several figures"
PERSON = ["conversation_id", "user_key"]
BLOCK = ["cluster_id", "value"]
Array = np.ndarray


@dataclass(frozen=True)
class _Overlaps:
    """Edges (E,): group of the minuend's release, group of the other (-1: none that may be subtracted), and weights."""

    whole: Array
    part: Array
    conversations: Array
    users: Array


def small_sums(before: Seen, after: Seen, nodes: Limits, cells: Limits) -> pl.DataFrame:
    """Groups of one release that several together leave too few people beside groups of the other within them.

    Compared are leaf clusters with leaf clusters, and their cells of each dimension, `other` among them. As in
    `remainders`, clusters of the later release that grew by a crowd are not subtracted from earlier ones, and whom one
    release tells apart by itself is left out: a second one adds nothing to that. Out: as
    `changes.FOUND`, the groups that hold the remaining people; `direction` as in `remainders`.
    """
    dimensions = pl.concat([before.cells["dimension"], after.cells["dimension"]]).unique().sort()
    sides = [_leaves(side) for side in (before, after)]
    found = [pl.DataFrame(schema=FOUND)]
    for dimension in [CLUSTER, *dimensions]:
        limits = nodes if dimension == CLUSTER else cells
        early, late = (
            _blocks(side, leaves, dimension) for side, leaves in zip((before, after), sides, strict=True)
        )
        both = early.join(late, on=PERSON, how="full", coalesce=True, nulls_equal=True, suffix="_after")
        few = _small_alone(early, limits), _small_alone(late, limits).rename({"block": "block_after"})
        both = both.join(few[0], on="block", how="anti").join(few[1], on="block_after", how="anti")
        edges = both.with_columns(user_codes()).group_by("block", "block_after").agg(
            conversations=pl.len().cast(pl.Int64), users=pl.col("user").n_unique().cast(pl.Int64)
        )  # fmt: skip
        grown = _grown(early, late, nodes)
        withheld = pl.when(~pl.col("block_after").is_in(grown.implode())).then("block_after")
        for direction, minuend, own, part in (
            ("gained", late, "block_after", pl.col("block")),
            ("lost", early, "block", withheld),
        ):
            asked = edges.select("conversations", "users", whole=own, part=part)
            small = _exposed(asked, limits)
            groups = minuend.unique("block").filter(pl.col("block").is_in(small.implode()))
            told = pl.lit(dimension).alias("dimension"), pl.lit(direction).alias("direction")
            value = pl.format("{} " + SUM, pl.col("value").fill_null(""))
            found.append(groups.with_columns(value=value).select(*BLOCK, *told).select(FOUND.keys()))
    return pl.concat(found)


def _small_alone(blocks: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Groups that hold too few by themselves, as after an erasure. Out: block."""
    sizes = blocks.group_by("block").agg(conversations=pl.len(), users=pl.col("user_key").n_unique())
    few = (pl.col("conversations") < limits.min_conversations) | (pl.col("users") < limits.min_users)
    return sizes.filter(few).select("block")


def _leaves(seen: Seen) -> pl.DataFrame:
    """Members with the published cluster that holds each and has no published cluster below it: `cluster_id`."""
    groups = seen.members.select("clusters").unique().with_row_index("group")
    placed = groups.explode("clusters").rename({"clusters": "cluster_id"}).drop_nulls()
    above = placed.join(seen.clusters.select("cluster_id", "parent_id"), on="cluster_id")
    leaves = above.join(
        above.select("group", cluster_id="parent_id"), on=["group", "cluster_id"], how="anti"
    ).select("group", "cluster_id")
    leaf = groups.join(leaves, on="group").select("clusters", "cluster_id")
    return seen.members.drop("cluster_id", strict=False).join(leaf, on="clusters")


def _blocks(seen: Seen, leaves: pl.DataFrame, dimension: str) -> pl.DataFrame:
    """The finest figure that counts each conversation. Out: `PERSON`, cluster_id, value, block.

    `value` is null for a cluster, or where a cluster is not divided by the dimension.
    """
    nothing = pl.lit(None, dtype=pl.String)
    if dimension == CLUSTER:
        placed = leaves.select(*PERSON, "cluster_id", value=nothing)
    else:
        cells = seen.cells.filter(pl.col("dimension") == dimension).select(BLOCK)
        told = cells.filter(pl.col("value") != OTHER).with_columns(told=True)
        divided = cells.select("cluster_id").unique().with_columns(divided=True)
        own = leaves.select(*PERSON, "cluster_id", value=dimension)
        own = own.join(told, on=BLOCK, how="left").join(divided, on="cluster_id", how="left")
        value = pl.when("told").then("value").when("divided").then(pl.lit(OTHER)).otherwise(nothing)
        placed = own.select(*PERSON, "cluster_id", value=value)
    codes = placed.select(BLOCK).unique().with_row_index("block")
    return placed.join(codes, on=BLOCK, nulls_equal=True)


def _grown(early: pl.DataFrame, late: pl.DataFrame, limits: Limits) -> pl.Series:
    """Later blocks whose cluster holds a crowd more than before; one that was not there may have grown as the whole has."""
    sizes = late.group_by("cluster_id").len().join(
        early.group_by("cluster_id").len(), on="cluster_id", how="left", suffix="_before"
    )  # fmt: skip
    more = pl.col("len").cast(pl.Int64) - pl.col("len_before").cast(pl.Int64)
    clusters = sizes.filter(more.fill_null(late.height - early.height) >= limits.min_conversations)
    return late.join(clusters, on="cluster_id", how="semi")["block"].unique()


def _exposed(asked: pl.DataFrame, limits: Limits) -> pl.Series:
    """Groups that hold a rest under the limits. In: whole, part (null: nothing to subtract), conversations, users."""
    # Who is not in the minuend's release at all is in none of its sums, nor is then a group that holds them.
    never = asked.filter(pl.col("whole").is_null())["part"].unique().drop_nulls()
    part = pl.when(~pl.col("part").is_in(never.implode())).then("part")
    merged = (
        asked.drop_nulls("whole")
        .with_columns(part=part)
        .group_by("whole", "part")
        .agg(pl.col("conversations", "users").sum())
    )
    edges = _Overlaps(
        merged["whole"].to_numpy().astype(np.int64),
        merged["part"].cast(pl.Int64).fill_null(-1).to_numpy(),
        merged["conversations"].to_numpy(),
        merged["users"].to_numpy(),
    )
    found = [
        _small_cuts(edges, weight, least)
        for weight, least in (
            (edges.conversations, limits.min_conversations),
            (edges.users, limits.min_users),
        )
    ]
    return pl.Series(np.unique(np.concatenate(found)), dtype=merged.schema["whole"])


def _small_cuts(edges: _Overlaps, weight: Array, least: int) -> Array:
    """Groups at the near end of edges that are part of a difference of two unions which weighs under `least`."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components, maximum_flow

    outside = edges.part < 0
    wholes = int(edges.whole.max(initial=-1)) + 1
    nowhere = wholes + int(edges.part.max(initial=-1)) + 1
    part = np.where(outside, nowhere, wholes + edges.part)
    # A group that is subtracted takes along all that it overlaps; one that is added those that it shares a crowd with.
    crowd = (weight >= least) & ~outside
    start = np.concatenate([part[~outside], edges.whole[crowd]])
    end = np.concatenate([edges.whole[~outside], part[crowd]])
    links = csr_array((np.ones(start.size), (start, end)), shape=(nowhere + 1, nowhere + 1))
    count, side = connected_components(links, directed=True, connection="strong")
    near, far = side[edges.whole], side[part]
    apart = near != far
    doubtful = apart & (weight < least)
    never = int(weight.sum()) + 1
    forced = apart & ~outside
    rows = np.concatenate([near[apart], far[forced]])
    columns = np.concatenate([far[apart], near[forced]])
    capacity = np.concatenate([weight[apart], np.full(int(forced.sum()), never)]).astype(np.int32)
    pairs, place = np.unique(np.column_stack([near, far])[doubtful], axis=0, return_inverse=True)
    small = np.zeros(len(pairs), dtype=bool)
    for index, (source, left) in enumerate(pairs):
        # What is left of the sum goes nowhere, as conversations do that the other release does not hold.
        ends = np.append(rows, left), np.append(columns, side[nowhere])
        network = csr_array((np.append(capacity, never).astype(np.int32), ends), shape=(count, count))
        small[index] = maximum_flow(network, int(source), int(side[nowhere])).flow_value < least
    return np.unique(edges.whole[doubtful][small[place.ravel()]])
