"""The request facet: the most central sentence of the first substantive user turn.

Centrality follows the idea of graph-based extraction (LexRank, Erkan and Radev 2004): a sentence is central
when its words return in the other sentences of the same turn. Two things that people do when they ask are
added to it: they ask a question or give an order, and they do so early. The weights below were set by reading
what was picked on hh-rlhf and oasst turns; no statistic of other rows enters, so a row's request never depends
on the batch it is read in.
"""

from __future__ import annotations

import polars as pl

from assets.clio.reader import lexicons
from assets.clio.reader.text import CODE_FENCE, URL, cut_at_word, drop_invisible, one_line

MAX_REQUEST = 240
MAX_TURN = 3000
MAX_TURNS = 6
MAX_SENTENCES = 40
MIN_WORDS = 3
MIN_UNSPACED = 4

WEIGHT_CENTRAL = 0.5
WEIGHT_QUESTION = 0.6
WEIGHT_OPENING = 0.6
WEIGHT_EARLY = 0.5
WEIGHT_CONTENT = 0.6
WEIGHT_FIRST_ORDER = 0.4
PENALTY_SHORT = 1.0
PENALTY_LONG = 0.3
PENALTY_MATERIAL = 0.6
FULL_CONTENT = 5
SELF_CONTAINED = 3

# Titles and shortened words whose full stop ends no sentence.
SHORTENED = (
    r"(?i)\b(mr|mrs|ms|dr|prof|st|vs|e\.g|i\.e|etc|approx|z\.b|p\.ej|sr|sra|inc|ltd|jr|fig|vol)"
    r"\.[ \t]+"
)
SPACED_END = r"([.!?…؟۔।॥։፧።]+[\p{Pe}\p{Pf}\"'*]*)[ \t]+"
UNSPACED_END = r"([。！？｡]+[\p{Pe}\p{Pf}]*)"
QUESTION = r"[?？؟;՞፧⁇][\s\p{P}]*$|՞"
LIST_MARK = r"^(?:[-*•>#|=~+]+|\(?\d{1,2}[.)]|\(?[a-zA-Z][.)])\s+"
# Pasted material, not a request: tables, assignments, tags, quoted lines.
MATERIAL = r"^[>|{}\[\]<]|[{}|=;]{2,}|[;{}]\s*$|^\S+:\s*\S+$|^[\"“«].*[\"”»]\W*$"


def read_requests(turns: pl.DataFrame) -> pl.Series:
    """The request of each conversation.

    In: `turns` List(String), redacted user turns in order; `language` String. Out: String series `request` in
    the same order, at most 240 characters on one line; '' where the user wrote nothing that can be read.
    """
    chosen = choose_turns(turns.with_row_index("row").select("row", "language", "turns"))
    sentences = split_sentences(chosen)
    several = pl.len().over("row") > 1
    best = _best_with_context(score_sentences(sentences.filter(several)))
    picked = pl.concat([sentences.filter(~several).select("row", "sentence"), best])
    joined = chosen.select("row").join(picked, on="row", how="left", maintain_order="left")
    return joined.select(
        cut_at_word(pl.col("sentence").fill_null(""), MAX_REQUEST).alias("request")
    ).to_series()


