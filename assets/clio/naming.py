"""Names and summaries of clusters without a model: class-based TF-IDF over terms that enough users share.

A term counts once for each user, so that nobody can write a name alone, and once for each voice (`terms`), so that many
accounts with one text cannot either. A name holds terms that at least `min_users` distinct users and voices of that very
cluster share; where too few are left, terms that another cluster's summary already shows under that rule.
Source: Clio (arXiv 2412.13678) G.5 for what a name is for: it sets a cluster off from the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import polars as pl

from assets.clio.kept_names import names_that_fit
from assets.clio.languages import language_name
from assets.clio.reader.lexicons import lead_in_words
from assets.clio.terms import Terms, read_terms
from assets.clio.wording import SUMMARY_TERMS, Term, Wording, first_free, name_options, summary_text

CANDIDATES = 40
# A phrase says more than its words, and its share is never larger than theirs.
PHRASE_BONUS = 2.0
# How much more often a term must be used inside than in the average cluster of the level, for many and few clusters.
DISTINCTIVE, DISTINCTIVE_AMONG_FEW, FEW = 2.0, 1.4, 20
# Two words are shown as the phrase that they form when this part of the rarer one's users write it so.
MERGED = 0.3
# Words of asking say little about what is asked: they stand in a name only where nothing else sets it apart.
_ASKING = (
    "anyone anything ask best explain find get gets getting give go going good help helps idea ideas keep keeps kind "
    "kinds know let like look looking lot lots make makes making many mean means much need needs new now people please "
    "question questions really should someone something sure take taking tell thing things think time times tip tips "
    "today try trying use used using want wanted way ways work working works would"
)
ASKING = lead_in_words().union(_ASKING.split())
# A term borrowed from another cluster's summary must still be a habit here, not one conversation.
BORROWED_USERS = 3
# Part of a phrase's uses that one way of writing it needs, to be the way it is shown.
USUAL = 0.4
MAIN_LANGUAGE = 0.6
STEM = 5


def name_nodes(
    members: pl.DataFrame, nodes: pl.DataFrame, *, min_users: int, kept: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Name every node of a tree from its members' requests.

    In: members (user_key, language, request, task, cluster_id: the base cluster; `day` as in `read_terms`); nodes
    (cluster_id, level, parent_id); kept (cluster_id, name), earlier names to keep where they still say what the
    cluster is about.
    Out: nodes with name and summary, in their order; no two nodes of a level share a name.
    """
    terms = read_terms(members, min_users)
    levels = list(_places(members, nodes))
    scored = pl.concat([_level_terms(terms, places, min_users) for _, places in levels])
    languages: dict[str, str] = {}
    for _, places in levels:
        languages.update(_main_languages(members, places, min_users))
    chosen, shown = _choose(scored)
    names = names_that_fit(kept, scored, shown)
    sizes = dict(scored.select("cluster_id", "cluster_users").unique().iter_rows())
    usual = Counter(languages.values()).most_common(1)
    above = dict(nodes.select("cluster_id", "parent_id").iter_rows())
    nothing = Wording([], [])
    for level, _ in reversed(levels):
        ids = nodes.filter(pl.col("level") == level)["cluster_id"].to_list()
        taken = {names[cluster].casefold() for cluster in ids if cluster in names}
        # The largest cluster gets the plainest name.
        for cluster in sorted(
            set(ids).difference(names), key=lambda cluster: (-sizes.get(cluster, 0), cluster)
        ):
            theme = names[above[cluster]].split(":")[0] if above[cluster] else None
            wording, language = chosen.get(cluster, nothing), languages.get(cluster)
            foreign = language if language and language != usual[0][0] else None
            names[cluster] = first_free(name_options(wording, foreign, theme), taken)
            taken.add(names[cluster].casefold())
    summaries = [
        summary_text(chosen.get(cluster, nothing), languages.get(cluster)) for cluster in nodes["cluster_id"]
    ]
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
            rows = rows.join(above, on="cluster_id", maintain_order="left").select(
                "row", cluster_id="parent_id"
            )
        yield level, rows


def _level_terms(terms: Terms, places: pl.DataFrame, min_users: int) -> pl.DataFrame:
    """Scored terms of the clusters of one level.

    Out: cluster_id, cluster_users, key, text (the way it is usually written there), users, own (enough of the
    cluster's users share it), distinctive, score: the class-based TF-IDF, by share of the cluster's users.
    """
    rows = terms.rows.join(places, on="row")
    sizes = rows.group_by("cluster_id").agg(cluster_users=pl.col("user").n_unique())
    counted = (
        terms.uses.join(rows, on="row")
        .group_by("cluster_id", "term")
        .agg(users=pl.col("user").n_unique(), voices=pl.col("voice").n_unique())
    )
    counted = counted.join(terms.vocabulary.select("term", "text", "key"), on="term").join(
        sizes, on="cluster_id"
    )
    share = pl.col("users") / pl.col("cluster_users")
    average = pl.col("share").sum().over("key") / sizes.height
    phrase = pl.when(pl.col("key").str.contains(" ")).then(PHRASE_BONUS).otherwise(1.0)
    lift = 1.0 if sizes.height == 1 else DISTINCTIVE_AMONG_FEW if sizes.height < FEW else DISTINCTIVE
    keys = (
        counted.filter(pl.col("text") == pl.col("key"))
        .with_columns(share=share)
        .with_columns(average=average)
    )
    kept = keys.filter(pl.col("users") >= min(BORROWED_USERS, min_users))
    wording = _usual_wording(counted, min_users)
    return kept.join(wording, on=["cluster_id", "key"], how="left").select(
        "cluster_id",
        "cluster_users",
        "key",
        text=pl.coalesce("written", "key"),
        own=_enough(min_users),
        users="users",
        distinctive=pl.col("share") >= lift * pl.col("average"),
        score=pl.col("share") * (1.0 + 1.0 / pl.col("average")).log() * phrase,
    )


