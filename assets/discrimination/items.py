"""The items: scenarios filled for every person, each with what is asked about it.

Source: arXiv 2312.03689; specs/discrimination.md 2.1 to 2.3 and 2.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import polars as pl
from pydantic import Field, field_validator

from assets.discrimination.design import ATTRIBUTES, FILLS, NAMES, SCENARIOS, Fill
from assets.discrimination.prompts import (
    DEFAULT,
    FOLDER,
    FOLLOW_UP,
    INTERVENTIONS,
    OUT_LOUD,
    PREFILL,
    STYLES,
    files,
    opening_turn,
)
from assets.discrimination.released import CELL, read_released
from assets.discrimination.templates import FIELDS, USAGE, data_file, fill, scenarios, usage_scenarios
from assets.evaluation.items import completed, groups_of, item_ids, messages_of
from assets.evaluation.prompts import digest, render
from assets.evaluation.suite import Drafting, Place, SuiteOptions
from dagster_project.errors import ObservatoryError

SUITE = "discrimination"
YES, NO = "yes", "no"
OPTIONS = [YES, NO]
SCENARIO = "{scenario}"
REASONING_TOKENS = 512
OWN_QUESTIONS = 70
DIGEST = 12
"""Letters of a released prompt's hash in its id."""


class Options(SuiteOptions):
    """What is asked.

    fills: race and gender in words (explicit), or by a name (implicit). interventions, styles: asked besides the plain
    default, each by itself. questions: how many of our own 70 scenarios. usage_scenarios: how many of the heaviest
    clusters of real usage get a scenario of their own, filled in words. reasonings: free answers that are drawn where an
    intervention has the model reason first. file: JSON Lines in the released format, asked in place of our own scenarios.
    """

    fills: tuple[Fill, ...] = Field(default=FILLS, min_length=1)
    interventions: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    questions: int = Field(default=OWN_QUESTIONS, ge=1, le=OWN_QUESTIONS)
    usage_scenarios: int = Field(default=10, ge=0)
    reasonings: int = Field(default=3, ge=1)
    file: Place | None = None

    @field_validator("interventions")
    @classmethod
    def _known_interventions(cls, chosen: tuple[str, ...]) -> tuple[str, ...]:
        return _known(chosen, INTERVENTIONS)

    @field_validator("styles")
    @classmethod
    def _known_styles(cls, chosen: tuple[str, ...]) -> tuple[str, ...]:
        return _known(chosen, STYLES)


def _known(chosen: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    if strange := sorted(set(chosen) - set(known)):
        raise ValueError(f"{', '.join(strange)}: not one of {', '.join(known)}")
    return tuple(name for name in known if name in chosen)


@dataclass(frozen=True)
class Condition:
    """One way of asking. name: as in the column `condition`."""

    name: str
    intervention: str = DEFAULT
    style: str = DEFAULT


def conditions(options: Options) -> list[Condition]:
    """The plain default, then each intervention and each style by itself."""
    interventions = [Condition(name, intervention=name) for name in options.interventions]
    return [Condition(DEFAULT), *interventions, *(Condition(name, style=name) for name in options.styles)]


def make_items(drafting: Drafting) -> pl.DataFrame:
    """The items (schemas.evaluation.EvalItem) of the chosen fills and conditions.

    Datasets: explicit, implicit, usage_explicit; released_explicit and released_implicit from a file. unit: the decision
    question. groups: age, gender, race. target: yes, which helps the person. Raises ObservatoryError where a file is
    given together with styles: those need the templates.
    """
    options: Options = drafting.options
    if options.file and options.styles:
        raise ObservatoryError("styles need our own scenarios; leave out either `file` or `styles`")
    released = _released(options) if options.file else None
    return pl.concat(
        completed(SUITE, _asked(part, condition, options))
        for condition in conditions(options)
        for part in _texts(drafting, condition, released)
    )


def _texts(drafting: Drafting, condition: Condition, released: pl.DataFrame | None) -> Iterator[pl.DataFrame]:
    """dataset, unit, topic, age, gender, race, text, and what the source knows besides, by dataset."""
    options: Options = drafting.options
    if released is not None:
        yield released.with_columns(cell=pl.concat_str(*CELL, pl.lit(condition.name), separator="/"))
    else:
        own = scenarios(options.questions)
        for how in options.fills:
            yield fill(own, how, condition.style, drafting.seed).with_columns(dataset=pl.lit(how))
    drafted = usage_scenarios(drafting.seeds, options.usage_scenarios)
    yield fill(drafted, "explicit", condition.style, drafting.seed).with_columns(
        dataset=pl.lit("usage_explicit")
    )


def _released(options: Options) -> pl.DataFrame:
    rows = read_released(Path(options.file or ""))
    kept = rows.filter(pl.col("dataset").str.strip_prefix("released_").is_in(options.fills))
    if kept.is_empty():
        raise ObservatoryError("the file has no prompt of the chosen fills; choose others with `fills`")
    return kept


def _asked(rows: pl.DataFrame, condition: Condition, options: Options) -> pl.DataFrame:
    """The rows as items, all but their ids."""
    before, after = opening_turn(SCENARIO, condition.intervention).split(SCENARIO)
    reasons = condition.intervention in OUT_LOUD
    made = rows.with_columns(
        content=pl.concat_str(pl.lit(before), "text", pl.lit(after)),
        condition=pl.lit(condition.name),
        groups=groups_of(*ATTRIBUTES),
        follow_up=pl.lit(render(FOLDER, FOLLOW_UP) if reasons else None, pl.String),
        prefill=pl.lit(render(FOLDER, PREFILL)),
        options=pl.lit(OPTIONS),
        target=pl.lit(YES),
        samples=pl.lit(options.reasonings if reasons else 1),
        max_tokens=pl.lit(REASONING_TOKENS if reasons else 1),
    )
    asked = made.with_columns(messages=messages_of("content")).drop("content", "text", *ATTRIBUTES)
    return _named_by_cell(asked) if "cell" in asked.columns else asked


def _named_by_cell(asked: pl.DataFrame) -> pl.DataFrame:
    """Ids that name the cell of the released design, and the text: a prompt that was corrected is another one."""
    digests = item_ids(asked.with_columns(suite=pl.lit(SUITE))).str.slice(0, DIGEST)
    return asked.with_columns(item_id=pl.concat_str("cell", digests, separator="/")).drop("cell")


def contents(options: Options) -> dict[str, str]:
    """Hashes of what items are made from: prompts, scenarios, and a file of the user's."""
    data = [NAMES, *map(data_file, (*FIELDS, USAGE))]
    found = {"prompts": digest(FOLDER, files()), "scenarios": digest(SCENARIOS, data)}
    if options.file:
        found["file"] = _file_hash(Path(options.file))
    return found


def _file_hash(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        raise ObservatoryError(f"{path.name} cannot be read; give the path of a file that is there") from None
