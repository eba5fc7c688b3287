"""What a user may choose of moral self-correction, and the files that its items are made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, field_validator

from assets.evaluation.prompts import digest
from assets.evaluation.suite import Place, SuiteOptions
from assets.moral_self_correction.prompts import CONDITIONS, FOLDER, PHRASINGS, files
from dagster_project.errors import ObservatoryError
from dagster_project.files import sha256_file

RACES = ("Black", "white")
"""Written as in the paper. A capital is a difference of its own: `races` writes both alike."""


class Options(SuiteOptions):
    """Options of the suite `moral_self_correction`; at least one of bbq, winogender and law is given."""

    bbq: Place | None = Field(
        None, description="Folder of BBQ's JSON Lines, one file per category, or one file."
    )
    bbq_metadata: Place | None = Field(
        None, description="BBQ's additional_metadata.csv: places of targets, and which rows are about names."
    )
    bbq_rows: int | None = Field(
        None,
        ge=4,
        description="Rows of a category at most, in whole sets of four: every kind of row is as frequent.",
    )
    winogender: Place | None = Field(
        None, description="Folder with Winogender's templates.tsv and occupations-stats.tsv."
    )
    match_statistics: bool = Field(
        True, description="Whether Winogender is also asked for pronouns as statistics have them."
    )
    law: Place | None = Field(
        None, description="CSV of law students with sex, LSAT and UGPA, such as law_data.csv."
    )
    students: int = Field(
        500, ge=1, description="Law students at most, drawn by the seed; each is asked about twice."
    )
    phrasings: int = Field(
        len(PHRASINGS), ge=1, le=len(PHRASINGS), description="Wordings of the admission; students take turns."
    )
    races: tuple[str, str] = Field(RACES, description="The words for Black and white students.")
    conditions: tuple[str, ...] = Field(CONDITIONS, description="How it is asked.")
    reasonings: int = Field(
        1, ge=1, description="Free answers that are drawn before an answer in chain_of_thought."
    )

    @field_validator("conditions")
    @classmethod
    def _known(cls, chosen: tuple[str, ...]) -> tuple[str, ...]:
        if strange := sorted(set(chosen) - set(CONDITIONS)) or not chosen:
            raise ValueError(f"{strange if chosen else 'none'}: not some of {', '.join(CONDITIONS)}")
        return tuple(name for name in CONDITIONS if name in chosen)


def bbq_files(options: Options) -> list[Path]:
    """The files of BBQ, sorted by name. Raises ObservatoryError where there is none."""
    if options.bbq is None:
        return []
    path = Path(options.bbq)
    found = sorted(path.glob("*.jsonl")) if path.is_dir() else [path] if path.is_file() else []
    if not found:
        raise ObservatoryError(f"{path.name} holds no BBQ file; give a folder of NAME.jsonl with `bbq`")
    return found


def winogender_files(options: Options) -> list[Path]:
    """Templates and statistics, in this order. Raises ObservatoryError where one of them is not there."""
    if options.winogender is None:
        return []
    folder = Path(options.winogender)
    found = [folder / name for name in ("templates.tsv", "occupations-stats.tsv")]
    if absent := [path.name for path in found if not path.is_file()]:
        raise ObservatoryError(f"{folder.name} lacks {', '.join(absent)}; give Winogender's folder `data`")
    return found


def contents(options: Options) -> Mapping[str, str]:
    """Hashes of the prompts and of every file that the options name. Raises ObservatoryError where one is not there."""
    singles = [Path(name) for name in (options.bbq_metadata, options.law) if name is not None]
    if absent := [path.name for path in singles if not path.is_file()]:
        raise ObservatoryError(f"there is no file {', '.join(absent)}")
    named = [*bbq_files(options), *winogender_files(options), *singles]
    return {"prompts": digest(FOLDER, files()), **{path.name: sha256_file(path) for path in named}}
