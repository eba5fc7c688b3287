"""How far every opinion group agrees: counts by group, group-aware consensus, what speaks for a group. Source: spec 1.5.

A pass is a vote and stands in the denominator; a statement that was not seen is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from assets.collective_constitution.groups import NOBODY, Labels
from assets.collective_constitution.matrix import Floats, VoteMatrix
from schemas.constitution import AGREED, DISAGREED

SIGNIFICANT = 1.2816
"""One-sided 90 % point of the normal distribution."""


@dataclass(frozen=True)
class GroupCounts:
    """agrees, disagrees, voters: (G, S), counts by group and statement. statements: (S,) ids."""

    agrees: Floats
    disagrees: Floats
    voters: Floats
    statements: pl.Series


def group_counts(matrix: VoteMatrix, labels: Labels) -> GroupCounts:
    """Votes by group; labels are those of the matrix's rows. Participants of no group are left out."""
    members = np.stack([labels == group for group in range(max(labels.max(initial=NOBODY), 0) + 1)]).astype(
        np.float32
    )
    # Counts are whole numbers under 2^24, which single precision holds exactly.
    agrees, disagrees, voters = (
        (members @ said.astype(np.float32)).astype(float)
        for said in (matrix.votes == 1, matrix.votes == -1, matrix.seen)
    )
    return GroupCounts(agrees, disagrees, voters, matrix.statements)


def smoothed(counts: Floats, voters: Floats) -> Floats:
    """(counts + 1) / (voters + 2): one half where nobody has voted."""
    return (counts + 1) / (voters + 2)


def consensus(counts: GroupCounts) -> pl.DataFrame:
    """One row per statement: statement_id, groups, voters, agrees, disagrees, passes, fewest_voters, gac_agree,
    gac_disagree, agreement, rank.

    gac is the product over groups of the smoothed share. agreement is its G-th root, our own figure: products of more
    groups are lower. rank: 1 is the highest gac_agree, equal ones share it.
    """
    groups = len(counts.voters)
    gac = smoothed(counts.agrees, counts.voters).prod(axis=0)
    table = pl.DataFrame(
        {
            "statement_id": counts.statements,
            "groups": np.full(len(gac), groups),
            "voters": counts.voters.sum(axis=0),
            "agrees": counts.agrees.sum(axis=0),
            "disagrees": counts.disagrees.sum(axis=0),
            "passes": (counts.voters - counts.agrees - counts.disagrees).sum(axis=0),
            "fewest_voters": counts.voters.min(axis=0),
            "gac_agree": gac,
            "gac_disagree": smoothed(counts.disagrees, counts.voters).prod(axis=0),
            "agreement": gac ** (1 / groups),
        }
    )
    # Equal products of factors in another order differ in their last digits.
    return table.with_columns(rank=pl.col("gac_agree").round(12).rank("min", descending=True).cast(pl.UInt32))


def representativeness(counts: GroupCounts) -> pl.DataFrame:
    """One row per group and statement: what the group does more than all others together, and how surely.

    Columns: group_id, statement_id, voters, agrees, disagrees, passes, p_agree, p_disagree, side, ratio, z_share,
    z_ratio, representative, strength (what those that speak for a group are ordered by).
    """
    agree = _against_others(counts.agrees, counts.voters)
    disagree = _against_others(counts.disagrees, counts.voters)
    more = agree["ratio"] > disagree["ratio"]
    groups, statements = counts.voters.shape
    chosen = {name: np.where(more, agree[name], disagree[name]) for name in agree}
    passes = counts.voters - counts.agrees - counts.disagrees
    flat = {"voters": counts.voters, "agrees": counts.agrees, "disagrees": counts.disagrees, "passes": passes}
    shares = {
        "p_agree": smoothed(counts.agrees, counts.voters),
        "p_disagree": smoothed(counts.disagrees, counts.voters),
    }
    return pl.DataFrame(
        {
            "group_id": np.repeat(np.arange(groups), statements),
            "statement_id": pl.concat([counts.statements] * groups),
            "side": np.where(more, AGREED, DISAGREED).ravel(),
            **{name: values.ravel() for name, values in (flat | shares | chosen).items()},
        }
    ).with_columns(
        representative=(pl.col("z_share") > SIGNIFICANT) & (pl.col("z_ratio") > SIGNIFICANT),
        strength=pl.col("ratio") * pl.col("z_ratio") * pl.col("share") * pl.col("z_share"),
    )


def _against_others(said: Floats, voters: Floats) -> dict[str, Floats]:
    others, other_voters = said.sum(axis=0) - said, voters.sum(axis=0) - voters
    share, other_share = smoothed(said, voters), smoothed(others, other_voters)
    return {
        "share": share,
        "ratio": share / other_share,
        "z_share": z_of_share(said, voters),
        "z_ratio": z_of_two(said, voters, others, other_voters),
    }


def z_of_share(said: Floats, voters: Floats) -> Floats:
    """Statistic of a share against one half, with one count added."""
    return 2 * np.sqrt(voters + 1) * ((said + 1) / (voters + 1) - 0.5)


def z_of_two(said: Floats, voters: Floats, others: Floats, other_voters: Floats) -> Floats:
    """Statistic of the difference of two shares, with one count added to each; 0 where all are the same."""
    one, two = (said + 1) / (voters + 1), (others + 1) / (other_voters + 1)
    pooled = (said + others + 2) / (voters + other_voters + 2)
    variance = pooled * (1 - pooled) * (1 / (voters + 1) + 1 / (other_voters + 1))
    positive = variance > 0
    return np.where(positive, (one - two) / np.sqrt(np.where(positive, variance, 1)), 0.0)


def select(
    scores: pl.DataFrame,
    *,
    agreement: float | None = None,
    consensus: float | None = None,
    top: int | None = None,
) -> pl.Series:
    """Whether each statement is selected, by the one rule that is given; equal ones at the cut are in together."""
    if top is not None:
        return (scores["rank"] <= top).alias("selected")
    if consensus is not None:
        return (scores["gac_agree"] >= consensus).alias("selected")
    return (scores["agreement"] >= (agreement or 0)).alias("selected")
