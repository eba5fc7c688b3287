"""The privacy report: what was shown, merged and withheld, in figures that give nothing away themselves.

By reason only clusters are counted: conversations by reason could be subtracted from a published `Other` and leave
one small cluster. Conversations and users are told by level, where they are sums over groups that passed the limits.
"""

from __future__ import annotations

import polars as pl

from assets.clio.release.cells import Cells
from assets.clio.release.tree import CLOSED, OTHER_SUMMARY, Tree
from dagster_project.privacy.suppression import COMPLEMENT, OTHER
from dagster_project.privacy.thresholds import REASONS, UNKNOWN_USER, Thresholds

Row = tuple[str, str, float | None, str]
SCHEMA = {"scope": pl.String, "measure": pl.String, "value": pl.Float64, "explanation": pl.String}

WHY = {
    "users": "too few distinct users",
    "conversations": "too few conversations",
    "dominance": "one user wrote too large a share of it",
    "unknown_users": "too large a share of it has no user id, and may be one person's",
    COMPLEMENT: "large enough, but shown it would give a smaller sibling away by subtraction",
    CLOSED: "it lies under a cluster that is not shown or not divided",
}


def report_table(
    conversations: pl.DataFrame, unclustered: int, tree: Tree, cells: Cells, thresholds: Thresholds
) -> pl.DataFrame:
    """The published `privacy_report`. In: `user` of each conversation; how many have no cluster."""
    rows = [
        *_release(conversations, unclustered, tree, thresholds),
        *_limits(thresholds),
        *(row for level in tree.considered["level"].sort(descending=True) for row in _level(conversations, tree, level)),
        *(row for dimension in cells.outcomes for row in _dimension(dimension, tree, cells)),
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _release(conversations: pl.DataFrame, unclustered: int, tree: Tree, thresholds: Thresholds) -> list[Row]:
    scope, small = "release", thresholds.min_conversations
    unknown = conversations.filter(pl.col("user") == UNKNOWN_USER).height
    users = None if tree.empty else float(tree.nodes["users"][0])
    total = None if tree.empty else float(tree.nodes["conversations"][0])
    return [
        (scope, "conversations", total, "Conversations in clusters; shares of clusters refer to them. Null: too few to publish anything."),
        (scope, "users", users, "Distinct users of these conversations; the privacy unit. All without a user id count as one user."),
        (scope, "conversations_without_user", _told(unknown, small), "Conversations in clusters without a user id. Null: some, but too few to tell."),
        (scope, "conversations_unclustered", _told(unclustered, small), "Current conversations outside every cluster, published nowhere. Null: some, but too few to tell."),
        (scope, "clusters", float(max(tree.nodes.height - 1, 0)), "Published clusters at all levels, those named Other included."),
    ]  # fmt: skip


def _told(count: int, least: int) -> float | None:
    return float(count) if count == 0 or count >= least else None


def _limits(thresholds: Thresholds) -> list[Row]:
    nodes, cells = thresholds.nodes, thresholds.cells
    figures = {
        "min_users": (nodes.min_users, "Distinct users that a published cluster has at least."),
        "min_conversations": (nodes.min_conversations, "Conversations that a published cluster has at least."),
        "cell_min_users": (cells.min_users, "Distinct users that a published cell has at least."),
        "cell_min_conversations": (cells.min_conversations, "Conversations that a published cell has at least."),
        "max_user_share": (nodes.max_user_share, "Largest share one user may have in a published cluster or cell."),
        "min_merged": (thresholds.min_merged, "Groups that are merged into one Other at least."),
        "min_users_outside_concern": (
            cells.min_diverse_users,
            "Users of a cluster who stay outside each of its published bands of concern at least.",
        ),
        "unsafe_below_floor": (
            float(thresholds.unsafe_below_floor),
            "1 where limits under the floor of 5 were allowed; such a release is for tests only.",
        ),
    }
    return [("thresholds", name, float(value), text) for name, (value, text) in figures.items()]


def _level(conversations: pl.DataFrame, tree: Tree, level: int) -> list[Row]:
    scope = f"level {level}"
    at_level = tree.nodes.slice(1).filter(pl.col("level") == level)
    merged = at_level.filter(pl.col("summary") == OTHER_SUMMARY).height
    fates = tree.fates.filter(pl.col("level") == level)
    considered = tree.considered.filter(pl.col("level") == level)["clusters"].sum()
    outside, users = _unnamed(conversations, tree, level)
    return [
        (scope, "clusters_considered", float(considered), "Clusters found at this level (0 is the finest)."),
        (scope, "clusters_published", float(at_level.height - merged), "Clusters published under their own name."),
        (scope, "other_published", float(merged), "Clusters named Other, each of two or more merged ones."),
        *(_withheld(scope, reason, fates) for reason in (*REASONS, COMPLEMENT, CLOSED)),
        (scope, "conversations_unnamed", outside, "Conversations in no named cluster of this level."),
        (scope, "users_unnamed", users, "Distinct users of these conversations."),
    ]


def _withheld(scope: str, reason: str, fates: pl.DataFrame) -> Row:
    count = float(fates.filter(pl.col("reason") == reason).height)
    return (scope, f"clusters_withheld_{reason}", count, f"Clusters merged or not shown because: {WHY[reason]}.")


def _unnamed(conversations: pl.DataFrame, tree: Tree, level: int) -> tuple[float | None, float | None]:
    """Conversations and users outside the named clusters of a level; the whole release must be large enough."""
    if tree.empty:
        return None, None
    named = tree.nodes.filter((pl.col("level") == level) & (pl.col("summary") != OTHER_SUMMARY)).select("node")
    bases = tree.members.join(named, on="node", how="semi").select("cluster_id").unique()
    outside = conversations.join(bases, on="cluster_id", how="anti")
    return float(outside.height), float(outside["user"].n_unique())


def _dimension(dimension: str, tree: Tree, cells: Cells) -> list[Row]:
    scope, outcome = f"dimension {dimension}", cells.outcomes[dimension]
    inside = outcome.shown.filter(pl.col("node") > 0)
    own, rest = inside.filter(pl.col("value") != OTHER), inside.filter(pl.col("value") == OTHER)
    values = outcome.shown.filter((pl.col("node") == 0) & (pl.col("value") != OTHER)).height
    clusters = tree.nodes.height - 1
    considered = float(values * clusters)
    without = float(clusters - inside["node"].n_unique())
    return [
        (scope, "values", float(values), "Values common enough to be shown at all."),
        (scope, "cells_considered", considered, "Published clusters times values common enough to be shown."),
        (scope, "cells_published", float(own.height), "Cells published under their own value."),
        (scope, "cells_withheld", considered - own.height, "Cells that are empty, too small, or would give others away."),
        (scope, "clusters_with_other", float(rest.height), "Clusters where withheld values stand together as `other`."),
        (scope, "clusters_without_cells", without, "Clusters where nothing of this dimension can be shown safely."),
        (scope, "attack_rounds", float(outcome.repeats), "Times the attack on the finished tables asked to withhold more; it found nothing in the last."),
    ]  # fmt: skip
