"""The privacy report: what was shown, merged and withheld, in figures that give nothing away themselves.

By reason only clusters are counted: conversations by reason could be subtracted from a published `Other` and
leave one small cluster. Conversations and users are told by level, where they are sums over groups that have
passed the limits. Figures of fewer conversations than a cluster needs are null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from assets.clio.release.cells import Cells
from assets.clio.release.tree import AUDIT, CLOSED, OTHER_SUMMARY, Tree
from dagster_project.privacy.contributions import Bounds
from dagster_project.privacy.suppression import COMPLEMENT, OTHER
from dagster_project.privacy.thresholds import UNKNOWN_USER, Thresholds, measure, user_codes

Figures = dict[str, float | None]
UNBOUNDED = Bounds()
SCHEMA = {"scope": pl.String, "measure": pl.String, "value": pl.Float64, "explanation": pl.String}

WHY = {
    "users": "too few distinct users",
    "conversations": "too few conversations",
    "dominance": "one user wrote too large a share of it",
    "unknown_users": "too large a share of it has no user id, and may be one person's",
    COMPLEMENT: "large enough, but shown it would give a smaller sibling away by subtraction",
    CLOSED: "it lies under a cluster that is not shown or not divided",
}
KEPT, WITHHELD = "release_kept", "release_withheld"
WHY_AUDITED = {**WHY, AUDIT: "its name did not pass the privacy auditor"}
RELEASE = {
    "conversations": "Conversations in clusters; shares of clusters refer to them. Null: too few to publish.",
    "users": "Distinct users of these conversations, the privacy unit. All without a user id are one user.",
    "conversations_without_user": "Conversations in clusters without a user id. Null: some, too few to tell.",
    "conversations_unclustered": "Current conversations outside every cluster; in no table. Null: as above.",
    "conversations_uncounted": "Left out so that no user counts too often. Null: none, or of too few users.",
    "conversations_waiting": "Not counted yet, so that releases differ by crowds. Null: none, or of too few users.",
    KEPT: "1 where all tables are those of the release before, because too few people made the change.",
    "clusters": "Published clusters at all levels, those named Other included.",
}
THRESHOLDS = {
    "min_users": "Distinct users that a published cluster has at least.",
    "min_conversations": "Conversations that a published cluster has at least.",
    "cell_min_users": "Distinct users that a published cell has at least.",
    "cell_min_conversations": "Conversations that a published cell has at least.",
    "max_user_share": "Largest share one user may have in a published cluster or cell.",
    "max_user_clusters": "Base clusters in which one user is counted at most. Null: any number.",
    "max_user_conversations": "Conversations of one user counted in one base cluster at most. Null: any number.",
    "min_merged": "Groups that are merged into one Other at least.",
    "min_users_outside_concern": "Users of a cluster outside each published band of concern at least.",
    "unsafe_below_floor": "1 where limits under the floor of 5 were allowed; for tests only.",
}


def level_measures(reasons: Mapping[str, str]) -> dict[str, str]:
    """What is told of a level, and what it means."""
    return {
        "clusters_considered": "Clusters found at this level (0 is the finest).",
        "clusters_published": "Clusters published under their own name.",
        "other_published": "Clusters named Other, each of two or more merged ones.",
        **{
            f"clusters_withheld_{reason}": f"Merged or not shown because: {why}."
            for reason, why in reasons.items()
        },
        "conversations_unnamed": "Conversations in no named cluster of this level.",
        "users_unnamed": "Distinct users of these conversations.",
    }


DIMENSION = {
    "values": "Values common enough to be shown at all.",
    "cells_considered": "Published clusters times values common enough to be shown.",
    "cells_published": "Cells published under their own value.",
    "cells_withheld": "Cells that are empty, too small, or would give others away.",
    "clusters_with_other": "Clusters where withheld values stand together as `other`.",
    "clusters_without_cells": "Clusters where nothing of this dimension can be shown safely.",
    "attack_rounds": "Times the attack on finished tables asked for more; the last found nothing.",
}


@dataclass(frozen=True)
class LeftOut:
    """Conversations that are in clusters but not counted (`user_key` of each): for good, by the bounds, or not yet."""

    bounds: Bounds = UNBOUNDED
    uncounted: pl.DataFrame | None = None
    waiting: pl.DataFrame | None = None


def report_table(
    conversations: pl.DataFrame,
    unclustered: int,
    tree: Tree,
    cells: Cells,
    thresholds: Thresholds,
    left_out: LeftOut,
    audited: bool = False,
) -> pl.DataFrame:
    """The published `privacy_report`.

    In: `user` of each conversation; how many have no cluster; who is left out; whether names were audited.
    """
    reasons = WHY_AUDITED if audited else WHY
    texts = level_measures(reasons)
    levels = tree.considered["level"].sort(descending=True)
    parts = [
        _rows("release", RELEASE, _release(conversations, unclustered, tree, thresholds, left_out)),
        _rows("thresholds", THRESHOLDS, _limits(thresholds, left_out.bounds)),
        *(_rows(f"level {level}", texts, _level(conversations, tree, level, reasons)) for level in levels),
        *(_rows(f"dimension {name}", DIMENSION, _dimension(name, tree, cells)) for name in cells.outcomes),
    ]
    return pl.concat(parts)


NOISY = {
    "epsilon": "Privacy budget that this release spends: its counts, given fixed cluster labels.",
    "delta": "Chance with which its guarantee may fail.",
    "budget_epsilon": "Budget of all noisy releases of this home together.",
    "budget_delta": "Chance with which the guarantee of all of them together may fail.",
    WITHHELD: "1 where no table holds counts: people were erased, and the budget has no release left to count the rest.",
}


def noisy_report(
    clusters: pl.DataFrame, thresholds: Thresholds, bounds: Bounds, spent: Mapping[str, float]
) -> pl.DataFrame:
    """The report of a release with noisy counts: nothing exact about conversations. `spent` holds `NOISY`."""
    total = clusters.filter(pl.col("parent_id").is_null())["conversations"].sum()
    figures: Figures = {**dict.fromkeys(RELEASE), "conversations": float(total) or None, KEPT: 0.0}
    return pl.concat(
        [
            _rows("release", RELEASE, {**figures, "clusters": float(clusters.height)}),
            _rows("thresholds", THRESHOLDS, _limits(thresholds, bounds)),
            _rows("differential privacy", NOISY, dict(spent)),
        ]
    )


def kept_report(report: pl.DataFrame) -> pl.DataFrame:
    """The report of the release before, saying that it was kept."""
    kept = (pl.col("scope") == "release") & (pl.col("measure") == KEPT)
    return report.with_columns(value=pl.when(kept).then(1.0).otherwise("value"))


def release_was_kept(report: pl.DataFrame) -> bool:
    """Whether a privacy report says that its release is the one before once more."""
    stated = report.filter((pl.col("scope") == "release") & (pl.col("measure") == KEPT))
    return bool(stated["value"].eq(1.0).any())


def release_is_withheld(report: pl.DataFrame) -> bool:
    """Whether a privacy report says that its tables are empty because an erasure could not pay for new counts."""
    return bool(report.filter(pl.col("measure") == WITHHELD)["value"].eq(1.0).any())


def _rows(scope: str, texts: dict[str, str], figures: Figures) -> pl.DataFrame:
    rows = [(scope, measure, figures[measure], text) for measure, text in texts.items()]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _release(
    conversations: pl.DataFrame, unclustered: int, tree: Tree, thresholds: Thresholds, left_out: LeftOut
) -> Figures:
    unknown = conversations.filter(pl.col("user") == UNKNOWN_USER).height
    whole = tree.nodes.head(1)
    return {
        "conversations": None if tree.empty else float(whole["conversations"].item()),
        "users": None if tree.empty else float(whole["users"].item()),
        "conversations_without_user": _told(unknown, thresholds.min_conversations),
        "conversations_unclustered": _told(unclustered, thresholds.min_conversations),
        "conversations_uncounted": _crowd(left_out.uncounted, thresholds),
        "conversations_waiting": _crowd(left_out.waiting, thresholds),
        KEPT: 0.0,
        "clusters": float(max(tree.nodes.height - 1, 0)),
    }


def _told(count: int, least: int) -> float | None:
    return float(count) if count == 0 or count >= least else None


def _crowd(rows: pl.DataFrame | None, thresholds: Thresholds) -> float | None:
    """How many conversations these are, where they pass the limits of a cluster. In: user_key of each."""
    if rows is None or rows.is_empty():
        return None
    entries = rows.select(user_codes()).group_by("user").agg(n=pl.len())
    size = measure(entries.with_columns(all=0), "all").with_columns(reason=thresholds.nodes.reason())
    return float(size["conversations"].item()) if size["reason"].item() is None else None


def _limits(thresholds: Thresholds, bounds: Bounds) -> Figures:
    nodes, cells = thresholds.nodes, thresholds.cells
    return {
        "min_users": float(nodes.min_users),
        "min_conversations": float(nodes.min_conversations),
        "cell_min_users": float(cells.min_users),
        "cell_min_conversations": float(cells.min_conversations),
        "max_user_share": nodes.max_user_share,
        "max_user_clusters": _number(bounds.clusters),
        "max_user_conversations": _number(bounds.conversations),
        "min_merged": float(thresholds.min_merged),
        "min_users_outside_concern": float(cells.min_diverse_users),
        "unsafe_below_floor": float(thresholds.unsafe_below_floor),
    }


def _number(value: int | None) -> float | None:
    return None if value is None else float(value)


def _level(conversations: pl.DataFrame, tree: Tree, level: int, why: Mapping[str, str]) -> Figures:
    at_level = tree.nodes.slice(1).filter(pl.col("level") == level)
    merged = at_level.filter(pl.col("summary") == OTHER_SUMMARY).height
    reasons = tree.fates.filter(pl.col("level") == level)["reason"]
    outside, users = _unnamed(conversations, tree, level)
    return {
        "clusters_considered": float(tree.considered.filter(pl.col("level") == level)["clusters"].sum()),
        "clusters_published": float(at_level.height - merged),
        "other_published": float(merged),
        **{f"clusters_withheld_{reason}": float((reasons == reason).sum()) for reason in why},
        "conversations_unnamed": outside,
        "users_unnamed": users,
    }


def _unnamed(conversations: pl.DataFrame, tree: Tree, level: int) -> tuple[float | None, float | None]:
    """Conversations and users outside the named clusters of a level."""
    if tree.empty:
        return None, None
    named = tree.nodes.filter(pl.col("level") == level, pl.col("summary") != OTHER_SUMMARY).select("node")
    bases = tree.members.join(named, on="node", how="semi").select("cluster_id").unique()
    outside = conversations.join(bases, on="cluster_id", how="anti")
    return float(outside.height), float(outside["user"].n_unique())


def _dimension(dimension: str, tree: Tree, cells: Cells) -> Figures:
    outcome = cells.outcomes[dimension]
    inside = outcome.shown.filter(pl.col("node") > 0)
    own = inside.filter(pl.col("value") != OTHER)
    values = outcome.shown.filter((pl.col("node") == 0) & (pl.col("value") != OTHER)).height
    clusters = tree.nodes.height - 1
    return {
        "values": float(values),
        "cells_considered": float(values * clusters),
        "cells_published": float(own.height),
        "cells_withheld": float(values * clusters - own.height),
        "clusters_with_other": float(inside.height - own.height),
        "clusters_without_cells": float(clusters - inside["node"].n_unique()),
        "attack_rounds": float(outcome.repeats),
    }
