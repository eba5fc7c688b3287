"""Merging what is too small to show: siblings of a tree, values of a cluster.

A group that fails its limits is merged with others of its parent into one group `other`. Alone it would be
the difference between the parent and the siblings that are shown, so the smallest sibling that passes is
merged too, until `other` itself passes and holds two or more. Items that an earlier release showed come last: its
figure would be subtracted from the new `other`. Source: specs/privacy_reliability.md 1.3, rule 3.
"""

from __future__ import annotations

import polars as pl

from dagster_project.privacy.thresholds import Limits, measure

OTHER = "other"
COMPLEMENT = "complement"


def merge_small(
    entries: pl.DataFrame,
    failing: pl.DataFrame,
    limits: Limits,
    min_merged: int = 2,
    shown_before: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Decide which items of each group are merged so that no merged item can be told from what is shown.

    Parameters
    ----------
    entries : group, item, user, n
        Conversations of each user in each item; one row per (group, item, user).
    failing : group, item, reason
        Items that may not be shown by themselves.
    limits, min_merged
        What the merged items of a group must reach together, and how many they must be.
    shown_before : item, optional
        Items that the release before showed; merged to protect others only where no other item is left.

    Returns
    -------
    group, item, reason, closed
        All merged items; `reason` is `complement` for those merged to protect others. `closed` is true where
        every item of the group is merged: then nothing below the group is shown.

    """
    sizes = measure(entries, "group", "item").select("group", "item", "conversations", told=pl.lit(False))
    if shown_before is not None:
        sizes = sizes.with_columns(told=pl.col("item").is_in(shown_before["item"].implode()))
    merged = failing.select("group", "item", "reason")
    while True:
        short = _short_groups(entries, merged, limits, min_merged)
        more = _smallest_shown(sizes, merged, short)
        if more.is_empty():
            break
        merged = pl.concat([merged, more.with_columns(reason=pl.lit(COMPLEMENT))])
    left = sizes.join(merged, on=["group", "item"], how="anti").select("group").unique()
    closed = (
        merged.join(left, on="group", how="anti").select("group").unique().with_columns(closed=pl.lit(True))
    )
    return merged.join(closed, on="group", how="left").with_columns(pl.col("closed").fill_null(False))


def _short_groups(
    entries: pl.DataFrame, merged: pl.DataFrame, limits: Limits, min_merged: int
) -> pl.DataFrame:
    """Groups whose merged items, taken together, may not be shown yet. Out: group."""
    together = entries.join(merged, on=["group", "item"], how="semi")
    union = together.group_by("group", "user").agg(pl.col("n").sum())
    items = merged.group_by("group").agg(items=pl.len())
    tested = measure(union, "group").join(items, on="group").with_columns(reason=limits.reason())
    return tested.filter(pl.col("reason").is_not_null() | (pl.col("items") < min_merged)).select("group")


def _smallest_shown(sizes: pl.DataFrame, merged: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    """The smallest item that is still shown, in each of `groups`, those told before last. Out: group, item."""
    shown = sizes.join(groups, on="group", how="semi").join(merged, on=["group", "item"], how="anti")
    return (
        shown.sort("group", "told", "conversations", "item")
        .group_by("group", maintain_order=True)
        .first()
        .select("group", "item")
    )
