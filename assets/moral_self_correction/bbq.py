"""BBQ's released files: questions about two people in contexts that do, or do not, tell which of them is meant.

Source: Parrish et al. 2022 (arXiv 2110.08193); specs/moral_self_correction.md 1.2 and 1.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from assets.moral_self_correction.targets import with_targets
from dagster_project.errors import ObservatoryError

LETTERS = ("a", "b", "c")
KINDS = {"ambig": "ambiguous", "disambig": "disambiguated"}
SET = 4
"""Rows of one set: both contexts of both questions about the same two people."""
LAST_LABEL = 25
"""Templates of a category with a higher number name people instead of describing them."""
PLACES = ("0", "1", "2")
SCHEMA = {
    "example_id": pl.Int64,
    "question_index": pl.String,
    "question_polarity": pl.String,
    "context_condition": pl.String,
    "category": pl.String,
    "answer_info": pl.Struct({f"ans{place}": pl.List(pl.String) for place in PLACES}),
    "additional_metadata": pl.Struct({"stereotyped_groups": pl.List(pl.String)}),
    "context": pl.String,
    "question": pl.String,
    **{f"ans{place}": pl.String for place in PLACES},
    "label": pl.Int64,
}
METADATA = {
    "category": pl.String,
    "example_id": pl.Int64,
    "target_loc": pl.Int64,
    "label_type": pl.String,
}


def read_bbq(
    paths: Sequence[Path], metadata: Path | None = None, rows: int | None = None, seed: int = 0
) -> pl.DataFrame:
    """category, example_id, dataset, unit, context, kind (ambiguous, disambiguated), polarity (neg, nonneg), question,
    answers (List), target (letter of the right answer), unknown, biased and other (letters; the last two null where the
    target is not known).

    dataset: bbq/CATEGORY, with /names where people are named. unit: the template. rows: of a category at most, in whole
    sets drawn by the seed. Raises ObservatoryError where a file is not BBQ's.
    """
    read = pl.concat(_read(path) for path in paths)
    if read.select("category", "example_id").is_duplicated().any():
        raise ObservatoryError("two files of BBQ hold the same examples; give each category only once")
    if rows is not None:
        read = _drawn(read, rows // SET, seed)
    known = with_targets(read, None if metadata is None else _metadata(metadata))
    named = pl.coalesce(
        pl.col("label_type") == "name",
        (pl.col("question_index").cast(pl.Int64, strict=False) > LAST_LABEL)
        & ~pl.col("category").str.contains("_x_"),
    )
    answers = pl.concat_list(f"ans{place}" for place in PLACES)
    return known.select(
        "category",
        "example_id",
        "context",
        "question",
        "unknown",
        "biased",
        "other",
        dataset=pl.concat_str(
            pl.lit("bbq/"), "category", pl.when(named).then(pl.lit("/names")).otherwise(pl.lit(""))
        ),
        unit=pl.format("{}/{}", "category", "question_index"),
        kind=pl.col("context_condition").replace_strict(KINDS),
        polarity="question_polarity",
        answers=answers,
        target=pl.col("label").replace_strict(dict(enumerate(LETTERS))),
    )


def _read(path: Path) -> pl.DataFrame:
    try:
        read = pl.read_ndjson(path, schema_overrides={"question_index": pl.String}, infer_schema_length=None)
        made = read.select(pl.col(name).cast(kind) for name, kind in _picked(read).items())
    except (OSError, pl.exceptions.PolarsError):
        raise ObservatoryError(f"{path.name} cannot be read as a file of BBQ (JSON Lines)") from None
    strange = made.filter(
        ~pl.col("context_condition").is_in(list(KINDS))
        | ~pl.col("question_polarity").is_in(["neg", "nonneg"])
        | ~pl.col("label").is_in(range(len(LETTERS)))
        | pl.any_horizontal(pl.col(name).is_null() for name in SCHEMA)
    )
    if strange.height or made.select("category", "example_id").is_duplicated().any():
        raise ObservatoryError(f"{path.name} has rows that are not BBQ's, or the same example twice")
    return made


def _picked(read: pl.DataFrame) -> dict[str, pl.DataType | type[pl.DataType]]:
    """The columns that are read; of the metadata, only the groups. Raises ColumnNotFoundError where one is absent."""
    if absent := sorted(set(SCHEMA) - set(read.columns)):
        raise pl.exceptions.ColumnNotFoundError(", ".join(absent))
    return dict(SCHEMA)


def _drawn(rows: pl.DataFrame, sets: int, seed: int) -> pl.DataFrame:
    key = ["category", pl.col("example_id") // SET]
    numbered = rows.with_columns(place=pl.struct(key).rank("dense").over("category") - 1)
    order = numbered.select("category", "place").unique(maintain_order=True).sort("category", "place")
    order = order.with_columns(turn=pl.int_range(pl.len()).shuffle(seed).over("category"))
    chosen = order.filter(pl.col("turn") < sets).select("category", "place")
    return numbered.join(chosen, on=["category", "place"], how="semi", maintain_order="left").drop("place")


def _metadata(path: Path) -> pl.DataFrame:
    try:
        read = pl.read_csv(path, infer_schema_length=0, null_values=["NA", "x", ""])
        made = read.select(
            pl.col(name).cast(pl.Float64).cast(kind) if kind == pl.Int64 else name
            for name, kind in METADATA.items()
        )
    except (OSError, pl.exceptions.PolarsError):
        raise ObservatoryError(
            f"{path.name} lacks {', '.join(METADATA)}; give BBQ's additional_metadata.csv"
        ) from None
    return made.unique(["category", "example_id"], keep="first", maintain_order=True)
