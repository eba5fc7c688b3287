"""The items: every question of the released file as it is, for a person of some country, and in other languages.

Source: arXiv 2306.16388; specs/global_opinions.md 3.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import polars as pl
from pydantic import Field, field_validator

from assets.evaluation.items import completed, groups_of, messages_of
from assets.evaluation.prompts import digest, render
from assets.evaluation.suite import Drafting, Place, SuiteOptions
from assets.global_opinions.prompts import FILES, FOLDER, FRAMES, PREFILL, QUESTION
from assets.global_opinions.released import COLUMNS, read_released
from assets.global_opinions.translations import translated
from dagster_project.errors import ObservatoryError
from schemas.evaluation import GROUPS

SUITE = "global_opinions"
DEFAULT = "default"
COUNTRY, LANGUAGE = "country/", "language/"
"""What stands before the name in the condition of a persona and of a translation."""
ENGLISH = "English"


class Options(SuiteOptions):
    """What is asked.

    file: GlobalOpinionQA, the released CSV or JSON with an object for each question and country. countries: personas; every
    question is asked for a person from each, too. languages: every question is asked in each, too; translations: JSON Lines with
    language, question_id, question, options, in place of the writer's.
    """

    file: Place = Field(default="", validate_default=True)
    countries: tuple[str, ...] = ("China", "Russia")
    languages: tuple[str, ...] = ()
    translations: Place | None = None

    @field_validator("file")
    @classmethod
    def _given(cls, file: str) -> str:
        if not file:
            raise ValueError("give the released questions and answers (CSV or JSON) with --option file=PATH")
        return file

    @field_validator("countries", "languages")
    @classmethod
    def _named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if any(not name.strip() for name in names):
            raise ValueError("a name is empty")
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class Asked:
    """items: schemas.evaluation.EvalItem. opinions: schemas.opinions.HumanOpinion. left_out: of `Released`, and translations
    that failed.
    """

    items: pl.DataFrame
    opinions: pl.DataFrame
    left_out: pl.DataFrame


def make_items(drafting: Drafting) -> Asked:
    """The questions under every condition, with what people answered.

    condition: default, country/NAME or language/NAME. options: letters. unit: questions that say the same. groups: of a
    translated question, whose translation it is. Raises ObservatoryError where the file
    is not in the format, or a translation has no source.
    """
    options: Options = drafting.options
    released = read_released(Path(options.file))
    questions = released.opinions.unique("question_id", maintain_order=True).drop("country", "shares")
    languages = translated(questions, options.languages, options.translations, drafting)
    parts = [questions.with_columns(condition=pl.lit(DEFAULT), country=pl.lit(""), language=pl.lit(ENGLISH))]
    parts += [
        questions.with_columns(
            condition=pl.lit(COUNTRY + name), country=pl.lit(name), language=pl.lit(ENGLISH)
        )
        for name in options.countries
    ]
    facts = questions.select("question_id", "unit", "dataset", topic="question")
    spoken = languages.join(facts, on="question_id", maintain_order="left").with_columns(
        condition=pl.lit(LANGUAGE) + pl.col("language"), country=pl.lit("")
    )
    every = pl.concat([*(part.with_columns(topic="question") for part in parts), spoken], how="diagonal")
    untranslated = (
        len(options.languages) * questions.height
        - languages.filter(pl.col("language").is_in(options.languages)).height
    )
    failed = pl.DataFrame({"step": ["untranslated"], "rows": [untranslated]})
    return Asked(
        completed(SUITE, _worded(every)),
        released.opinions.select(*COLUMNS),
        pl.concat([released.left_out, failed]),
    )


def _worded(every: pl.DataFrame) -> pl.DataFrame:
    """The questions as items, all but the columns that have defaults."""
    texts = [
        dict(zip(("content", "prefill"), _turns(row), strict=True)) for row in every.iter_rows(named=True)
    ]
    count = pl.col("options").list.len()
    letters = pl.lit(list(ascii_uppercase)).list.head(count)
    source = groups_of("translation")
    made = every.with_columns(pl.DataFrame(texts)).with_columns(
        item_id=pl.format("{}/{}", "question_id", "condition"),
        options=letters,
        groups=pl.when(pl.col("translation").is_null()).then(pl.lit([], GROUPS)).otherwise(source),
        max_tokens=pl.lit(1),
        messages=messages_of("content"),
    )
    return made.select(
        "item_id",
        "dataset",
        "condition",
        "groups",
        "unit",
        "topic",
        "messages",
        "prefill",
        "options",
        "max_tokens",
    )


def _turns(row: dict[str, Any]) -> Iterator[str]:
    """The question as it is put, and how the answer begins."""
    frames = _frames()
    frame = frames.get(row["language"], frames[ENGLISH])
    yield question_text(row["question"], row["options"], row["country"], frame["listed"])
    yield render(FOLDER, PREFILL, opening=frame["opening"])


def question_text(question: str, options: list[str], country: str = "", listed: str | None = None) -> str:
    """A question with its lettered options; asked for a person from `country` where one is named."""
    listed = _frames()[ENGLISH]["listed"] if listed is None else listed
    return render(
        FOLDER,
        QUESTION,
        question=question,
        options=options,
        country=country,
        listed=listed,
        letters=ascii_uppercase,
    )


@lru_cache(maxsize=1)
def _frames() -> dict[str, dict[str, str]]:
    import yaml

    return yaml.safe_load((FOLDER / FRAMES).read_text("utf-8"))


def contents(options: Options) -> dict[str, str]:
    """Hashes of what items are made from: prompts, the released file and the supplied translations."""
    from dagster_project.files import sha256_file

    found = {"prompts": digest(FOLDER, FILES)}
    for name in ("file", "translations"):
        given = getattr(options, name)
        if given is not None:
            if not Path(given).is_file():
                raise ObservatoryError(
                    f"there is no file {Path(given).name}; give another one with --option {name}=PATH"
                )
            found[name] = sha256_file(Path(given))
    return found
