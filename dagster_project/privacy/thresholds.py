"""Who may be counted: the smallest group that is ever released, at nodes and at cells.

Source: specs/privacy_reliability.md 1.3 (rules 1 and 2); the `aei` preset carries the Economic Index's
figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import polars as pl

from dagster_project.errors import ObservatoryError

FLOOR = 5
UNKNOWN_USER = 0
REASONS = ("users", "conversations", "dominance", "unknown_users")


@dataclass(frozen=True)
class Limits:
    """The test one group of conversations has to pass before its count is published."""

    min_users: int
    min_conversations: int
    max_user_share: float

    def reason(self) -> pl.Expr:
        """First test a group fails, or null. Reads `users`, `conversations`, `top` and `unknown`."""
        dominated = pl.col("top") > self.max_user_share * pl.col("conversations")
        pooled = pl.col("unknown") > self.max_user_share * pl.col("conversations")
        return (
            pl.when(pl.col("users") < self.min_users)
            .then(pl.lit("users"))
            .when(pl.col("conversations") < self.min_conversations)
            .then(pl.lit("conversations"))
            .when(pooled)
            .then(pl.lit("unknown_users"))
            .when(dominated)
            .then(pl.lit("dominance"))
            .otherwise(pl.lit(None, dtype=pl.String))
        )

    @property
    def min_diverse_users(self) -> int:
        """Users who must stay outside a sensitive value (l-diversity, spec 1.3 rule 4: k / 2)."""
        return math.ceil(self.min_users / 2)


@dataclass(frozen=True)
class Thresholds:
    """Limits of a release. Cells take the nodes' limits where theirs are not given.

    Raises ObservatoryError for minimums under the floor of 5 unless `unsafe_below_floor=True`.
    """

    min_users: int = 10
    min_conversations: int = 15
    max_user_share: float = 0.5
    cell_min_users: int | None = None
    cell_min_conversations: int | None = None
    min_merged: int = 2
    unsafe_below_floor: bool = False

    def __post_init__(self) -> None:
        """Refuse values that would name small groups."""
        if not 0 < self.max_user_share <= 1:
            raise ObservatoryError("max_user_share must be over 0 and at most 1")
        if self.min_merged < 2:
            raise ObservatoryError("min_merged must be at least 2: one merged group alone is no disguise")
        if self.cells.min_users > self.min_users or self.cells.min_conversations > self.min_conversations:
            raise ObservatoryError(
                "cells cannot ask for more than clusters do: raise min_users or min_conversations"
            )
        values = {
            "min_users": self.nodes.min_users,
            "min_conversations": self.nodes.min_conversations,
            "cell_min_users": self.cells.min_users,
            "cell_min_conversations": self.cells.min_conversations,
        }
        low = [name for name, value in values.items() if value < (1 if self.unsafe_below_floor else FLOOR)]
        if low:
            raise ObservatoryError(
                f"{', '.join(low)} under the floor of {FLOOR}: groups this small can be recognised. "
                f"Raise it, or pass unsafe_below_floor=True for data that is already public."
            )

    @property
    def nodes(self) -> Limits:
        """Limits of a cluster, at every level."""
        return Limits(self.min_users, self.min_conversations, self.max_user_share)

    @property
    def cells(self) -> Limits:
        """Limits of a cluster by language, week, model or concern band."""
        users = self.min_users if self.cell_min_users is None else self.cell_min_users
        least = self.min_conversations if self.cell_min_conversations is None else self.cell_min_conversations
        return Limits(users, least, self.max_user_share)

    @classmethod
    def preset(cls, name: str, **changes: object) -> Thresholds:
        """A named set of limits, with single values replaced. Raises ObservatoryError on an unknown name."""
        if name not in PRESETS:
            raise ObservatoryError(f"unknown thresholds {name!r}; choose from {', '.join(sorted(PRESETS))}")
        return replace(PRESETS[name], **changes)  # type: ignore[arg-type]


PRESETS = {
    "default": Thresholds(),
    "strict": Thresholds(min_users=25, min_conversations=50, cell_min_users=10, cell_min_conversations=15),
    "aei": Thresholds(min_users=250, min_conversations=500, cell_min_users=5, cell_min_conversations=15),
}


def user_codes() -> pl.Expr:
    """`user_key` as UInt32 `user`; null and empty keys share the code `UNKNOWN_USER`, so they are one user.

    The pooled bucket counts as one user and takes part in the dominance test: nobody can tell that it is
    not one person. A group that fails because of it is reported as `unknown_users`, not as a dominating user.
    """
    key = pl.col("user_key").replace("", None)
    return key.rank("dense").fill_null(UNKNOWN_USER).cast(pl.UInt32).alias("user")


def measure(entries: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Size of groups. In: `by`, user, n (one row each). Out: `by`, conversations, users, top, unknown.

    `top` is the conversations of the most active user (the pooled unknown one included), `unknown` those
    without a user id.
    """
    return entries.group_by(by).agg(
        conversations=pl.col("n").sum().cast(pl.Int64),
        users=pl.len().cast(pl.Int64),
        top=pl.col("n").max().cast(pl.Int64),
        unknown=pl.col("n").filter(pl.col("user") == UNKNOWN_USER).sum().cast(pl.Int64),
    )
