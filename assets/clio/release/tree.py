"""The tree of published clusters: small ones merged into `Other` beside their siblings, from the top down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from assets.clio.release.words import clean
from dagster_project.errors import ObservatoryError
from dagster_project.privacy.suppression import COMPLEMENT, merge_small
from dagster_project.privacy.thresholds import Thresholds, measure

TOP = ""
MERGED_SMALL = "other-"
OTHER_NAME, OTHER_FALLBACK = "Other", "Other groups"
OTHER_SUMMARY = "Groups that too few people share, or that would give such a group away, counted together."
CLOSED = "closed"
AUDIT = "audit"
NOISY = "dp"
SCHEMA = {
    "node": pl.UInt32,
    "parent": pl.UInt32,
    "cluster_id": pl.String,
    "parent_id": pl.String,
    "level": pl.UInt8,
    "name": pl.String,
    "summary": pl.String,
    "users": pl.Int64,
    "conversations": pl.Int64,
}


@dataclass(frozen=True)
class Tree:
    """Published clusters, and what became of all others.

    nodes : node, parent, cluster_id, parent_id, level, name, summary, users, conversations
        Breadth first, children of one node contiguous; row 0 is the whole release. Empty where nothing may be
        shown.
    members : cluster_id (base), node
        Every published node that a base cluster's conversations count for, node 0 included.
    fates : cluster_id, level, reason
        Clusters that are not shown; `complement` merged to protect a sibling, `closed` under one that is not
        shown.
    considered : level, clusters
        How many clusters with conversations each level had.
    """

    nodes: pl.DataFrame
    members: pl.DataFrame
    fates: pl.DataFrame
    considered: pl.DataFrame

    @property
    def parents(self) -> np.ndarray:
        """Parent of each node; -1 for the whole release. (N,) int."""
        return np.concatenate([[-1], self.nodes["parent"][1:].to_numpy().astype(np.int64)])

    @property
    def empty(self) -> bool:
        """Whether the release as a whole is too small to show."""
        return self.nodes.height == 0

    @property
    def totals(self) -> pl.DataFrame:
        """node, cluster_id, level, cluster_conversations of every published cluster."""
        return self.nodes.slice(1).select(
            "node", "cluster_id", "level", cluster_conversations="conversations"
        )


def grow_tree(
    conversations: pl.DataFrame,
    nodes: pl.DataFrame,
    thresholds: Thresholds,
    shown_before: pl.DataFrame | None = None,
    only_told: bool = False,
    withheld: pl.Series | None = None,
) -> Tree:
    """Decide which clusters are shown.

    In: `cluster_id` (base), `user` of each conversation; the tree; `cluster_id` of those that the release before showed,
    which are not merged to protect others while others will do; with `only_told` no others are shown beside them;
    `withheld` ids of those that may not be shown under any name.

    Raises ObservatoryError where a cluster has no row in `nodes`, or parents do not lead to the top.
    """
    entries = conversations.lazy().group_by("cluster_id", "user").agg(n=pl.len().cast(pl.Int64)).collect()
    if entries.is_empty():
        return _nothing(nodes)
    paths = paths_to_top(entries.select("cluster_id").unique(), nodes)
    counted = entries.rename({"cluster_id": "base"}).join(paths, on="base")
    counted = counted.group_by("cluster_id", "user").agg(pl.col("n").sum())
    total = entries.group_by("user").agg(pl.col("n").sum()).with_columns(cluster_id=pl.lit(TOP))
    if _failing(measure(total, "cluster_id"), thresholds).height:
        return _nothing(nodes)
    told = None if shown_before is None else shown_before.select("parent_id", item="cluster_id")
    shown, others, fates = _descend(counted, nodes, thresholds, told, only_told, withheld)
    return _assemble(shown, others, fates, nodes, paths, pl.concat([counted, total.select(counted.columns)]))


def paths_to_top(bases: pl.DataFrame, nodes: pl.DataFrame) -> pl.DataFrame:
    """Every base cluster with itself and all that hold it. Out: base, cluster_id."""
    links = nodes.select("cluster_id", "parent_id")
    step = bases.select(base="cluster_id", cluster_id="cluster_id")
    orphans = links.join(links.select(parent_id="cluster_id"), on="parent_id", how="anti").drop_nulls(
        "parent_id"
    )
    if orphans.height or step.join(links, on="cluster_id", how="anti").height:
        raise ObservatoryError(
            "cluster_nodes lacks clusters that are assigned to or named as parents; cluster again"
        )
    found = []
    for _ in range(nodes["level"].n_unique() + 1):
        if step.is_empty():
            return pl.concat(found)
        found.append(step)
        step = (
            step.join(links, on="cluster_id").drop_nulls("parent_id").select("base", cluster_id="parent_id")
        )
    raise ObservatoryError("the parents in cluster_nodes run in a circle or skip the top; cluster again")


def _failing(sizes: pl.DataFrame, thresholds: Thresholds) -> pl.DataFrame:
    return sizes.with_columns(reason=thresholds.nodes.reason()).drop_nulls("reason")


def _descend(
    counted: pl.DataFrame,
    nodes: pl.DataFrame,
    thresholds: Thresholds,
    told: pl.DataFrame | None,
    only_told: bool,
    withheld: pl.Series | None,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Walk from the top; children are looked at where their parent is shown.

    Out: shown (cluster_id, parent_id), others (cluster_id, parent_id, item) and fates (cluster_id, reason).
    """
    links = nodes.select(item="cluster_id", group=pl.col("parent_id").fill_null(TOP))
    links = links.join(counted.select(item="cluster_id").unique(), on="item", how="semi")
    open_groups = pl.DataFrame({"group": [TOP]})
    shown, others, fates = [], [], []
    while True:
        children = links.join(open_groups, on="group", how="semi")
        if children.is_empty():
            break
        entries = children.join(counted.rename({"cluster_id": "item"}), on="item")
        sizes = measure(entries, "group", "item")
        failing = _failing(sizes, thresholds).select("group", "item", "reason")
        if withheld is not None:
            barred = sizes.filter(pl.col("item").is_in(withheld.implode())).join(
                failing, on="item", how="anti"
            )
            failing = pl.concat([failing, barred.select("group", "item", reason=pl.lit(AUDIT))])
        if told is not None and only_told:
            failing = pl.concat([failing, _told_anew(sizes.join(failing, on="item", how="anti"), told)])
        merged = merge_small(entries, failing, thresholds.nodes, thresholds.min_merged, told)
        kept = children.join(merged, on="item", how="anti")
        shown.append(kept)
        others.append(merged.filter(~pl.col("closed")).select("group", "item"))
        fates.append(merged.select(cluster_id="item", reason="reason"))
        open_groups = kept.select(group="item")
    return pl.concat(shown), pl.concat(others), pl.concat(fates)


