"""Answers that somebody else collected, scored by the same code: JSONL, CSV or Parquet with one row per answer.

Columns: item_id; one or more of logprobs or probabilities (a list in the items' order of options, or an object by
option), choice, text; and, where there are several, subject and sample. missing_mass and reasoning are taken over.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from assets.evaluation.answering import BEGINNING, REFUSAL, read_option
from dagster_project.errors import ObservatoryError
from schemas.evaluation import (
    ANSWERED,
    FAULT,
    NO_ANSWER,
    NO_MASS,
    NO_OPTION,
    REFUSED,
    UNPARSEABLE,
    EvalAnswer,
)

COLUMNS = {name: column.dtype.type for name, column in EvalAnswer.to_schema().columns.items()}
CONTENT = ("logprobs", "probabilities", "choice", "text")
HELP = (
    "answers are JSONL, CSV or Parquet with item_id and at least one of logprobs, probabilities, choice or text; "
    "item ids are those of the suite's items (observatory export writes them)"
)
LOG_FLOOR = -float("inf")


@dataclass(frozen=True)
class Supplied:
    """Answers of one subject (schemas.evaluation.EvalAnswer), rows whose item the suite does not have, repeated rows."""

    answers: pl.DataFrame
    unknown: int
    repeated: int


def read_supplied(path: Path) -> pl.DataFrame:
    """The file as it is. Raises ObservatoryError, with what is expected, where it cannot be read or lacks columns."""
    readers: dict[str, Callable[[Path], pl.DataFrame]] = {
        ".parquet": pl.read_parquet,
        ".csv": lambda file: pl.read_csv(file, infer_schema_length=None),
        ".jsonl": lambda file: pl.read_ndjson(file, infer_schema_length=None),
        ".gz": lambda file: pl.read_ndjson(gzip.decompress(file.read_bytes()), infer_schema_length=None),
    }
    if not path.is_file():
        raise ObservatoryError(f"there is no file {path.name}; give the path of one that is there")
    if path.suffix not in readers:
        raise ObservatoryError(f"{path.name} cannot be read; {HELP}")
    try:
        frame = readers[path.suffix](path)
    except (pl.exceptions.PolarsError, OSError):
        raise ObservatoryError(f"{path.name} cannot be read; {HELP}") from None
    if "item_id" not in frame.columns or not set(CONTENT) & set(frame.columns):
        raise ObservatoryError(f"{path.name} lacks columns; {HELP}")
    return frame.with_columns(pl.col("item_id").cast(pl.String))


def subjects_in(frame: pl.DataFrame) -> list[str]:
    """Names of the subjects in a file of answers; [] where it names none."""
    if "subject" not in frame.columns:
        return []
    return sorted(frame["subject"].cast(pl.String).drop_nulls().unique())


def answers_of(frame: pl.DataFrame, items: pl.DataFrame, subject: str) -> Supplied:
    """The rows of one subject as answers to a suite's items (schemas.evaluation.EvalItem).

    A file that names one subject is all of that one, whatever it is called here. Raises ObservatoryError where no row meets
    an item of the suite, or `sample` is no ordinal.
    """
    several = len(subjects_in(frame)) > 1
    rows = frame.filter(pl.col("subject").cast(pl.String) == subject) if several else frame
    known = _numbered(rows).join(
        items.select("suite", "item_id", "options"), on="item_id", maintain_order="left"
    )
    if known.is_empty():
        raise ObservatoryError(f"no answer of {subject} is to an item of this suite; {HELP}")
    once = known.unique(["item_id", "sample"], keep="first", maintain_order=True).with_row_index("row")
    read = _with_logprobs(once)
    read = read.with_columns(
        _choices(read),
        subject=pl.lit(subject),
        text=_or_null(read, "text", pl.String),
        reasoning=_or_null(read, "reasoning", pl.String),
        missing_mass=_or_null(read, "missing_mass", pl.Float64).fill_null(pl.col("mass_left")).clip(0, 1),
    )
    answers = read.with_columns(status=_status(), protocol=_protocol()).with_columns(reason=_reason())
    return Supplied(
        answers.select(pl.col(name).cast(kind) for name, kind in COLUMNS.items()),
        unknown=rows.height - known.height,
        repeated=known.height - once.height,
    )


def _numbered(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the ordinal of their sample, the order of the file where it gives none."""
    if "sample" not in rows.columns:
        return rows.with_columns(sample=pl.int_range(pl.len()).over("item_id").cast(pl.UInt16))
    numbered = rows.with_columns(pl.col("sample").cast(pl.UInt16, strict=False))
    if numbered["sample"].null_count():
        raise ObservatoryError("sample is the ordinal of a drawn answer: a whole number from 0, in every row")
    return numbered


