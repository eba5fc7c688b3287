"""The lexical half of the concern score: words of concern in what the user wrote.

One Aho-Corasick pass finds the terms of all languages in the folded text. Terms add evidence; a wish or a plan
raises it, news, study or care lowers it, everyday phrases cancel it. The constants are judgements about how much
a word says, fixed before any labelled data was looked at; nothing is fitted.
"""

from __future__ import annotations

from functools import lru_cache

import polars as pl

from assets.clio.reader.language import UNKNOWN
from assets.clio.reader.lexicons import read_toml
from assets.clio.reader.text import PLACEHOLDER, URL, drop_invisible, user_texts

MAX_CHARACTERS = 8000
# Evidence adds up and saturates: score = 1 - exp(-evidence). One plain term alone gives 0.63, two 0.86, a strong
# one 0.39, a weak one 0.14.
EVIDENCE = {"plain": 1.0, "strong": 0.5, "weak": 0.15, "harmless": -0.8}
INTENT_FACTOR = 1.5
DISTANCE_FACTOR = 0.6
# Beyond these many terms a text says nothing new; a long story must not count as many requests.
MAX_TERMS = 6
KINDS = ("plain", "strong", "weak")


def concern_text(messages: str = "messages") -> pl.Expr:
    """String: the user turns, first 8,000 characters, without links and placeholders."""
    joined = user_texts(messages).list.join(" \n ", ignore_nulls=True).fill_null("")
    return drop_invisible(joined.str.slice(0, MAX_CHARACTERS)).str.replace_all(f"{PLACEHOLDER}|{URL}", " ")


@lru_cache(maxsize=1)
def load_terms() -> pl.DataFrame:
    """Columns `pattern` (searched in folded text), `term_language` ('' for context words), `kind`, `evidence`."""
    source = read_toml("concern.toml")
    context = source.pop("context")
    rows = [(_pattern(term), "", kind) for kind in context for term in _terms(context[kind])]
    for category in source.values():
        for language, lists in category.items():
            rows += [(_pattern(t), language, kind) for kind in KINDS for t in _terms(lists.get(kind, ""))]
    frame = pl.DataFrame(rows, schema=["pattern", "term_language", "kind"], orient="row")
    strength = pl.col("kind").replace_strict(EVIDENCE, default=0.0, return_dtype=pl.Float64)
    return frame.with_columns(evidence=strength).unique(
        ["pattern", "term_language"], keep="first", maintain_order=True
    )


def _applies() -> pl.Expr:
    """Whether a term counts in a text: a short word of one language may be an innocent word of another."""
    same = (pl.col("term_language") == "") | (pl.col("term_language") == pl.col("language"))
    unknown = pl.col("language") == UNKNOWN
    borrowed = (pl.col("term_language") == "en") & (pl.col("kind") == "plain")
    return same | unknown | borrowed


def _terms(text: str) -> list[str]:
    """The terms of a list, between bars or lines."""
    return [term.strip() for term in text.replace("\n", " ").split("|") if term.strip()]


def _pattern(term: str) -> str:
    """A term as it stands in folded text: spaces mark the word's ends, an open end has none."""
    start, end = " ", " "
    if any("\u2e80" <= letter <= "\u9fff" for letter in term):
        start, end = "", ""
    return f"{start}{term.removesuffix('*')}{'' if term.endswith('*') else end}"


def fold(text: pl.Expr) -> pl.Expr:
    """Lower case, every run of other than letters and digits as one space, a space at both ends."""
    words = text.str.to_lowercase().str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ")
    return pl.concat_str(pl.lit(" "), words, pl.lit(" "))


def lexical_concern(texts: pl.Series, languages: pl.Series) -> pl.Series:
    """Lexical concern of each text.

    In: String series [N] from `concern_text`, and the language of each. Out: Float32 series `concern_lexical` [N] in
    0..1, same order. Each distinct term counts once; a row depends on its own text only.
    """
    terms = load_terms()
    folded = pl.DataFrame({"language": languages, "text": texts}).with_row_index("row")
    folded = folded.with_columns(text=fold(pl.col("text")))
    patterns = terms["pattern"].unique(maintain_order=True).implode()
    found = (
        folded.select("row", "language", pattern=pl.col("text").str.extract_many(patterns, overlapping=True))
        .explode("pattern", empty_as_null=False)
        .drop_nulls()
        .unique(["row", "pattern"])
        .join(terms, on="pattern")
        .filter(_applies())
        .unique(["row", "pattern"])
    )
    evidence = found.group_by("row").agg(
        raised=pl.col("evidence").filter(pl.col("evidence") > 0).top_k(MAX_TERMS).sum(),
        cancelled=pl.col("evidence").filter(pl.col("evidence") < 0).sum(),
        intent=(pl.col("kind") == "intent").any(),
        distance=(pl.col("kind") == "distance").any(),
    )
    factor = pl.when("intent").then(INTENT_FACTOR).otherwise(1.0) * pl.when("distance").then(
        DISTANCE_FACTOR
    ).otherwise(1.0)
    amount = pl.max_horizontal(pl.lit(0.0), pl.col("raised") + pl.col("cancelled")) * factor
    # Terms are summed in no fixed order; rounding keeps the last bits from depending on it.
    amount = amount.round(6)
    scored = evidence.select("row", concern_lexical=(1.0 - (-amount).exp()).cast(pl.Float32))
    joined = folded.select("row").join(scored, on="row", how="left", maintain_order="left")
    return joined["concern_lexical"].fill_null(0.0)
