"""Names and summaries of clusters without a model: class-based TF-IDF over terms that enough users share.

A term counts once for each user, so that nobody can write a name alone. A name holds terms that at least `min_users`
distinct users of that very cluster share; where too few are left, terms that another cluster's summary already shows
under that rule. Source: Clio (arXiv 2412.13678) G.5 for what a name is for: it sets a cluster off from the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from assets.clio.languages import language_name
from assets.clio.terms import Terms, read_terms

NAME_TERMS = 3
SUMMARY_TERMS = 6
CANDIDATES = 40
LONGEST_NAME = 80
MOST_WORDS = 10
# A phrase says more than its words, and its share is never larger than theirs.
PHRASE_BONUS = 2.0
# How much more often a term must be used inside than in the average cluster of the level.
DISTINCTIVE = 1.3
# A term borrowed from another cluster's summary must still be a habit here, not one conversation.
BORROWED_USERS = 3
# Part of a phrase's uses that one way of writing it needs, to be the way it is shown.
USUAL = 0.4
MAIN_LANGUAGE = 0.6
STEM = 5
UNNAMED = "Mixed requests"


@dataclass(frozen=True)
class Term:
    """A term as it is shown, and the words that carry it."""

    text: str
    key: str


def name_nodes(
    members: pl.DataFrame, nodes: pl.DataFrame, *, min_users: int, kept: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Name every node of a tree from its members' requests.

    In: members (user_key, language, request, task, cluster_id: the base cluster); nodes (cluster_id, level,
    parent_id); kept (cluster_id, name), earlier names to keep where every term in them still qualifies.
    Out: nodes with name and summary, in their order; no two nodes of a level share a name.
    """
    terms = read_terms(members, min_users)
    levels = list(_places(members, nodes))
    scored = pl.concat([_level_terms(terms, places, min_users) for _, places in levels])
    languages: dict[str, str] = {}
    for _, places in levels:
        languages.update(_main_languages(members, places, min_users))
    chosen, shown = _choose(scored)
    names = _still_fit(kept, scored, shown)
    sizes = dict(scored.select("cluster_id", "cluster_users").unique().iter_rows())
    for level, _ in levels:
        ids = nodes.filter(pl.col("level") == level)["cluster_id"].to_list()
        taken = {names[cluster].casefold() for cluster in ids if cluster in names}
        # The largest cluster gets the plainest name.
        for cluster in sorted(set(ids).difference(names), key=lambda cluster: (-sizes.get(cluster, 0), cluster)):
            names[cluster] = _free_name(chosen.get(cluster, []), languages.get(cluster), taken)
            taken.add(names[cluster].casefold())
    summaries = [_summary(chosen.get(cluster, []), languages.get(cluster)) for cluster in nodes["cluster_id"]]
    return nodes.with_columns(
        name=pl.Series([names[cluster] for cluster in nodes["cluster_id"]], dtype=pl.String),
        summary=pl.Series(summaries, dtype=pl.String),
    )


def _places(members: pl.DataFrame, nodes: pl.DataFrame) -> Iterable[tuple[int, pl.DataFrame]]:
    """For each level from the base up: `row` and the `cluster_id` that holds it there."""
    rows = members.select(row=pl.int_range(pl.len(), dtype=pl.UInt32), cluster_id="cluster_id")
    above = nodes.select("cluster_id", "parent_id")
    for level in sorted(nodes["level"].unique()):
        if level:
            rows = rows.join(above, on="cluster_id", maintain_order="left").select("row", cluster_id="parent_id")
        yield level, rows


