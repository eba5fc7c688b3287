"""What a user chooses of a collective constitution: the data, the rules by which it is filtered, and what is made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from assets.collective_constitution.prompts import FOLDER
from assets.evaluation.suite import Place, SuiteOptions
from dagster_project.files import sha256_file
from schemas.collective import IN, UNMODERATED

ABSENT = "absent"


class CollectiveOptions(SuiteOptions):
    """Options of the study `collective_constitution`; paths are those of this machine and published nowhere."""

    folder: Place = Field(
        description="Folder with a Polis export (comments.csv, participants-votes.csv or votes.csv), or with tables "
        "`statements` and `votes` (CSV, JSONL or Parquet)."
    )
    votes_are_public: bool = Field(
        False,
        description="Whether anybody can read the votes already; counts are then exact.",
    )
    moderation: tuple[Literal[-1, 0, 1], ...] = Field(
        (IN, UNMODERATED), description="States of moderation that are kept: 1 in, 0 not looked at, -1 out."
    )
    without_statements: tuple[str, ...] = Field((), description="Statements left out, by id.")
    statement_votes: int = Field(1, ge=1, description="Votes that a statement needs at least.")
    more_votes_than: int = Field(
        0, ge=0, description="Participants need more votes than this, whatever statements these are on."
    )
    toss: Place | None = Field(None, description="File of participants left out, one id a line.")
    variant: Literal["polis", "ccai"] = Field(
        "ccai", description="Algorithm of the opinion groups that the constitution rests on; both are run."
    )
    agreement: float = Field(
        0.85,
        gt=0,
        lt=1,
        description="Least agreement of what is selected: the geometric mean over groups of their shares.",
    )
    consensus: float | None = Field(
        None, gt=0, lt=1, description="Least group-aware consensus instead; depends on the number of groups."
    )
    top: int | None = Field(None, ge=1, description="So many statements instead, with all that tie.")
    merge_above: float = Field(
        0.9, gt=0, le=1, description="Cosine from which statements are one idea without anybody's word."
    )
    propose_above: float = Field(0.75, gt=0, le=1, description="Cosine from which a merger is proposed.")
    decisions: Place | None = Field(
        None,
        description="CSV with statement_id, similar_to, decision (merge or keep): what a person decided.",
    )
    other: Place | None = Field(
        None,
        description="Constitution to compare with: YAML as this project writes it, or one principle a line.",
    )
    same_above: float = Field(0.6, gt=0, le=1, description="Cosine from which principles share a concept.")


def contents(options: CollectiveOptions) -> Mapping[str, str]:
    """Hashes of the prompts and of every file that the options name; `absent` where there is none."""
    from dagster_project.language_models.prompts import digest

    folder = Path(options.folder)
    named = {f"folder/{path.name}": path for path in _tables(folder)}
    named |= {
        name: Path(value)
        for name in ("toss", "decisions", "other")
        if (value := getattr(options, name)) is not None
    }
    hashes = {name: sha256_file(path) if path.is_file() else ABSENT for name, path in named.items()}
    return {**hashes, "prompts": digest(FOLDER, [path.name for path in FOLDER.glob("*.jinja")])}


def _tables(folder: Path) -> Iterable[Path]:
    endings = {".csv", ".jsonl", ".parquet"}
    return sorted(path for path in folder.glob("*") if path.suffix in endings) if folder.is_dir() else ()
