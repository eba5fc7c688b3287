"""Polars expressions that turn redacted messages into the text that the readers look at."""

from __future__ import annotations

import polars as pl

CODE_FENCE = r"(?s)```.*?(?:```|\z)"
CODE_SPAN = r"`[^`\n]{1,200}`"
URL = r"(?i)\b(?:https?://|www\.)\S+"
PLACEHOLDER = r"<[A-Z][A-Z0-9_]{1,40}>"
# Controls other than line breaks, zero-width and bidirectional marks, tags, private use: nothing a reader sees.
INVISIBLE = (
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    r"\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def user_texts(messages: str = "messages") -> pl.Expr:
    """List(String): the contents of the user turns, in order."""
    is_user = pl.element().struct.field("role") == "user"
    return pl.col(messages).list.eval(pl.element().filter(is_user).struct.field("content"))


def drop_invisible(text: pl.Expr) -> pl.Expr:
    """The text without control, zero-width, bidirectional and tag characters; line breaks stay.

    Zero-width joiners (U+200C, U+200D) stay: Persian and Indic spelling needs them, and they reorder nothing.
    """
    return text.str.replace_all("\r\n?", "\n").str.replace_all(INVISIBLE, "")


def strip_markup(text: pl.Expr) -> pl.Expr:
    """The text with code blocks, code spans, URLs and redaction placeholders replaced by a space."""
    return text.str.replace_all(f"{CODE_FENCE}|{CODE_SPAN}|{URL}|{PLACEHOLDER}", " ")


def one_line(text: pl.Expr) -> pl.Expr:
    """The text with every run of white space as one space, none at the ends."""
    return text.str.replace_all(r"[\s\p{Z}]+", " ").str.strip_chars()


def cut_at_word(text: pl.Expr, limit: int) -> pl.Expr:
    """At most `limit` characters: a longer text loses its last partial word and gains an ellipsis.

    Scripts without spaces are cut at the character, never inside a combining sequence.
    """
    head = text.str.slice(0, limit - 1)
    at_space = head.str.replace(r"\s+\S{0,40}$", "")
    shortened = at_space.str.replace(r"[\s\p{P}\p{M}\u200c\u200d]+$", "") + "…"
    return pl.when(text.str.len_chars() > limit).then(shortened).otherwise(text)