def _level_terms(terms: Terms, places: pl.DataFrame, min_users: int) -> pl.DataFrame:
    """Scored terms of the clusters of one level.

    Out: cluster_id, cluster_users, key, text (the way it is usually written there), own (enough of the cluster's
    users share it), distinctive, score: the class-based TF-IDF, by share of the cluster's users.
    """
    rows = terms.rows.join(places, on="row")
    sizes = rows.group_by("cluster_id").agg(cluster_users=pl.col("user").n_unique())
    counted = terms.uses.join(rows, on="row").group_by("cluster_id", "term").agg(users=pl.col("user").n_unique())
    counted = counted.join(terms.vocabulary.select("term", "text", "key"), on="term").join(sizes, on="cluster_id")
    share = pl.col("users") / pl.col("cluster_users")
    average = pl.col("share").sum().over("key") / sizes.height
    phrase = pl.when(pl.col("key").str.contains(" ")).then(PHRASE_BONUS).otherwise(1.0)
    keys = counted.filter(pl.col("text") == pl.col("key")).with_columns(share=share).with_columns(average=average)
    kept = keys.filter(pl.col("users") >= min(BORROWED_USERS, min_users))
    wording = _usual_wording(counted, min_users)
    return kept.join(wording, on=["cluster_id", "key"], how="left").select(
        "cluster_id",
        "cluster_users",
        "key",
        text=pl.coalesce("written", "key"),
        own=pl.col("users") >= min_users,
        distinctive=(pl.col("share") >= DISTINCTIVE * pl.col("average")) | pl.lit(sizes.height == 1),
        score=pl.col("share") * (1.0 + 1.0 / pl.col("average")).log() * phrase,
    )


def _usual_wording(counted: pl.DataFrame, min_users: int) -> pl.DataFrame:
    """`cluster_id`, `key`, `written`: the full wording of a phrase where enough users of the cluster share it."""
    whole = counted.filter(pl.col("text") == pl.col("key")).select("cluster_id", "key", total="users")
    variants = counted.filter((pl.col("text") != pl.col("key")) & (pl.col("users") >= min_users))
    usual = variants.join(whole, on=["cluster_id", "key"]).filter(pl.col("users") >= USUAL * pl.col("total"))
    best = usual.sort(["users", "text"], descending=[True, False]).unique(["cluster_id", "key"], keep="first")
    return best.select("cluster_id", "key", written="text")


def _choose(scored: pl.DataFrame) -> tuple[dict[str, list[Term]], set[str]]:
    """Terms of each cluster in the order in which they are shown, and all that are shown by the cluster's own right.

    Borrowed terms come after a cluster's own.
    """
    order = ["cluster_id", "score", "key"]
    best = scored.filter("distinctive").sort(order, descending=[False, True, False])
    own = _by_cluster(best.filter("own"))
    shown = {term.key: term.text for terms in own.values() for term in terms[:SUMMARY_TERMS]}
    public = pl.DataFrame({"key": list(shown)}, schema={"key": pl.String})
    borrowed = _by_cluster(best.filter(~pl.col("own")).join(public, on="key", how="semi", maintain_order="left"))
    chosen = {}
    for cluster in {**own, **borrowed}:
        extra = [Term(shown[term.key], term.key) for term in borrowed.get(cluster, [])]
        chosen[cluster] = _without_repeats([*own.get(cluster, []), *extra])
    return chosen, set(shown.values())


def _by_cluster(terms: pl.DataFrame) -> dict[str, list[Term]]:
    first = terms.group_by("cluster_id", maintain_order=True).head(CANDIDATES)
    found: dict[str, list[Term]] = {}
    for cluster, text, key in first.select("cluster_id", "text", "key").iter_rows():
        found.setdefault(cluster, []).append(Term(text, key))
    return {cluster: _without_repeats(chosen) for cluster, chosen in found.items()}


def _without_repeats(terms: Iterable[Term]) -> list[Term]:
    """Terms in order, without those that share a word, the stem of one, or half of their characters with one before."""
    kept: list[Term] = []
    seen: set[str] = set()
    for term in terms:
        stems = {_stem(word) for word in term.key.split()}
        overlapping = not term.key.isascii() and any(_overlap(term.key, other.key) for other in kept)
        if not stems & seen and not overlapping:
            kept.append(term)
            seen |= stems
    return kept


