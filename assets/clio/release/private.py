"""A release with noisy counts: which clusters may be named, and how large they are, by differential privacy.

Given fixed cluster labels, the counts of this release are differentially private for one user. The labels are not:
they come from ordinary clustering. Parents are sums of noisy leaves, which costs nothing. Where a batch is counted by
conversation, one conversation takes the place of one user throughout.
Source: specs/privacy_reliability.md 1.3, rules 6 to 10.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from assets.clio.release import Release, ReleaseTables, count_release
from assets.clio.release.keywords import KeywordBudget, draw_terms, name_by_keywords
from assets.clio.release.report import WITHHELD, noisy_report
from assets.clio.release.tree import NOISY, paths_to_top
from assets.clio.release.words import clean
from dagster_project.errors import ObservatoryError
from dagster_project.privacy.contributions import Bounds
from dagster_project.privacy.ledger import Allowance, Ledger, Spending
from dagster_project.privacy.noise import noisy_counts, select_groups
from dagster_project.privacy.thresholds import Thresholds, user_codes

SELECTION = "choice of clusters and noisy users: discrete Laplace with threshold"
COUNTS = "noisy conversations: discrete Laplace"
KEYWORDS = "choice of terms for names, as written: discrete Laplace with threshold"
DEFAULT_CLUSTERS, DEFAULT_CONVERSATIONS = 3, 5
# A row with a term tells of the term in the cluster, one without of the cluster itself.
ANSWER = {"cluster_id": pl.String, "term": pl.String, "users": pl.Int64, "conversations": pl.Int64}


@dataclass(frozen=True)
class Budget:
    """What one release may spend, what all may, and the bounds on one unit (user or conversation) behind the noise."""

    epsilon: float
    delta: float
    allowance: Allowance
    clusters: int
    conversations: int
    unit: str
    terms: int | None = None

    @property
    def bounds(self) -> Bounds:
        """The bounds, for `privacy.contributions`."""
        return Bounds(self.clusters, self.conversations)

    def spendings(self) -> tuple[Spending, ...]:
        """Equal parts of epsilon for the choice of clusters with their users, conversations, and terms of names.

        Delta is for the two choices alone. Without `terms` there are no names to pay for.
        """
        if self.terms is None:
            part, delta, names = self.epsilon / 2, self.delta, ()
        else:
            part, delta = self.epsilon / 3, self.delta / 2
            names = (Spending(KEYWORDS, part, delta, self.terms, 1, self.unit),)
        return (
            Spending(SELECTION, part, delta, self.clusters, 1, self.unit),
            Spending(COUNTS, part, 0.0, self.clusters, self.conversations, self.unit),
            *names,
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
    words: pl.DataFrame | None = None,
    withheld: pl.Series | None = None,
    or_empty: bool = False,
) -> Release:
    """Published tables with noisy counts; every table of exact counts is empty, and nobody is listed as counted.

    In: rows as `release.counting` bounds them, and the tree; `words` (conversation_id, request, task) where names are
    paid for too; ids of clusters `withheld` by an audit, which are left out with all below them. Raises ObservatoryError where the budget is spent, or delta too large for so many users; with
    `or_empty`, nothing is charged then and `clusters` is empty too.
    """
    spoken = rows if words is None else rows.join(words, on="conversation_id", how="left")
    answer = _answer(spoken, budget, ledger, secret, or_empty)
    empty = count_release(rows.clear(), nodes.clear(), unclustered=0, thresholds=thresholds, makers=makers)
    noisy = pl.DataFrame(schema=ANSWER) if answer is None else _allowed(answer, nodes, withheld)
    clusters = _tree_of(noisy, nodes, thresholds, makers, budget.terms is not None)
    tables = ReleaseTables(
        clusters.select(empty.tables.clusters.columns),
        empty.tables.cluster_cells,
        empty.tables.language_contrasts,
        noisy_report(clusters, thresholds, budget.bounds, _spent(budget, withheld=answer is None)),
    )
    return Release(tables, empty.counted)


def _allowed(answer: pl.DataFrame, nodes: pl.DataFrame, withheld: pl.Series | None) -> pl.DataFrame:
    """The noisy counts of leaves that lie under no withheld cluster: leaving noisy counts out costs nothing."""
    if withheld is None or answer.is_empty():
        return answer
    paths = paths_to_top(answer.select("cluster_id").unique(), nodes)
    barred = paths.filter(pl.col("cluster_id").is_in(withheld.implode())).select(cluster_id="base")
    return answer.join(barred.unique(), on="cluster_id", how="anti")


def _answer(
    rows: pl.DataFrame, budget: Budget, ledger: Ledger, secret: bytes, or_empty: bool
) -> pl.DataFrame | None:
    """`ANSWER` of the ledger; None where it is refused and `or_empty`."""
    release, spendings = _fingerprint(rows, budget, secret), budget.spendings()
    reason = _unprotected(rows, budget) or ledger.refusal(release, spendings, budget.allowance)
    if reason is None:
        return ledger.answer(release, spendings, budget.allowance, lambda: _draw(rows, budget, secret))
    if or_empty:
        return None
    raise ObservatoryError(reason)


def _unprotected(rows: pl.DataFrame, budget: Budget) -> str | None:
    """What to say where delta is so large that a release might show one user outright; without their number."""
    if budget.delta * rows.select(user_codes().n_unique()).item() < 1:
        return None
    return (
        f"dp_delta {budget.delta:g} is 1 / users or more, so the guarantee could fail for one of them every time: "
        "nothing new is published. Set it far under 1 / users in settings.json (1e-8 where it is left out)"
    )


def _spent(budget: Budget, *, withheld: bool) -> dict[str, float]:
    """What the report says of the budget."""
    return {
        "epsilon": 0.0 if withheld else budget.epsilon,
        "delta": 0.0 if withheld else budget.delta,
        "budget_epsilon": budget.allowance.epsilon,
        "budget_delta": budget.allowance.delta,
        WITHHELD: float(withheld),
    }


def _fingerprint(rows: pl.DataFrame, budget: Budget, secret: bytes) -> str:
    """Keyed hash of all that the noisy answer depends on, whatever the order of the rows."""
    ordered = rows.drop("week", "model", "concern_band").sort("conversation_id")
    content = repr(budget.spendings()).encode()
    return hmac.digest(secret, content + ordered.write_csv().encode(), "sha256").hex()[:32]


def _draw(rows: pl.DataFrame, budget: Budget, secret: bytes) -> pl.DataFrame:
    """Noisy users and conversations of the clusters that may be named, and terms. Out: `ANSWER`."""
    choice, counts, *names = budget.spendings()
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
    answer = [(name, None, people, count) for (name, people), count in zip(named, noisy, strict=True)]
    drawn = pl.DataFrame(answer, schema=ANSWER, orient="row")
    terms = [
        draw_terms(rows, KeywordBudget(spending.epsilon, spending.delta, spending.l0), secret)
        for spending in names
    ]
    return pl.concat([drawn, *terms], how="diagonal")


def _tree_of(
    answer: pl.DataFrame,
    nodes: pl.DataFrame,
    thresholds: Thresholds,
    makers: Mapping[str, str],
    named: bool,
) -> pl.DataFrame:
    """`clusters` from noisy leaves: those large enough after the noise, and sums of them above."""
    limits, terms = thresholds.nodes, answer.drop_nulls("term")
    leaves = (
        answer.filter(pl.col("term").is_null())
        .with_columns(conversations=pl.max_horizontal("conversations", "users"))
        .filter(pl.col("users") >= limits.min_users, pl.col("conversations") >= limits.min_conversations)
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
    if named:
        nodes = name_by_keywords(nodes, held, terms)
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
