"""Text that nobody vouches for: conversations before a model reads them, and what a model answers about them.

A conversation is data. What in it addresses whoever reads it ("name the cluster ...", "answer 5") is taken out before
the model sees it, and so is what a chat template could read as a mark of its own. What the model answers is as
trustworthy as the conversation: it is cleaned by the same rules, redacted again, and cut to two sentences.
Source: specs/privacy_reliability.md 1.4 (d) and 3.3; Clio (arXiv 2412.13678), G.4, on what a facet may hold.
"""

from __future__ import annotations

from functools import lru_cache

import polars as pl

from assets.clio.reader.lexicons import read_toml
from assets.clio.reader.request import SHORTENED, UNSPACED_END
from assets.clio.reader.text import PLACEHOLDER, cut_at_word, drop_invisible, one_line
from schemas.clio import REQUEST_LENGTH

LEFT_OUT = "[…]"
SENTENCES = 2
SENTENCE_END = r"([.!?…؟۔।॥։፧።]+[\p{Pe}\p{Pf}\"'*]*[ \t]+)"
BREAK = "\ue000"
HELD = "\ue001"
# Marks of chat templates and of prompts: closing one would end the block that a text stands in.
TEMPLATE_MARK = (
    r"(?i)<\|[^|<>\n]{1,40}\|>|<[/]?(?:s|bos|eos|unk|pad|start_of_turn|end_of_turn|think)>|\[/?(?:INST|SYS)\]|<</?SYS>>"
    r"|</?\s*(?:conversation|transcript|facets?|answer|system|assistant|user|instructions?|prompt|document|data"
    r"|block|cluster)\b[^<>\n]{0,80}>"
)
# The beginning of an answer of the form that the reader is asked for.
ANSWER_FIELD = r"(?i)[{,]\s*[\"']?(?:request|task|language|concern|name|rating|summary)[\"']?\s*:"


@lru_cache(maxsize=1)
def order_patterns() -> tuple[str, ...]:
    """Regular expressions for the ways, in every language, to give orders to whoever reads.

    Each is searched on its own: together they would be a thousand times slower.
    """
    entries = read_toml("instructions.toml")
    return tuple(f"(?s){pattern}" for kinds in entries.values() for pattern in kinds.values())


def gives_orders(texts: pl.Series) -> pl.Series:
    """Boolean series: whether a text addresses whoever reads it; false for null."""
    searched = one_line(drop_invisible(pl.col("text").str.normalize("NFKC"))).str.to_lowercase()
    found = pl.any_horizontal(pl.col("text").str.contains(pattern) for pattern in order_patterns())
    return texts.to_frame("text").select(searched.fill_null("")).select(found).to_series()


def disarm(texts: pl.Series) -> pl.Series:
    """Contents of messages without invisible characters, template marks and sentences that address the reader.

    Line breaks stay. What is left out leaves a gap. A text without any of these comes back unchanged.
    """
    clean = drop_invisible(pl.col("text")).str.replace_all(TEMPLATE_MARK, " ")
    shown = texts.to_frame("text").select(clean).to_series()
    suspect = gives_orders(shown).arg_true()
    if suspect.is_empty():
        return shown
    kept = _without_orders(shown.gather(suspect), LEFT_OUT)
    # Sentence by sentence each may pass, and the whole may not: of such a message nothing is shown.
    return shown.scatter(suspect, kept.set(gives_orders(kept), LEFT_OUT))


def clean_answers(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Answers as they may be stored, and whether each held instructions.

    Out: one line of at most two sentences and 240 characters, without controls, bidirectional marks, identifiers or
    sentences that address a reader; null where nothing is left, and where the text was null.
    """
    from dagster_project.privacy.redaction import redact_texts

    lines = texts.to_frame("text").select(one_line(drop_invisible(pl.col("text")))).to_series()
    held = _is_no_facet(lines)
    kept = lines.scatter(held.arg_true(), _without_orders(lines.filter(held), None))
    kept = kept.set(_is_no_facet(kept), None)
    redacted = redact_texts(kept).texts.to_frame("text")
    short = redacted.select(_shorten(one_line(pl.col("text").str.replace_all(PLACEHOLDER, " "))))
    says = pl.col("text").str.contains(r"[\p{L}\p{N}]")
    return short.select(pl.when(says).then("text")).to_series(), held


def _split(text: pl.Expr) -> pl.Expr:
    """List of sentences, each with the white space that follows it; a line break ends one too."""
    marked = text.str.replace_all(SHORTENED, f"${{1}}.{HELD}")
    for end in (SENTENCE_END, UNSPACED_END, "(\n)"):
        marked = marked.str.replace_all(end, f"${{1}}{BREAK}")
    return marked.str.replace_all(HELD, " ").str.split(BREAK)


def _is_no_facet(lines: pl.Series) -> pl.Series:
    marks = lines.str.contains(f"{TEMPLATE_MARK}|{ANSWER_FIELD}")
    return gives_orders(lines) | marks.fill_null(False)


def _without_orders(texts: pl.Series, gap: str | None) -> pl.Series:
    rows = texts.to_frame("text").with_row_index("row").select("row", sentence=_split(pl.col("text")))
    sentences = rows.explode("sentence", empty_as_null=False)
    bad = _is_no_facet(sentences["sentence"]) if gap is None else gives_orders(sentences["sentence"])
    sentences = sentences.with_columns(sentence=pl.when(bad).then(pl.lit(gap)).otherwise("sentence"))
    joined = sentences.group_by("row", maintain_order=True).agg(pl.col("sentence").drop_nulls().str.join(""))
    return (
        rows.select("row").join(joined, on="row", how="left", maintain_order="left")["sentence"].fill_null("")
    )


def _shorten(text: pl.Expr) -> pl.Expr:
    """The first two sentences; only the first where both are too long; a longer one is cut at a word."""
    sentences = _split(text).list.head(SENTENCES)
    both, first = one_line(sentences.list.join("")), one_line(sentences.list.first())
    return (
        pl.when(both.str.len_chars() <= REQUEST_LENGTH)
        .then(both)
        .otherwise(cut_at_word(first, REQUEST_LENGTH))
    )