def _best_with_context(scored: pl.DataFrame) -> pl.DataFrame:
    """`row`, `sentence`: the best sentence; one that names little of its subject keeps the sentence beside it.

    "What should I do?" is what was asked, but only the sentence before it says about what; a sentence that ends
    with a colon is nothing without the start of what follows.
    """
    ordered = scored.sort("row", "position").with_columns(
        before=pl.col("sentence").shift(1).over("row"),
        before_ok=~pl.col("short").shift(1).over("row"),
        after=pl.col("sentence").shift(-1).over("row"),
        after_ok=~pl.col("short").shift(-1).over("row"),
    )
    best = ordered.sort("row", "score", "position", descending=[False, True, False]).unique(
        "row", keep="first", maintain_order=True
    )
    announces = pl.col("sentence").str.ends_with(":")
    onward = announces | (pl.col("position") == 0)
    paired = pl.when(onward).then(pl.concat_str("sentence", "after", separator=" "))
    paired = paired.otherwise(pl.concat_str("before", "sentence", separator=" "))
    useful = pl.when(onward).then("after_ok").otherwise("before_ok").fill_null(False)
    fits = paired.str.len_chars() <= MAX_REQUEST
    bare = (pl.col("content") < SELF_CONTAINED) & fits & useful
    extended = pl.when((announces | bare) & paired.is_not_null()).then(paired).otherwise("sentence")
    return best.select("row", sentence=extended)


def choose_turns(turns: pl.DataFrame) -> pl.DataFrame:
    """`row`, `language`, `text`: the first of six user turns that says something; else the first not empty.

    In: `row`, `language`, `turns`; out in the same order, with `text` String, never null.
    """
    opening = pl.col("turns").list.get(0, null_on_oob=True)
    first = turns.select("row", "language", text=opening)
    settled = first.select(_says_something(pl.col("text")).fill_null(False)).to_series()
    unsettled = (
        turns.filter(~settled)
        .select("row", text=pl.col("turns").list.head(MAX_TURNS))
        .explode("text", empty_as_null=False)
        .filter(pl.col("text").str.contains(r"\S"))
        .with_columns(says=_says_something(pl.col("text")))
        .sort("row", "says", descending=[False, True], maintain_order=True)
        .unique("row", keep="first", maintain_order=True)
        .select("row", later="text")
    )
    chosen = first.join(unsettled, on="row", how="left", maintain_order="left")
    return chosen.select("row", "language", text=_reduce_code(pl.coalesce("later", "text").fill_null("")))


def _says_something(text: pl.Expr) -> pl.Expr:
    """Whether a turn is more than a greeting or a scrap."""
    probe = text.str.slice(0, 400).str.replace_all(CODE_FENCE, " ")
    words = probe.str.count_matches(r"[\p{L}\p{M}\p{N}'’]+")
    unspaced = probe.str.count_matches(rf"[{lexicons.UNSPACED}]")
    return ((words >= MIN_WORDS) | (unspaced >= MIN_UNSPACED)) & ~probe.str.contains(
        lexicons.greeting_pattern()
    )


def _reduce_code(text: pl.Expr) -> pl.Expr:
    """The start of a turn without invisible characters, links and fenced code; code alone keeps its content."""
    head = drop_invisible(text.str.slice(0, MAX_TURN)).str.replace_all(URL, " ")
    prose = head.str.replace_all(CODE_FENCE, "\n")
    return (
        pl.when(prose.str.contains(r"[\p{L}\p{N}]"))
        .then(prose)
        .otherwise(head.str.replace_all(r"```[\w+#.-]*", " "))
    )


def split_sentences(texts: pl.DataFrame) -> pl.DataFrame:
    """Split each text into its sentences.

    In: `row`, `language`, `text`. Out: the same rows once per sentence, in order, with `sentence` String (one line,
    not empty) and `position` UInt32; a text without any sentence gives no row.
    """
    marked = (
        pl.col("text")
        .str.replace_all(SHORTENED, "${1}.\u00a0")
        .str.replace_all(SPACED_END, "${1}\n")
        .str.replace_all(UNSPACED_END, "${1}\n")
        .str.split("\n")
        .list.head(3 * MAX_SENTENCES)
    )
    sentence = one_line(pl.col("sentence")).str.replace(LIST_MARK, "")
    return (
        texts.select("row", "language", sentence=marked)
        .explode("sentence", empty_as_null=False)
        .with_columns(sentence)
        .filter(pl.col("sentence").str.contains(r"[\p{L}\p{N}]"))
        .with_columns(position=pl.int_range(pl.len(), dtype=pl.UInt32).over("row"))
        .filter(pl.col("position") < MAX_SENTENCES)
    )


