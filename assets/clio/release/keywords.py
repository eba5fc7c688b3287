"""Names by differential privacy: terms that a mechanism chose for a cluster, ordered by their noisy users.

Given fixed cluster labels, a name depends on people only through the chosen terms and their noisy counts. What the
terms of a conversation are is decided for it alone, with the stop-words of all languages and words as they are written:
neither how often a word occurs nor which of its forms is the commonest plays a part, so one user more or less changes
that user's pairs of cluster and term only. Source: specs/privacy_reliability.md 1.3, rule 10.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from dagster_project.privacy.contributions import Bounds, bound_contributions
from dagster_project.privacy.noise import select_groups
from dagster_project.privacy.thresholds import user_codes

NAME_TERMS, SUMMARY_TERMS = 3, 6
UNNAMED = "Unnamed requests"
JOIN = "\x1f"


@dataclass(frozen=True)
class KeywordBudget:
    """What the choice of terms spends, and in how many (cluster, term) pairs one user is counted at most."""

    epsilon: float
    delta: float
    terms: int


def draw_terms(members: pl.DataFrame, budget: KeywordBudget, secret: bytes) -> pl.DataFrame:
    """Terms of base clusters that may be shown, with noisy users.

    In: user_key, language, request, task, cluster_id. Out: cluster_id, term, users.
    """
    pairs = bound_contributions(
        term_pairs(members), Bounds(clusters=budget.terms), secret, group="pair", item="pair"
    )
    counted = pairs.with_columns(user_codes()).group_by("pair").agg(users=pl.col("user").n_unique())
    chosen = select_groups(
        dict(counted.iter_rows()), epsilon=budget.epsilon, delta=budget.delta, l0=budget.terms
    )
    found = pl.DataFrame(sorted(chosen.items()), schema={"pair": pl.String, "users": pl.Int64}, orient="row")
    parts = pl.col("pair").str.splitn(JOIN, 2).struct
    return found.select(cluster_id=parts.field("field_0"), term=parts.field("field_1"), users="users")


def term_pairs(members: pl.DataFrame) -> pl.DataFrame:
    """Which user writes which term in which base cluster. Out: user_key, pair (unique together).

    A user's pairs depend on that user's conversations alone: the bound on them is the sensitivity that is paid for.
    """
    from assets.clio.terms import own_terms

    rows = members.select("user_key", "cluster_id", row=pl.int_range(pl.len(), dtype=pl.UInt32))
    used = own_terms(members).join(rows, on="row")
    return used.select("user_key", pair=pl.concat_str("cluster_id", "term", separator=JOIN)).unique()


def name_by_keywords(nodes: pl.DataFrame, paths: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Nodes with name and summary from noisy terms alone; parents add up their leaves' terms.

    In: nodes (cluster_id, ...), paths (base, cluster_id) of the leaves that are shown, terms as `draw_terms` returns
    them.
    """
    held = paths.join(terms.rename({"cluster_id": "base"}), on="base")
    summed = held.group_by("cluster_id", "term").agg(pl.col("users").sum())
    spread = pl.col("cluster_id").n_unique().over("term")
    ranked = summed.with_columns(score=pl.col("users") / spread.sqrt()).sort(
        ["cluster_id", "score", "term"], descending=[False, True, False]
    )
    worded = ranked.group_by("cluster_id", maintain_order=True).agg(
        shown=pl.col("term").head(NAME_TERMS).str.join(", "),
        about=pl.col("term").head(SUMMARY_TERMS).str.join(", "),
    )
    first = pl.col("shown").str.slice(0, 1).str.to_uppercase() + pl.col("shown").str.slice(1)
    named = nodes.drop("name", "summary").join(worded, on="cluster_id", how="left", maintain_order="left")
    named = named.with_columns(name=first.fill_null(UNNAMED))
    place = pl.int_range(1, pl.len() + 1).over(pl.col("name").str.to_lowercase())
    number = pl.when(place > 1).then(pl.format(" {}", place)).otherwise(pl.lit(""))
    return named.with_columns(
        name=pl.col("name") + number,
        summary=pl.when(pl.col("about").is_null())
        .then(pl.lit("Requests that have no words in common that may be shown."))
        .otherwise(pl.format("Requests about {}.", "about")),
    ).drop("shown", "about")
