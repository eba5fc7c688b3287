"""Times as files write them, to UTC: ISO 8601 with any zone, and seconds to nanoseconds since 1970."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import polars as pl

from schemas.conversations import EARLIEST, LATEST

UTC_TIME = pl.Datetime("us", "UTC")
DATE_TIME = (
    r"^\s*(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:[Tt ]\s*(?P<time>\d{2}:\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9})\d*)?)?)?"
    r"\s*(?P<zone>[Zz]|UTC|GMT|(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2})?)?\s*$"
)
# No unit's values between 1990 and 2100 reach another's: each bound is the largest plausible number of its
# unit.
UNITS = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0))
MICROSECONDS_PER_NANOSECOND = 1e-3


class Times(NamedTuple):
    """Times as a column, and how many given values are null in it: no times, or not in 1990 to 2099."""

    column: pl.Series
    unparsable: int
    absurd: int


def parse_times(values: Sequence[Any]) -> Times:
    """Parse raw values, one per row; a time without a zone is UTC. None stays null and is not counted."""
    if all(value is None for value in values):
        return Times(pl.Series([None] * len(values), dtype=UTC_TIME), 0, 0)
    texts = pl.Series([_as_text(value) for value in values], dtype=pl.String)
    numbers = pl.Series([_as_number(value) for value in values], dtype=pl.Float64)
    given = pl.Series([value is not None and value != "" for value in values], dtype=pl.Boolean)
    frame = pl.DataFrame({"text": texts, "number": numbers, "given": given, "iso": _parse_iso(texts)})
    if frame.select((pl.col("given") & pl.col("iso").is_null()).any()).item():
        numeric = pl.coalesce("number", pl.col("text").cast(pl.Float64, strict=False))
        frame = frame.with_columns(iso=pl.coalesce("iso", _from_text(), _from_number(numeric)))
    plausible = pl.col("iso").is_between(EARLIEST, LATEST, closed="left")
    counts = frame.select((pl.col("given") & pl.col("iso").is_null()).sum(), absurd=(~plausible).sum())
    return Times(frame.select(pl.when(plausible).then("iso")).to_series(), *counts.row(0))


def as_instant(value: object) -> float:
    """One raw time as seconds since 1970, by which rows are put in order; 0 where it cannot be read."""
    number = float(value) if isinstance(value, str) and value.isdecimal() else _as_number(value)
    if number is None:
        return _iso_instant(_as_text(value) or "")
    unit = next((unit for bound, unit in UNITS if abs(number) < bound), MICROSECONDS_PER_NANOSECOND)
    return number * unit / 1e6 if math.isfinite(number) else 0.0


def _iso_instant(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _parse_iso(texts: pl.Series) -> pl.Series:
    """The usual form, with a zone: needs no taking apart, so it is read many times faster."""
    return texts.str.to_datetime("%+", strict=False, time_unit="us", time_zone="UTC")


def _as_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return value.isoformat() if isinstance(value, date) else None


def _as_number(value: object) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _from_number(number: pl.Expr) -> pl.Expr:
    factor = pl.lit(MICROSECONDS_PER_NANOSECOND)
    for bound, unit in reversed(UNITS):
        factor = pl.when(number.abs() < bound).then(unit).otherwise(factor)
    microseconds = (number * factor).round().cast(pl.Int64, strict=False)
    return pl.when(number.is_finite()).then(microseconds).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _from_text() -> pl.Expr:
    parts = pl.col("text").str.extract_groups(DATE_TIME).struct
    clock = pl.concat_str(
        parts.field("date"),
        pl.lit("T"),
        parts.field("time").fill_null("00:00"),
        pl.lit(":"),
        parts.field("second").fill_null("00"),
    )
    fraction = parts.field("fraction").fill_null("0").str.pad_end(9, "0").cast(pl.Int64) // 1_000
    offset = parts.field("hours").cast(pl.Int64) * 60 + parts.field("minutes").fill_null("0").cast(pl.Int64)
    signed = pl.when(parts.field("sign") == "-").then(-offset).otherwise(offset).fill_null(0)
    moment = clock.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
    return (moment + pl.duration(microseconds=fraction) - pl.duration(minutes=signed)).dt.replace_time_zone(
        "UTC"
    )
