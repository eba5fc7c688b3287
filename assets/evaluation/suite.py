"""What a paper's room tells the evaluation core about itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
from pydantic import AfterValidator, BaseModel, ConfigDict

from schemas.catalogue import Table

if TYPE_CHECKING:
    from dagster_project.language_models import Asker


def _from_here(place: str) -> str:
    return str(Path(place).expanduser().resolve()) if place else place


Place = Annotated[str, AfterValidator(_from_here)]
"""Path of a file or folder that an option names. It is what it is where the option is given: a later run from another folder
finds the same."""


class SuiteOptions(BaseModel):
    """What a user may choose of a suite; a room's own options extend it. Kept in the home until they are changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Drafting:
    """What a suite's items are made from.

    seeds: schemas.usage.UsageSeed, the heaviest first; no row where nothing of real usage is published. options: the
    room's own model of them. asker: the model of a role (`writer`, `judge`), None where none is chosen. report: tells the
    progress display how far it is (done, total).
    """

    seeds: pl.DataFrame
    options: Any
    seed: int = 0
    asker: Callable[[str], Asker | None] = lambda role: None
    report: Callable[[int, int | None], None] = lambda done, total: None


@dataclass(frozen=True)
class Answered:
    """What a suite's metrics are made from.

    items: schemas.evaluation.EvalItem. answers: schemas.evaluation.EvalAnswer of all subjects, no row where none has
    answered. usage: schemas.usage.ItemUsage. subjects: subject, parameters, rl_steps (Float64, null where not known) of
    those that answer the suite. beside: by name, the tables that `Suite.beside` names.
    """

    items: pl.DataFrame
    answers: pl.DataFrame
    usage: pl.DataFrame
    subjects: pl.DataFrame
    beside: Mapping[str, pl.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """A paper's evaluation that asks no subject model: people have answered already. The room makes all of its tables.

    name: also the `suite` of its tables in schemas.catalogue; they are planned once it is registered, with its options.
    options, contents, roles: as of a Suite. shows: tables and views to read first.
    """

    name: str
    title: str
    paper: str
    version: str
    options: type[SuiteOptions] = SuiteOptions
    contents: Callable[[Any], Mapping[str, str]] = field(default=lambda options: {})
    roles: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suite:
    """A paper's evaluation: how its items are made and what answers to them amount to.

    name: as in schemas.catalogue.SUITES. paper: reference. version: raised where the same input gives other items.
    scores_version: raised where the same answers give other metrics.

    items(drafting) -> schemas.evaluation.EvalItem without `suite`, or None where the room has a step of its own for them.
    scores(answered) -> schemas.evaluation.EvalMetric without `suite`.
    picture(metrics) -> SVG of the paper's figure, from schemas.evaluation.EvalMetric of the suite.
    contents(options): hashes of the files that items are made from (prompts, templates, a file of the user's).
    beside: tables of the room's own that scores are made from, too.
    """

    name: str
    title: str
    paper: str
    version: str
    scores_version: str
    scores: Callable[[Answered], pl.DataFrame]
    items: Callable[[Drafting], pl.DataFrame] | None = None
    options: type[SuiteOptions] = SuiteOptions
    contents: Callable[[Any], Mapping[str, str]] = field(default=lambda options: {})
    roles: tuple[str, ...] = ()
    picture: Callable[[pl.DataFrame], bytes] | None = None
    beside: tuple[Table, ...] = ()
