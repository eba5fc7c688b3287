"""How much one user may add to a release: at most so many clusters, and so many conversations in each.

What is left out is chosen by a keyed hash, never by the order of the input: the same home leaves out the same
conversations in every run, and nobody without its secret can tell which. Source: specs/privacy_reliability.md 1.3,
rule 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from dagster_project.privacy.identity import keyed_rank

NOBODY = ""


@dataclass(frozen=True)
class Bounds:
    """Clusters of one user (L0) and conversations of one user in each of them (Linf); None leaves one unbounded."""

    clusters: int | None = None
    conversations: int | None = None

    @property
    def any(self) -> bool:
        """Whether anything is bounded."""
        return self.clusters is not None or self.conversations is not None


def bound_contributions(
    rows: pl.DataFrame,
    bounds: Bounds,
    secret: bytes,
    *,
    group: str = "cluster_id",
    item: str = "conversation_id",
) -> pl.DataFrame:
    """Rows that are counted, in their order.

    In: `user_key` (null and empty are together one user), `group`, `item` (unique within user and group) and any
    other column. Out: the rows of at most `bounds.clusters` groups of each user, and of at most
    `bounds.conversations` items of each user in each group.
    """
    user = pl.col("user_key").fill_null(NOBODY)
    kept = rows
    if bounds.clusters is not None:
        pairs = kept.select(user.alias("user"), group).unique()
        surplus = _beyond(pairs, ["user"], ["user", group], bounds.clusters, secret, f"bound {group}")
        kept = kept.join(
            surplus, left_on=[user, group], right_on=["user", group], how="anti", maintain_order="left"
        )
    if bounds.conversations is not None:
        items = kept.select(user.alias("user"), group, item)
        surplus = _beyond(
            items, ["user", group], ["user", group, item], bounds.conversations, secret, f"bound {item}"
        )
        kept = kept.join(
            surplus,
            left_on=[user, group, item],
            right_on=["user", group, item],
            how="anti",
            maintain_order="left",
        )
    return kept


def _beyond(
    members: pl.DataFrame, owner: list[str], key: list[str], most: int, secret: bytes, purpose: str
) -> pl.DataFrame:
    """Members whose owner has more than `most`, from rank `most` on; only these are hashed. Out: `key`."""
    crowded = members.filter(pl.len().over(owner) > most)
    messages = crowded.select(pl.concat_str(key, separator="\x1f")).to_series()
    hashed = crowded.with_columns(rank=pl.Series(keyed_rank(secret, purpose, messages), dtype=pl.Binary))
    place = pl.struct("rank", *key).rank("ordinal").over(owner)
    return hashed.filter(place > most).select(key)