def _status() -> pl.Expr:
    text, scored = pl.col("text"), pl.col("logprobs").is_not_null()
    refused = _refuses(text)
    return (
        pl.when(_asks_text() & text.is_not_null())
        .then(
            pl.when(_refuses(text.str.slice(0, BEGINNING))).then(pl.lit(REFUSED)).otherwise(pl.lit(ANSWERED))
        )
        .when(pl.col("choice").is_not_null() | (scored & pl.col("logprobs").list.max().is_finite()))
        .then(pl.lit(ANSWERED))
        .when(text.is_null() & ~scored & ~pl.col("choice_given"))
        .then(pl.lit(FAULT))
        .when(refused)
        .then(pl.lit(REFUSED))
        .otherwise(pl.lit(UNPARSEABLE))
    )


def _reason() -> pl.Expr:
    """Why an answer cannot be scored, by its status; null where it can."""
    why = {FAULT: NO_ANSWER, REFUSED: REFUSED}
    unread = pl.when(pl.col("protocol") == "logprobs").then(pl.lit(NO_MASS)).otherwise(pl.lit(NO_OPTION))
    known = pl.col("status").replace_strict(why, default=None, return_dtype=pl.String)
    return pl.when(pl.col("status") == UNPARSEABLE).then(unread).otherwise(known)


def _refuses(text: pl.Expr) -> pl.Expr:
    return text.fill_null("").str.contains(f"(?i){REFUSAL.pattern}")


def _protocol() -> pl.Expr:
    by_probability = pl.col("logprobs").is_not_null()
    return (
        pl.when(by_probability)
        .then(pl.lit("logprobs"))
        .when(_asks_text())
        .then(pl.lit("text"))
        .otherwise(pl.lit("supplied"))
    )


def _asks_text() -> pl.Expr:
    return pl.col("options").list.len() == 0


def _or_null(frame: pl.DataFrame, name: str, kind: Any) -> pl.Expr:
    return pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, kind)


def _with_logprobs(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with logprobs in the order of their options, and mass_left, what they leave of the whole."""
    for name in ("logprobs", "probabilities"):
        if name in rows.columns:
            aligned = _aligned(rows, name)
            break
    else:
        aligned = pl.DataFrame(schema={"row": pl.UInt32, "value": pl.List(pl.Float64)})
        name = "logprobs"
    value = pl.col("value")
    if name == "probabilities":
        value = value.list.eval(pl.element().log())
    # The logarithm of what is no probability is no number: such a row has none, and counts as a fault.
    number = value.list.eval((pl.element() < float("inf")).fill_null(False)).list.all()
    value = pl.when(number).then(value)
    left = (1 - value.list.eval(pl.element().exp()).list.sum()).clip(0, 1)
    return (
        rows.drop("logprobs", "probabilities", strict=False)
        .join(aligned, on="row", how="left", maintain_order="left")
        .with_columns(logprobs=value, mass_left=left)
    )


def _aligned(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Values of each row by its options: row, value (List). A row that does not name its options' values has none."""
    kind = rows.schema[name]
    options = rows.select("row", "options", place=pl.int_ranges(pl.col("options").list.len()))
    places = options.explode("options", "place", empty_as_null=False)
    if isinstance(kind, pl.List):
        fits = rows.filter(pl.col(name).list.len() == pl.col("options").list.len())
        return fits.select("row", value=pl.col(name).cast(pl.List(pl.Float64)))
    if not isinstance(kind, pl.Struct):
        raise ObservatoryError(f"{name} is neither a list nor an object by option; {HELP}")
    long = rows.select("row", pl.col(name).struct.unnest()).unpivot(
        index="row", variable_name="options", value_name="value"
    )
    found = places.join(long.drop_nulls(), on=["row", "options"], how="left", maintain_order="left")
    filled = found.with_columns(pl.col("value").fill_null(LOG_FLOOR if name == "logprobs" else 0.0))
    named = found.filter(pl.col("value").is_not_null()).select("row").unique()
    return (
        filled.join(named, on="row", how="semi", maintain_order="left")
        .group_by("row", maintain_order=True)
        .agg(pl.col("value").cast(pl.Float64))
    )


def _choices(rows: pl.DataFrame) -> list[pl.Series | pl.Expr]:
    """The columns choice and choice_given: what is given where it is an option, else what log-probabilities or text say."""
    tops = rows.select(
        pl.when(pl.col("logprobs").list.max().is_finite()).then(
            pl.col("options").list.get(pl.col("logprobs").list.arg_max(), null_on_oob=True)
        )
    ).to_series()
    given = rows["choice"].cast(pl.String).to_list() if "choice" in rows.columns else [None] * rows.height
    texts = rows["text"].cast(pl.String).to_list() if "text" in rows.columns else [None] * rows.height
    found = [
        top
        if top is not None
        else read_option(said, options)
        if said and options is not None and len(options)
        else None
        for top, said, options in zip(
            tops, (one or text for one, text in zip(given, texts, strict=True)), rows["options"], strict=True
        )
    ]
    return [
        pl.Series("choice", found, dtype=pl.String),
        pl.Series("choice_given", [one is not None for one in given], dtype=pl.Boolean),
    ]