def _enough(min_users: int) -> pl.Expr:
    return (pl.col("users") >= min_users) & (pl.col("voices") >= min_users)


def _usual_wording(counted: pl.DataFrame, min_users: int) -> pl.DataFrame:
    """`cluster_id`, `key`, `written`: the full wording of a phrase where enough users of the cluster share it."""
    whole = counted.filter(pl.col("text") == pl.col("key")).select("cluster_id", "key", total="users")
    variants = counted.filter((pl.col("text") != pl.col("key")) & _enough(min_users))
    usual = variants.join(whole, on=["cluster_id", "key"]).filter(pl.col("users") >= USUAL * pl.col("total"))
    best = usual.sort(["users", "text"], descending=[True, False]).unique(["cluster_id", "key"], keep="first")
    return best.select("cluster_id", "key", written="text")


def _choose(scored: pl.DataFrame) -> tuple[dict[str, Wording], set[str]]:
    """Terms for each cluster, and the wordings of all that some cluster shows by its own right."""
    order = ["cluster_id", "score", "key"]
    best = scored.sort(order, descending=[False, True, False])
    phrases = _by_cluster(best.filter(pl.col("own") & pl.col("key").str.contains(" ")))
    asking = pl.col("key").str.split(" ").list.eval(pl.element().is_in(list(ASKING))).list.all()
    strong = pl.col("distinctive") & ~asking
    own = {
        cluster: _merged(_without_repeats(terms), phrases.get(cluster, []))
        for cluster, terms in _by_cluster(best.filter(pl.col("own") & strong)).items()
    }
    shown = {term.key: term for terms in own.values() for term in terms[:SUMMARY_TERMS]}
    public = pl.DataFrame({"key": list(shown)}, schema={"key": pl.String})
    borrowed = _by_cluster(
        best.filter(~pl.col("own") & strong).join(public, on="key", how="semi", maintain_order="left")
    )
    weak = _by_cluster(best.filter(pl.col("own") & ~strong))
    chosen = {}
    for cluster in {**own, **borrowed, **weak}:
        terms = _without_repeats(
            [*own.get(cluster, []), *(shown[term.key] for term in borrowed.get(cluster, []))]
        )
        chosen[cluster] = Wording(terms, _without_repeats([*terms, *weak.get(cluster, [])])[len(terms) :])
    return chosen, {term.text for term in shown.values()}


def _by_cluster(terms: pl.DataFrame) -> dict[str, list[Term]]:
    first = terms.group_by("cluster_id", maintain_order=True).head(CANDIDATES)
    found: dict[str, list[Term]] = {}
    for cluster, *term in first.select("cluster_id", "text", "key", "users").iter_rows():
        found.setdefault(cluster, []).append(Term(*term))
    return found


def _without_repeats(terms: Iterable[Term]) -> list[Term]:
    """Terms in order, without those that share a word, the stem of one, or a stretch of characters with one before."""
    kept: list[Term] = []
    seen: set[str] = set()
    for term in terms:
        stems = {_stem(word) for word in term.key.split()}
        unspaced = " " not in term.key and not term.key.isascii()
        if not stems & seen and not (unspaced and any(_overlap(term.key, other.key) for other in kept)):
            kept.append(term)
            seen |= stems
    return kept


def _merged(terms: list[Term], phrases: Sequence[Term]) -> list[Term]:
    """Terms with each pair of words that usually stands together replaced by its phrase, at the place of the first."""
    by_key = {phrase.key: phrase for phrase in phrases}
    result: list[Term] = []
    for term in terms:
        for place, earlier in enumerate(result):
            pair = (f"{earlier.key} {term.key}", f"{term.key} {earlier.key}")
            joint = max(
                (by_key[key] for key in pair if key in by_key), key=lambda found: found.users, default=None
            )
            if joint is not None and joint.users >= MERGED * min(earlier.users, term.users):
                result[place] = joint
                break
        else:
            result.append(term)
    return result


def _stem(word: str) -> str:
    return word[:STEM] if len(word) > STEM else word.removesuffix("s")


def _overlap(left: str, right: str) -> bool:
    """Whether two terms of a script without spaces are cut from the same stretch."""
    pairs = {left[at : at + 2] for at in range(len(left) - 1)}
    return any(right[at : at + 2] in pairs for at in range(len(right) - 1))


def _main_languages(members: pl.DataFrame, places: pl.DataFrame, min_users: int) -> dict[str, str]:
    """Language that most conversations of a cluster are in, where at least `min_users` of its users write it."""
    rows = places.with_columns(
        members["language"].gather(places["row"]), members["user_key"].gather(places["row"])
    )
    counted = rows.group_by("cluster_id", "language").agg(n=pl.len(), users=pl.col("user_key").n_unique())
    share = pl.col("n") / pl.col("n").sum().over("cluster_id")
    main = counted.with_columns(share=share).filter(
        (pl.col("share") >= MAIN_LANGUAGE) & (pl.col("users") >= min_users) & (pl.col("language") != "und")
    )
    return {
        cluster: language_name(code) for cluster, code in main.select("cluster_id", "language").iter_rows()
    }