def _told_anew(items: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Items that the release before may have merged: outside what it told (item, parent_id). Out: group, item, reason."""
    merged = pl.col("item").str.starts_with(MERGED_SMALL)
    groups = told.group_by(group=pl.col("parent_id").fill_null(TOP)).agg(merged.any().alias("merged"))
    complete = groups.filter(~pl.col("merged"))
    anew = items.join(complete, on="group", how="anti").join(told, on="item", how="anti")
    return anew.select("group", "item", reason=pl.lit(COMPLEMENT))


def _assemble(
    shown: pl.DataFrame,
    others: pl.DataFrame,
    fates: pl.DataFrame,
    nodes: pl.DataFrame,
    paths: pl.DataFrame,
    counted: pl.DataFrame,
) -> Tree:
    """Bring what was decided into one numbered tree."""
    kept = shown.rename({"item": "cluster_id"}).join(
        nodes.select("cluster_id", "level", name=clean("name"), summary=clean("summary")), on="cluster_id"
    )
    kept = kept.with_columns(
        pl.when(pl.col("name") == "").then(pl.lit("Unnamed")).otherwise("name").alias("name")
    )
    rest = _other_nodes(others, kept, nodes)
    numbered = _number(pl.concat([kept.select(rest.columns), rest]))
    base = paths.join(
        pl.concat(
            [
                shown.select(cluster_id="item", place="item"),
                others.select(cluster_id="item", place=_other_id("group")),
            ]
        ),
        on="cluster_id",
    )
    members = (
        base.join(numbered.select("node", place="cluster_id"), on="place").select("base", "node").unique()
    )
    root = paths.select("base").unique().with_columns(node=pl.lit(0, dtype=members.schema["node"]))
    members = pl.concat([root, members]).rename({"base": "cluster_id"})
    sizes = _sizes(counted, others)
    table = numbered.join(sizes, on="cluster_id", how="left", maintain_order="left").select(SCHEMA.keys())
    filled = nodes.join(counted.select("cluster_id").unique(), on="cluster_id", how="semi")
    return Tree(table, members, _all_fates(fates, shown, filled), _considered(filled))


def _other_id(parent: str) -> pl.Expr:
    """Id of the node that holds the merged children of the cluster in column `parent` (`TOP`: of none)."""
    top = pl.col(parent) == TOP
    return pl.lit(MERGED_SMALL) + pl.when(top).then(pl.lit("top")).otherwise(pl.col(parent))


def _other_nodes(others: pl.DataFrame, kept: pl.DataFrame, nodes: pl.DataFrame) -> pl.DataFrame:
    """One node for each group that merged some of its items. Out: group, cluster_id, level, name, summary."""
    taken = kept.filter(pl.col("name").str.to_lowercase() == OTHER_NAME.lower()).select("group", taken=True)
    levels = others.join(nodes.select(item="cluster_id", level="level"), on="item")
    made = levels.group_by("group").agg(pl.col("level").max()).join(taken.unique(), on="group", how="left")
    name = pl.when(pl.col("taken")).then(pl.lit(OTHER_FALLBACK)).otherwise(pl.lit(OTHER_NAME))
    return made.select(
        "group",
        _other_id("group").alias("cluster_id"),
        "level",
        name.alias("name"),
        summary=pl.lit(OTHER_SUMMARY),
    )


def _number(clusters: pl.DataFrame) -> pl.DataFrame:
    """Number clusters breadth first, below row 0 for the whole release; adds node, parent, parent_id."""
    schema = {"node": pl.UInt32, "parent": pl.UInt32, **clusters.schema}
    layer = pl.DataFrame(
        {"node": [0], "parent": [None], "cluster_id": [TOP]}, schema_overrides={"node": pl.UInt32}
    )
    layers, following = [layer], 1
    while layer.height:
        above = layer.select(parent="node", group="cluster_id")
        layer = (
            clusters.join(above, on="group")
            .sort("parent", "cluster_id")
            .with_row_index("node", offset=following)
        )
        following += layer.height
        layers.append(layer)
    table = pl.concat(layers, how="diagonal_relaxed").select(schema.keys())
    return table.with_columns(parent_id=pl.when(pl.col("group") != TOP).then(pl.col("group")))


def _sizes(counted: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Users and conversations of every published node."""
    merged = counted.join(others.select(cluster_id="item", group="group"), on="cluster_id")
    merged = (
        merged.with_columns(cluster_id=_other_id("group"))
        .group_by("cluster_id", "user")
        .agg(pl.col("n").sum())
    )
    both = pl.concat([counted, merged.select(counted.columns)])
    return measure(both, "cluster_id").select("cluster_id", "users", "conversations")


def _considered(nodes: pl.DataFrame) -> pl.DataFrame:
    return nodes.group_by("level").agg(clusters=pl.len()).sort("level")


def _all_fates(fates: pl.DataFrame, shown: pl.DataFrame, nodes: pl.DataFrame) -> pl.DataFrame:
    """Reason for every cluster that is not shown; those never looked at stand under one that is not shown."""
    gone = nodes.select("cluster_id", "level").join(shown, left_on="cluster_id", right_on="item", how="anti")
    return gone.join(fates, on="cluster_id", how="left").with_columns(pl.col("reason").fill_null(CLOSED))


def _nothing(nodes: pl.DataFrame) -> Tree:
    fates = nodes.select("cluster_id", "level", reason=pl.lit(CLOSED))
    members = pl.DataFrame(schema={"cluster_id": pl.String, "node": pl.UInt32})
    return Tree(pl.DataFrame(schema=SCHEMA), members, fates, _considered(nodes))
