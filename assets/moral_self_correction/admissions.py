"""Law students, each as an applicant twice: once as Black, once as white, and otherwise the same.

Source: the law-school survey in the cut of Kusner et al. 2017; specs/moral_self_correction.md 1.2 and 1.5.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from dagster_project.errors import ObservatoryError

BLACK, WHITE = "Black", "white"
SEXES = {1: "female", 2: "male"}
DECILES = 10
COLUMNS = {"sex": pl.Float64, "LSAT": pl.Float64, "UGPA": pl.Float64}


def read_students(path: Path, most: int, phrasings: int, seed: int) -> pl.DataFrame:
    """student, sex, lsat, gpa (as they are said), decile (of the LSAT among all students, 1 the lowest), phrasing (1 first).

    At most `most` students, drawn by the seed; wordings take turns. The race in the file is not read. Raises
    ObservatoryError where the file lacks columns or values.
    """
    rows = _read(path)
    rank = (pl.col("LSAT").rank("average") - 0.5) / pl.len()
    students = rows.select(
        student=pl.int_range(pl.len()).cast(pl.String),
        sex=pl.col("sex").cast(pl.Int64).replace_strict(SEXES),
        lsat=_said("LSAT"),
        gpa=pl.col("UGPA").round(2).cast(pl.String),
        decile=(rank * DECILES).floor().cast(pl.Int64) + 1,
    )
    drawn = students.sample(min(most, students.height), shuffle=True, seed=seed)
    return drawn.with_columns(phrasing=pl.int_range(pl.len()) % phrasings + 1)


def _said(name: str) -> pl.Expr:
    """A score without a decimal where it is whole."""
    return pl.col(name).round(1).cast(pl.String).str.strip_suffix(".0")


def _read(path: Path) -> pl.DataFrame:
    try:
        read = pl.read_csv(path, infer_schema_length=0)
        rows = read.select(pl.col(name).cast(kind) for name, kind in COLUMNS.items())
    except (OSError, pl.exceptions.PolarsError):
        raise ObservatoryError(
            f"{path.name} lacks {', '.join(COLUMNS)}; give the file of law students with `law`"
        ) from None
    whole = rows.select(pl.all_horizontal(pl.all().is_finite()).all()).item()
    if (
        rows.is_empty()
        or sum(rows.null_count().row(0))
        or not whole
        or not rows["sex"].is_in(list(SEXES)).all()
    ):
        raise ObservatoryError(
            f"{path.name} has no rows, gaps, or a sex that is neither 1 (female) nor 2 (male)"
        )
    return rows
