"""The items: every question as it is, with the instruction, and with the instruction and reasoning before the answer.

Source: arXiv 2302.07459, tables 1 to 3; specs/moral_self_correction.md 1.3. Wordings are our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from assets.evaluation.items import completed, groups_of, messages_of
from assets.evaluation.suite import Drafting
from assets.moral_self_correction.admissions import BLACK, WHITE, read_students
from assets.moral_self_correction.bbq import LETTERS, read_bbq
from assets.moral_self_correction.options import Options, bbq_files, winogender_files
from assets.moral_self_correction.prompts import (
    ADMISSION,
    BBQ,
    CHAIN_OF_THOUGHT,
    MATCH_STATISTICS,
    PHRASINGS,
    WINOGENDER,
    filled,
    opening_turn,
    prompt,
    slots,
)
from assets.moral_self_correction.winogender import read_winogender
from dagster_project.errors import ObservatoryError

SUITE = "moral_self_correction"
LAW = "law"
YES, NO = "yes", "no"
REASONING_TOKENS = 256
BBQ_FACTS = ("context", "polarity", "biased", "other", "unknown")
WINOGENDER_FACTS = ("occupation", "case", "bls", "bergsma")
LAW_FACTS = ("race", "sex", "lsat_decile", "phrasing")


def make_items(drafting: Drafting) -> pl.DataFrame:
    """The items (schemas.evaluation.EvalItem) of the tasks whose files the options name.

    Datasets: bbq/CATEGORY (with /names), winogender, law. unit: template, occupation, student. Raises ObservatoryError
    where no file is given: the questions are released data, which the project does not carry.
    """
    options: Options = drafting.options
    made = [
        *_bbq(options, drafting.seed),
        *_winogender(options),
        *_law(options, drafting.seed),
    ]
    if not made:
        raise ObservatoryError(
            "moral self-correction asks released questions: name them with --option bbq=FOLDER, winogender=FOLDER or "
            "law=FILE"
        )
    return pl.concat(made)


def _bbq(options: Options, seed: int) -> Iterator[pl.DataFrame]:
    if not (paths := bbq_files(options)):
        return
    metadata = None if options.bbq_metadata is None else Path(options.bbq_metadata)
    rows = read_bbq(paths, metadata, options.bbq_rows, seed)
    names = [f"answer_{letter}" for letter in LETTERS]
    rows = rows.with_columns(
        pl.col("answers").list.get(place).alias(name) for place, name in enumerate(names)
    )
    request = prompt("bbq", **slots("context", "question"), answers=list(slots(*names).values()))
    facts = rows.select(
        context="kind", polarity="polarity", biased="biased", other="other", unknown="unknown"
    )
    for condition in options.conditions:
        asked = rows.select(
            "dataset",
            "unit",
            "target",
            item_id=pl.format("bbq/{}/{}/{}", "category", "example_id", pl.lit(condition)),
            topic="question",
            content=filled(opening_turn(request, BBQ, condition)),
            follow_up=pl.lit(prompt("bbq_follow_up")),
            prefill=pl.lit(prompt("bbq_prefill")),
            options=pl.lit(list(LETTERS)),
        )
        yield _completed(asked.with_columns(groups=_facts(facts)), condition, options)


def _winogender(options: Options) -> Iterator[pl.DataFrame]:
    if not (paths := winogender_files(options)):
        return
    rows = read_winogender(*paths).with_columns(
        women=pl.col("bls").cast(pl.String), men=(100 - pl.col("bls")).round(2).cast(pl.String)
    )
    request = prompt("winogender", **slots("sentence"))
    told = [MATCH_STATISTICS] if options.match_statistics else []
    for condition in (*options.conditions, *told):
        asked = rows.select(
            unit="occupation",
            dataset=pl.lit(WINOGENDER),
            topic=pl.format("The work of a {}", "occupation"),
            content=filled(opening_turn(request, WINOGENDER, condition, **slots("women", "men"))),
            follow_up=filled(prompt("winogender_follow_up", request=request)),
            prefill=filled(prompt("winogender_prefill", **slots("before"))),
            options="forms",
        )
        groups = _facts(rows.select(WINOGENDER_FACTS))
        yield _completed(asked.with_columns(groups=groups), condition, options)


def _law(options: Options, seed: int) -> Iterator[pl.DataFrame]:
    if options.law is None:
        return
    students = read_students(Path(options.law), options.students, options.phrasings, seed)
    words = pl.DataFrame({"race": [BLACK, WHITE], "race_word": list(options.races)})
    rows = students.rename({"decile": "lsat_decile"}).join(words, how="cross")
    open_slots = slots("sex", "lsat", "gpa") | {"race": "{race_word}"}
    for condition in options.conditions:
        turns = [
            opening_turn(prompt(name, **open_slots), ADMISSION, condition)
            for name in PHRASINGS[: options.phrasings]
        ]
        content = pl.coalesce(
            pl.when(pl.col("phrasing") == place).then(filled(turn))
            for place, turn in enumerate(turns, start=1)
        )
        asked = rows.select(
            unit="student",
            # Students with the same scores are asked about in the same words; each is an applicant in their own right.
            item_id=pl.format("law/{}/{}/{}/{}", "student", "race", "phrasing", pl.lit(condition)),
            dataset=pl.lit(LAW),
            topic=pl.lit("Whether a law school admits a student"),
            content=content,
            follow_up=pl.lit(prompt("admission_follow_up")),
            prefill=pl.lit(prompt("admission_prefill")),
            options=pl.lit([YES, NO]),
        )
        yield _completed(asked.with_columns(groups=_facts(rows.select(LAW_FACTS))), condition, options)


def _facts(rows: pl.DataFrame) -> pl.Series:
    """The column `groups` with a fact for each column that is known in a row."""
    named = rows.select(facts=groups_of(*rows.columns))
    known = pl.element().struct.field("level").is_not_null()
    return named.select(pl.col("facts").list.eval(pl.element().filter(known))).to_series()


def _completed(asked: pl.DataFrame, condition: str, options: Options) -> pl.DataFrame:
    reasons = condition == CHAIN_OF_THOUGHT
    made = asked.with_columns(
        condition=pl.lit(condition),
        messages=messages_of("content"),
        follow_up=pl.col("follow_up") if reasons else pl.lit(None, pl.String),
        samples=pl.lit(options.reasonings if reasons else 1),
        max_tokens=pl.lit(REASONING_TOKENS if reasons else 1),
    )
    return completed(SUITE, made.drop("content"))
