"""Shares of a part in a whole, many at once, where users are the sample."""

from __future__ import annotations

import polars as pl

from dagster_project.statistics.intervals import CONFIDENCE, clustered_wilson


def share_intervals(
    part: pl.DataFrame, whole: pl.DataFrame, by: list[str], over: list[str], confidence: float = CONFIDENCE
) -> pl.DataFrame:
    """Share of each part in its whole, with an interval clustered by user.

    Parameters
    ----------
    part : *by, user, n
        Conversations of each user in the parts.
    whole : *over, user, n
        Conversations of each user in the wholes; `over` is among `by`, and every user of a part is in its whole.

    Returns
    -------
    *by, users, conversations, whole, share, low, high
        `whole` are the conversations of the whole.

    A user's influence on a share is (in the part - share * in the whole) / whole; the sum of its squares is
    expanded into sums of products, since most users of a whole are in few of its parts.

    """
    n, m = pl.col("n").cast(pl.Float64), pl.col("whole_n").cast(pl.Float64)
    own = part.join(whole.rename({"n": "whole_n"}), on=[*over, "user"]).group_by(by)
    sums = own.agg(
        users=pl.len(), conversations=pl.col("n").sum(), aa=(n * n).sum(), ab=(n * m).sum()
    )  # fmt: skip
    totals = whole.group_by(over).agg(whole=pl.col("n").sum(), people=pl.len(), bb=(n * n).sum())
    share = pl.col("conversations") / pl.col("whole")
    scale = pl.col("people") / (pl.col("people") - 1).clip(1)
    squares = pl.col("aa") - 2 * share * pl.col("ab") + share**2 * pl.col("bb")
    table = sums.join(totals, on=over).sort(by)
    table = table.with_columns(share=share, variance=(scale * squares / pl.col("whole") ** 2).clip(0))
    part_n, whole_n, variance, users = (
        table[name].to_numpy() for name in ("conversations", "whole", "variance", "users")
    )
    found = clustered_wilson(part_n, whole_n, variance, users, confidence)
    return table.select(*by, "users", "conversations", "whole", "share").with_columns(
        low=pl.Series(found.low), high=pl.Series(found.high)
    )
