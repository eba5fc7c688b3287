"""The task facet: a key phrase of at most six words, usually the verb and its object, taken from the request."""

from __future__ import annotations

import polars as pl

from assets.clio.reader import lexicons
from assets.clio.reader.text import PLACEHOLDER, URL

MAX_WORDS = 6
MAX_UNSPACED = 20
MIN_CLAUSE_WORDS = 2
ROUNDS_OF_LEAD_INS = 3
WORD = r"[\p{L}\p{M}\p{N}][\p{L}\p{M}\p{N}'’\u200c\u200d+#-]*"
CLAUSE_END = r"[.,;:!?()\[\]\"“”«»…、。，！？；：؟،۔।–—/]"
# Chinese particles that only mark a question or a tone.
ENDING_PARTICLE = r"[吗嗎呢吧啊么]+$"
LONG_NUMBER = r"^\p{N}{3,}$"


def read_tasks(requests: pl.DataFrame) -> pl.Series:
    """The key phrase of each request.

    In: `request` String, `language` String. Out: String series `task` in the same order, lower case, at most six
    words (20 characters in scripts without spaces); '' for an empty request. A row depends on itself only.
    """
    rows = requests.with_row_index("row").with_columns(folded=_fold(pl.col("request")))
    rows = pl.concat([*map(_without_lead_ins, rows.partition_by("language"))]) if len(rows) else rows
    unspaced = pl.col("language").is_in(lexicons.UNSPACED_LANGUAGES)
    phrases = pl.concat([_unspaced_phrases(rows.filter(unspaced)), _spaced_phrases(rows.filter(~unspaced))])
    joined = (
        requests.with_row_index("row")
        .select("row", "request")
        .join(phrases, on="row", how="left", maintain_order="left")
    )
    fallback = _fold(pl.col("request")).str.extract(rf"({WORD}(?:\s+{WORD}){{0,5}})").fill_null("")
    task = pl.when(pl.col("task").fill_null("") == "").then(fallback.str.slice(0, 80)).otherwise("task")
    return joined.select(task.alias("task")).to_series()


def _fold(text: pl.Expr) -> pl.Expr:
    """Lower case, without links and redaction placeholders."""
    return text.str.replace_all(f"{PLACEHOLDER}|{URL}", " ").str.to_lowercase().str.strip_chars()


def _without_lead_ins(part: pl.DataFrame) -> pl.DataFrame:
    """Rows of one language with the words that only announce the request removed from `folded`."""
    language = part["language"][0]
    if language not in lexicons.request_languages():
        return part
    pattern = lexicons.opening_pattern(language, ("lead_in",))
    for _ in range(ROUNDS_OF_LEAD_INS):
        shorter = pl.col("folded").str.replace(pattern, "")
        part = part.with_columns(
            folded=pl.when(shorter.str.contains(r"\p{L}{2}")).then(shorter).otherwise("folded")
        )
    return part


def _unspaced_phrases(rows: pl.DataFrame) -> pl.DataFrame:
    """`row`, `task` for scripts without spaces: the start of the first clause of two characters or more."""
    clause = pl.col("folded").str.extract(rf"([^\s\p{{P}}]{{2,{MAX_UNSPACED}}})")
    return rows.select("row", task=clause.fill_null("").str.replace(ENDING_PARTICLE, ""))


def _spaced_phrases(rows: pl.DataFrame) -> pl.DataFrame:
    """`row`, `task` for scripts with spaces: the topical words of the first clause that has two of them."""
    tokens = (
        rows.select("row", "language", token=pl.col("folded").str.extract_all(f"{WORD}|{CLAUSE_END}"))
        .explode("token", empty_as_null=False)
        .drop_nulls("token")
        .with_columns(ends=pl.col("token").str.contains(rf"^{CLAUSE_END}$"))
        .with_columns(clause=pl.col("ends").cum_sum().over("row"))
        .filter(~pl.col("ends"))
    )
    topical = _topical(tokens).with_columns(size=pl.len().over("row", "clause"))
    chosen = pl.when(pl.col("size") >= MIN_CLAUSE_WORDS).then("clause").min().over("row")
    fallback = pl.col("clause").min().over("row")
    kept = topical.filter(pl.col("clause") == pl.coalesce(chosen, fallback))
    return kept.group_by("row", maintain_order=True).agg(task=pl.col("token").head(MAX_WORDS).str.join(" "))


def _topical(tokens: pl.DataFrame) -> pl.DataFrame:
    """The tokens that are neither function words nor long numbers; without a list, words of three letters or more."""
    listed = list(lexicons.stopword_languages())
    named = tokens.with_columns(
        list_language=pl.when(pl.col("language").is_in(listed)).then("language").otherwise(pl.lit("en"))
    )
    lists = lexicons.stopwords().rename({"language": "list_language"})
    kept = named.join(lists, on=["list_language", "token"], how="anti", maintain_order="left")
    long_enough = pl.col("language").is_in(listed) | (pl.col("token").str.len_chars() >= 3)
    return kept.filter(long_enough & ~pl.col("token").str.contains(LONG_NUMBER))
