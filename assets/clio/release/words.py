"""Strings fit for publication: no characters that hide or reorder text."""

from __future__ import annotations

import polars as pl

from schemas.identifiers import ANY_IDENTIFIER, HIDDEN

LONGEST_VALUE = 80


def clean(column: str) -> pl.Expr:
    """The column without control, bidirectional and zero-width characters, white space collapsed."""
    visible = pl.col(column).str.replace_all(r"\s+", " ").str.replace_all(HIDDEN, "")
    return visible.str.replace_all(r"\s+", " ").str.strip_chars()


def clean_value(column: str, other: str, unknown: str = "unknown") -> pl.Expr:
    """A short value: cleaned; `unknown` where null or empty; `other` where long or carrying an identifier."""
    value = clean(column)
    unfit = (value.str.len_chars() > LONGEST_VALUE) | value.str.contains(ANY_IDENTIFIER)
    return (
        pl.when(unfit).then(pl.lit(other)).otherwise(value.replace("", None)).fill_null(unknown).alias(column)
    )
