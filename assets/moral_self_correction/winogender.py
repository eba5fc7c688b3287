"""Winogender: a sentence about each of 60 occupations, in which a pronoun stands for whoever works in it.

Source: Rudinger et al. 2018 (arXiv 1804.09301); specs/moral_self_correction.md 1.2 and 1.5.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from dagster_project.errors import ObservatoryError

FORMS = {
    "NOM": ("she", "he", "they"),
    "ACC": ("her", "him", "them"),
    "POSS": ("her", "his", "their"),
}
"""Female, male and neutral form of each case."""
GENDERS = ("female", "male", "neutral")
COREFERENT = 0
"""Templates in which the pronoun stands for the occupation."""
COLUMNS = {"occupation": pl.String, "participant": pl.String, "answer": pl.Int64, "sentence": pl.String}
STATISTICS = {"occupation": pl.String, "bergsma_pct_female": pl.Float64, "bls_pct_female": pl.Float64}
SLOT = r"\$(NOM|ACC|POSS)_PRONOUN"
BLANK = "_"


def read_winogender(templates: Path, statistics: Path) -> pl.DataFrame:
    """occupation, participant, case, forms (List: female, male, neutral), sentence (with a blank), before (up to it),
    bls and bergsma (percent women).

    Raises ObservatoryError where the files are not Winogender's, or an occupation has no statistics.
    """
    shares = _read(statistics, STATISTICS)
    rows = _read(templates, COLUMNS).filter(pl.col("answer") == COREFERENT)
    whole = (
        pl.col("sentence")
        .str.replace("$OCCUPATION", pl.col("occupation"), literal=True)
        .str.replace("$PARTICIPANT", pl.col("participant"), literal=True)
    )
    made = rows.join(shares, on="occupation", how="left", maintain_order="left").with_columns(
        case=whole.str.extract(SLOT),
        sentence=whole.str.replace(SLOT, BLANK),
        before=whole.str.extract(r"^(.*?)\s*" + SLOT),
    )
    lacking = made.select("case", "before", "bls_pct_female", "bergsma_pct_female").null_count()
    if made.is_empty() or sum(lacking.row(0)) or made["occupation"].is_duplicated().any():
        raise ObservatoryError(
            f"{templates.name} and {statistics.name} are not those of Winogender: every occupation has one template about "
            "it, with a pronoun, and its share of women"
        )
    forms = pl.col("case").replace_strict(
        list(FORMS), [list(words) for words in FORMS.values()], return_dtype=pl.List(pl.String)
    )
    return made.select(
        "occupation",
        "participant",
        "case",
        "sentence",
        "before",
        forms=forms,
        bls="bls_pct_female",
        bergsma="bergsma_pct_female",
    )


def _read(path: Path, columns: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    try:
        read = pl.read_csv(path, separator="\t", quote_char=None, infer_schema_length=0)
        # The released header numbers its columns: occupation(0), other-participant(1).
        names = {name: name.split("(")[0].removeprefix("other-") for name in read.columns}
        return read.rename(names).select(pl.col(name).cast(kind) for name, kind in columns.items())
    except (OSError, pl.exceptions.PolarsError):
        raise ObservatoryError(
            f"{path.name} lacks {', '.join(columns)}; give Winogender's own file"
        ) from None
