"""A release with noisy counts: which clusters may be named, and how large they are, by differential privacy.

Given fixed cluster labels, the counts of this release are differentially private for one user. The labels are not:
they come from ordinary clustering. Parents are sums of noisy leaves, which costs nothing.
Source: specs/privacy_reliability.md 1.3, rules 6 to 10.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from assets.clio.release import Release, ReleaseTables, count_release
from assets.clio.release.report import noisy_report
from assets.clio.release.tree import NOISY, paths_to_top
from assets.clio.release.words import clean
from dagster_project.privacy.contributions import Bounds
from dagster_project.privacy.ledger import Ledger, Spending
from dagster_project.privacy.noise import noisy_counts, select_groups
from dagster_project.privacy.thresholds import Thresholds, user_codes

SELECTION = "choice of clusters and noisy users: discrete Laplace with threshold"
COUNTS = "noisy conversations: discrete Laplace"
DEFAULT_CLUSTERS, DEFAULT_CONVERSATIONS = 3, 5
ANSWER = {"cluster_id": pl.String, "users": pl.Int64, "conversations": pl.Int64}


@dataclass(frozen=True)
class Budget:
    """What one release may spend, what all may, and the bounds on one user behind the noise."""

    epsilon: float
    delta: float
    total: float
    clusters: int
    conversations: int

    @property
    def bounds(self) -> Bounds:
        """The bounds, for `privacy.contributions`."""
        return Bounds(self.clusters, self.conversations)

    def spendings(self) -> tuple[Spending, Spending]:
        """Half of epsilon for the choice of clusters with their users, half for conversations."""
        return (
            Spending(SELECTION, self.epsilon / 2, self.delta, self.clusters, 1),
            Spending(COUNTS, self.epsilon / 2, 0.0, self.clusters, self.conversations),
        )


def noisy_release(
    rows: pl.DataFrame,
    nodes: pl.DataFrame,
    *,
    budget: Budget,
    ledger: Ledger,
    secret: bytes,
    thresholds: Thresholds,
    makers: Mapping[str, str],
) -> Release:
    """Published tables with noisy counts; every table of exact counts is empty, and nobody is listed as counted.

    In: rows as `release.counting` bounds them, and the tree. Raises ObservatoryError where the budget is spent.
    """
    answer = ledger.answer(
        _fingerprint(rows, budget, secret), budget.spendings(), budget.total, lambda: _draw(rows, budget)
    )
    empty = count_release(rows.clear(), nodes.clear(), unclustered=0, thresholds=thresholds, makers=makers)
    clusters = _tree_of(answer, nodes, thresholds, makers).select(empty.tables.clusters.columns)
    spent = {"epsilon": budget.epsilon, "delta": budget.delta, "budget_epsilon": budget.total}
    tables = ReleaseTables(
        clusters,
        empty.tables.cluster_cells,
        empty.tables.language_contrasts,
        noisy_report(clusters, thresholds, budget.bounds, spent),
    )
    return Release(tables, empty.counted)


def _fingerprint(rows: pl.DataFrame, budget: Budget, secret: bytes) -> str:
    """Keyed hash of all that the noisy answer depends on, whatever the order of the rows."""
    ordered = rows.select("conversation_id", "user_key", "cluster_id").sort("conversation_id")
    content = repr((budget.epsilon, budget.delta, budget.clusters, budget.conversations)).encode()
    return hmac.digest(secret, content + ordered.write_csv().encode(), "sha256").hex()[:32]


def _draw(rows: pl.DataFrame, budget: Budget) -> pl.DataFrame:
    """Noisy users and conversations of the clusters that may be named. Out: `ANSWER`."""
    choice, counts = budget.spendings()
    sizes = (
        rows.with_columns(user_codes())
        .group_by("cluster_id")
        .agg(users=pl.col("user").n_unique(), conversations=pl.len())
    )
    users = dict(sizes.select("cluster_id", "users").iter_rows())
    named = sorted(select_groups(users, epsilon=choice.epsilon, delta=choice.delta, l0=choice.l0).items())
    exact = dict(sizes.select("cluster_id", "conversations").iter_rows())
    noisy = noisy_counts(
        [exact[name] for name, _ in named], epsilon=counts.epsilon, l0=counts.l0, linf=counts.linf
    )
    answer = [(name, people, count) for (name, people), count in zip(named, noisy, strict=True)]
    return pl.DataFrame(answer, schema=ANSWER, orient="row")


def _tree_of(
    answer: pl.DataFrame, nodes: pl.DataFrame, thresholds: Thresholds, makers: Mapping[str, str]
) -> pl.DataFrame:
    """`clusters` from noisy leaves: those large enough after the noise, and sums of them above."""
    limits = thresholds.nodes
    leaves = answer.with_columns(conversations=pl.max_horizontal("conversations", "users")).filter(
        pl.col("users") >= limits.min_users, pl.col("conversations") >= limits.min_conversations
    )
    held = (
        paths_to_top(leaves.select("cluster_id"), nodes)
        if leaves.height
        else leaves.select("cluster_id", base="cluster_id")
    )
    sizes = (
        held.join(leaves.rename({"cluster_id": "base"}), on="base")
        .group_by("cluster_id")
        .agg(pl.col("users", "conversations").sum())
    )
    total = max(int(leaves["conversations"].sum()), 1)
    return (
        nodes.join(sizes, on="cluster_id")
        .with_columns(
            pl.col("level").cast(pl.UInt8),
            pl.col("users", "conversations").cast(pl.UInt32),
            name=clean("name"),
            summary=clean("summary"),
            share=pl.col("conversations") / total,
            counts=pl.lit(NOISY),
            **{name: pl.lit(value) for name, value in makers.items()},
        )
        .sort(["level", "conversations", "cluster_id"], descending=[True, True, False])
    )