def score_sentences(sentences: pl.DataFrame) -> pl.DataFrame:
    """How likely each sentence of `split_sentences` is what was asked.

    Out: `row`, `sentence`, `position`, `content` (distinct topical words), `short` (a greeting or a scrap), `score`.
    """
    keyed = sentences.with_columns(folded=pl.col("sentence").str.to_lowercase()).with_row_index("key")
    keyed = keyed.join(_centrality(keyed), on="key", how="left", maintain_order="left")
    keyed = keyed.join(_openings(keyed), on="key", how="left", maintain_order="left")
    announces = pl.col("sentence").str.ends_with(":")
    follows = announces.shift(1, fill_value=False).cum_max().over("row")
    count = pl.len().over("row")
    central = pl.col("overlap").fill_null(0.0)
    peak = central.max().over("row")
    content = pl.col("content").fill_null(0)
    short = (pl.col("words") < MIN_WORDS) | pl.col("sentence").str.contains(lexicons.greeting_pattern())
    question = pl.col("sentence").str.contains(QUESTION)
    first_order = (pl.col("position") == 0) & ~short & (pl.col("orders") | (pl.col("opens") & question))
    score = (
        WEIGHT_CENTRAL * pl.when(peak > 0).then(central / peak).otherwise(0.0)
        + WEIGHT_QUESTION * question
        + WEIGHT_OPENING * pl.col("opens")
        + WEIGHT_FIRST_ORDER * first_order
        + WEIGHT_EARLY * (1.0 - pl.col("position") / count)
        + WEIGHT_CONTENT * pl.min_horizontal(content, pl.lit(FULL_CONTENT)) / FULL_CONTENT
        - PENALTY_SHORT * short
        - PENALTY_LONG * (pl.col("sentence").str.len_chars() > MAX_REQUEST)
        - PENALTY_MATERIAL * (pl.col("sentence").str.contains(MATERIAL) | follows)
    )
    return keyed.select("row", "sentence", "position", content=content, short=short, score=score)


def _centrality(keyed: pl.DataFrame) -> pl.DataFrame:
    """`key`, `words`, `content` (distinct topical words), `overlap`: share of them met in another sentence, averaged."""
    tokens = keyed.select(
        "key", "row", count=pl.len().over("row"), token=pl.col("folded").str.extract_all(lexicons.TOKEN)
    ).with_columns(words=pl.col("token").list.len())
    exploded = (
        tokens.explode("token", empty_as_null=False)
        .filter(pl.col("token").is_not_null() & ~pl.col("token").is_in(lexicons.all_stopwords().implode()))
        .unique(["key", "token"])
        .with_columns(shared=pl.len().over("row", "token") - 1)
    )
    overlap = exploded.group_by("key").agg(
        content=pl.len(),
        overlap=pl.col("shared").sum()
        / (pl.col("count").first() - 1)
        / pl.max_horizontal(pl.len(), pl.lit(4)),
    )
    return tokens.select("key", "words").join(overlap, on="key", how="left")


def _openings(keyed: pl.DataFrame) -> pl.DataFrame:
    """`key`, `opens`: starts as requests do in its language; `orders`: starts with an order, not with a wish."""
    known = lexicons.request_languages()
    parts = [pl.DataFrame(schema={"key": pl.UInt32, "opens": pl.Boolean, "orders": pl.Boolean})]
    for (language,), part in keyed.partition_by("language", as_dict=True).items():
        listed = language if language in known else "en"
        opens = pl.col("folded").str.contains(lexicons.opening_pattern(listed, ("lead_in", "cue")))
        orders = pl.col("folded").str.contains(lexicons.opening_pattern(listed, ("cue",)))
        parts.append(part.select("key", opens=opens, orders=orders))
    return pl.concat(parts)
