"""Names and summaries of clusters without a model: class-based TF-IDF over terms that enough users share.

A term counts once per user and cluster, so that no single user can write a name. Source: Clio (arXiv 2412.13678) G.5
for what a name is for (contrast with the other clusters); class-based TF-IDF as in BERTopic.
"""

from __future__ import annotations

import polars as pl

from assets.clio.terms import request_terms, shared_terms

NAME_TERMS = 3
SUMMARY_TERMS = 6
CANDIDATES = 30
PAIR_BONUS = 1.35
LEAST_CLUSTER_USERS = 3
UNNAMED = "Mixed requests"


def name_nodes(members: pl.DataFrame, nodes: pl.DataFrame, *, min_users: int) -> pl.DataFrame:
    """Name every node of a tree from its members' requests.

    In: members (conversation_id, user_key, request, language, cluster_id: the base cluster); nodes (cluster_id, level,
    parent_id). Out: nodes with name and summary. Names hold only terms that at least `min_users` distinct users wrote,
    and no two nodes of a level share one.
    """
    requests = members.with_row_index("row")
    terms = request_terms(requests.select("row", text="request"))
    terms = terms.join(shared_terms(terms, requests.select("row", "user_key"), min_users), on=["term", "words"], how="semi")
    named = []
    for level, membership in _memberships(requests.select("row", "user_key", "language", "cluster_id"), nodes):
        scored = _scored_terms(terms, membership, min_users)
        level_nodes = nodes.filter(pl.col("level") == level)
        named.append(_name_level(level_nodes, scored, _languages(membership, min_users)))
    return pl.concat(named)


def _memberships(rows: pl.DataFrame, nodes: pl.DataFrame) -> list[tuple[int, pl.DataFrame]]:
    """Rows with the node that they belong to, level by level from the base."""
    levels = sorted(nodes["level"].unique())
    parents = nodes.select("cluster_id", "parent_id")
    result = [(levels[0], rows)]
    for level in levels[1:]:
        rows = rows.join(parents, on="cluster_id").drop("cluster_id").rename({"parent_id": "cluster_id"})
        result.append((level, rows))
    return result


def _scored_terms(terms: pl.DataFrame, membership: pl.DataFrame, min_users: int) -> pl.DataFrame:
    """Best terms of each cluster: cluster_id, term, words, score, users; highest first, ties by term."""
    places = membership.select("row", "user_key", "cluster_id")
    users = places.group_by("cluster_id").agg(cluster_users=pl.col("user_key").n_unique())
    counted = terms.join(places, on="row").group_by("cluster_id", "term", "words").agg(users=pl.col("user_key").n_unique())
    everywhere = pl.col("users").sum().over("term") / pl.lit(float(users["cluster_users"].sum()))
    share = pl.col("users") / pl.col("cluster_users")
    bonus = pl.when(pl.col("words") == 2).then(PAIR_BONUS).otherwise(1.0)
    return (
        counted.join(users, on="cluster_id")
        .with_columns(_share=share, _everywhere=everywhere)
        .filter(pl.col("users") >= pl.min_horizontal(pl.lit(LEAST_CLUSTER_USERS), pl.lit(min_users)))
        .with_columns(score=pl.col("_share") * (1 + pl.col("_share") / pl.col("_everywhere")).log() * bonus)
        .sort(["cluster_id", "score", "term"], descending=[False, True, False])
        .group_by("cluster_id", maintain_order=True)
        .head(CANDIDATES)
        .select("cluster_id", "term", "words", "score", "users")
    )


def _languages(membership: pl.DataFrame, min_users: int) -> dict[str, str]:
    """The language most of a cluster's conversations are in, where enough users write it."""
    counted = membership.group_by("cluster_id", "language").agg(n=pl.len(), users=pl.col("user_key").n_unique())
    total = pl.col("n").sum().over("cluster_id")
    main = counted.filter((pl.col("n") * 2 > total) & (pl.col("users") >= min_users) & (pl.col("language") != "und"))
    return dict(main.select("cluster_id", "language").iter_rows())


def _name_level(nodes: pl.DataFrame, scored: pl.DataFrame, languages: dict[str, str]) -> pl.DataFrame:
    candidates = dict(scored.group_by("cluster_id").agg("term").iter_rows())
    taken: set[str] = set()
    names, summaries = [], []
    for cluster in nodes["cluster_id"]:
        distinct = _without_overlap(candidates.get(cluster, []))
        names.append(_free_name(distinct, taken))
        summaries.append(_summary(distinct, languages.get(cluster)))
    return nodes.with_columns(name=pl.Series(names, dtype=pl.String), summary=pl.Series(summaries, dtype=pl.String))


def _without_overlap(terms: list[str]) -> list[str]:
    """Terms in order, without those that repeat a word, or the stem of a word, of one before."""
    kept: list[str] = []
    seen: set[str] = set()
    for term in terms:
        stems = {word[:5] if len(word) > 5 else word.rstrip("s") for word in term.split()}
        if not stems & seen:
            kept.append(term)
            seen |= stems
    return kept


def _free_name(terms: list[str], taken: set[str]) -> str:
    """The first terms as a name; where it is taken, with further terms, and with a number only when none is left."""
    for count in range(min(NAME_TERMS, len(terms)) or 1, max(len(terms), 1) + 1):
        chosen = terms[: NAME_TERMS - 1] + terms[count - 1 : count] if count > NAME_TERMS else terms[:count]
        name = _sentence_case(", ".join(chosen)) or UNNAMED
        if name not in taken:
            taken.add(name)
            return name
    number = 2
    while f"{name} ({number})" in taken:
        number += 1
    taken.add(f"{name} ({number})")
    return f"{name} ({number})"


def _summary(terms: list[str], language: str | None) -> str:
    if not terms:
        return "Requests that share no words which enough people use."
    shown = terms[:SUMMARY_TERMS]
    listed = shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1]
    return f"Requests about {listed}" + (f"; mostly in {_language_name(language)}." if language else ".")


def _language_name(code: str | None) -> str:
    return LANGUAGE_NAMES.get(code or "", f"language {code}")


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


LANGUAGE_NAMES = {
    "ar": "Arabic", "bn": "Bengali", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi",
    "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch",
    "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sv": "Swedish",
    "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
