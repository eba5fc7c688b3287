"""Inflections of one word count as one word: exercise and exercises, receta and recetas, письмо and письма.

Short requests say the same thing in many forms, and a threshold of users per form would hide what most of a
cluster asks for. Stems are Snowball's (M. F. Porter, 2001), by the language in which a form is mostly used.
"""

from __future__ import annotations

import polars as pl

from assets.clio.languages import language_name


def merge_inflections(uses: pl.DataFrame, rows: pl.DataFrame, min_users: int) -> pl.DataFrame:
    """Give all inflections of a word one key: the form that most users write.

    In: uses (row, text, key; both Categorical), unique; rows (row, user, language). Out: uses with the words of each
    key replaced by their commonest form, and for every key one use per row whose text is the key itself. A form is
    replaced only by one that at least `min_users` users write themselves.
    """
    heads = _head_words(uses, rows, min_users)
    keys = uses.select(pl.col("key").unique().cast(pl.String)).with_columns(word=pl.col("key").str.split(" "))
    shared = keys.explode("word", empty_as_null=False).join(
        heads, on="word", how="left", maintain_order="left"
    )
    heads_of_keys = (
        shared.group_by("key", maintain_order=True)
        .agg(head=pl.coalesce("head", "word").str.join(" "))
        .with_columns(pl.all().cast(pl.Categorical))
    )
    merged = uses.join(heads_of_keys, on="key").select("row", "text", key="head")
    whole = merged.select("row", text="key", key="key")
    return pl.concat([merged, whole]).unique()


def _head_words(uses: pl.DataFrame, rows: pl.DataFrame, min_users: int) -> pl.DataFrame:
    """`word`, `head`: the form under which a word's inflections are counted, for words that are not their own."""
    spaced = pl.col("text").cast(pl.String).str.contains(" ")
    single = uses.filter((pl.col("text") == pl.col("key")) & ~spaced)
    forms = (
        single.join(rows, on="row")
        .group_by(word=pl.col("text").cast(pl.String))
        .agg(users=pl.col("user").n_unique(), language=pl.col("language").mode().min())
    )
    stemmed = pl.concat([_stems(part) for part in forms.partition_by("language")] or [_stems(forms)])
    best = stemmed.sort("users", "word", descending=[True, False]).unique(
        ["language", "stem"], keep="first", maintain_order=True
    )
    heads = best.filter(pl.col("users") >= min_users).select("language", "stem", head="word")
    return stemmed.join(heads, on=["language", "stem"]).select("word", "head")


def _stems(forms: pl.DataFrame) -> pl.DataFrame:
    """Forms of one language with their `stem`; the form itself where the language has no stemmer."""
    import Stemmer

    words = forms["word"].to_list()
    language = language_name(forms["language"][0]).casefold() if words else ""
    stems = Stemmer.Stemmer(language).stemWords(words) if language in Stemmer.algorithms() else words
    return forms.with_columns(stem=pl.Series(stems, dtype=pl.String))