def _stem(word: str) -> str:
    return word[:STEM] if len(word) > STEM else word.removesuffix("s")


def _overlap(left: str, right: str) -> bool:
    """Whether two terms of a script without spaces are cut from the same stretch."""
    pairs = {left[at : at + 2] for at in range(len(left) - 1)}
    return any(right[at : at + 2] in pairs for at in range(len(right) - 1))


def _main_languages(members: pl.DataFrame, places: pl.DataFrame, min_users: int) -> dict[str, str]:
    """Language that most conversations of a cluster are in, where at least `min_users` of its users write it."""
    rows = places.with_columns(members["language"].gather(places["row"]), members["user_key"].gather(places["row"]))
    counted = rows.group_by("cluster_id", "language").agg(n=pl.len(), users=pl.col("user_key").n_unique())
    share = pl.col("n") / pl.col("n").sum().over("cluster_id")
    main = counted.with_columns(share=share).filter(
        (pl.col("share") >= MAIN_LANGUAGE) & (pl.col("users") >= min_users) & (pl.col("language") != "und")
    )
    return {cluster: language_name(code) for cluster, code in main.select("cluster_id", "language").iter_rows()}


def _free_name(terms: Sequence[Term], language: str | None, taken: set[str]) -> str:
    """A name that no node of the level has: with other terms where the first choice is taken, numbered at the last."""
    if not terms:
        options = [f"Requests in {language}"] if language else []
        options.append(UNNAMED)
    else:
        longest = range(NAME_TERMS, len(terms))
        options = [_compose(terms[:NAME_TERMS])]
        options += [_compose([*terms[: NAME_TERMS - 1], terms[other]]) for other in longest]
        options += [_compose([*terms[:NAME_TERMS], terms[other]]) for other in longest]
        options += [_compose([*terms[: NAME_TERMS - 1]]), _compose(terms[:1])]
        options += [f"{options[0]} in {language}"] if language else []
    free = next((option for option in options if option.casefold() not in taken), None)
    if free is not None:
        return free
    number = next(number for number in range(2, len(taken) + 3) if f"{options[0]} {number}".casefold() not in taken)
    return f"{options[0]} {number}"


def _compose(terms: Sequence[Term]) -> str:
    """`First: second, third` in sentence case, at most ten words and 80 characters."""
    chosen = list(terms)
    while len(chosen) > 1 and (
        sum(len(term.text.split()) for term in chosen) > MOST_WORDS
        or sum(len(term.text) + 2 for term in chosen) > LONGEST_NAME
    ):
        chosen.pop()
    first = chosen[0].text
    rest = ", ".join(term.text for term in chosen[1:])
    return first[:1].upper() + first[1:] + (f": {rest}" if rest else "")


def _summary(terms: Sequence[Term], language: str | None) -> str:
    texts = [term.text for term in terms[:SUMMARY_TERMS]]
    if not texts:
        body = "Requests that have no words in common that enough people use"
    elif len(texts) == 1:
        body = f"Requests about {texts[0]}"
    else:
        body = f"Requests about {', '.join(texts[:-1])} and {texts[-1]}"
    return f"{body}; mostly in {language}." if language else f"{body}."


def _still_fit(kept: pl.DataFrame | None, scored: pl.DataFrame, shown: Collection[str]) -> dict[str, str]:
    """Earlier names of which the cluster could be given every term today."""
    if kept is None or kept.is_empty():
        return {}
    own = scored.filter(pl.col("own")).join(kept, on="cluster_id", how="semi")
    allowed = own.group_by("cluster_id").agg(terms=pl.concat_list("key", "text").flatten())
    rows = kept.join(allowed, on="cluster_id").select("cluster_id", "name", "terms").iter_rows()
    return {
        cluster: name
        for cluster, name, terms in rows
        if set(name.casefold().replace(": ", ", ").split(", ")) <= {*terms, *shown}
    }
