"""Global opinions (arXiv 2306.16388): what people answered, what is asked, and each question by itself."""

from __future__ import annotations

import polars as pl

from assets.evaluation.steps import contents_of, drafting, suite_steps
from assets.global_opinions.suite import SUITE
from dagster_project.leak_gate import canary_gate, lone_table_gates
from dagster_project.steps import Result, Step, table_step
from schemas.catalogue import HUMAN_OPINIONS, OPINION_QUESTIONS, SUITE_TABLES, USAGE_SEEDS

steps = suite_steps(SUITE)
TABLES = SUITE_TABLES[SUITE.name]


@table_step(
    outputs=[TABLES.items, HUMAN_OPINIONS],
    inputs=[USAGE_SEEDS],
    version=SUITE.version,
    group=SUITE.name,
    settings=("seed", *SUITE.roles),
    contents=lambda options: contents_of(SUITE, options),
    gates=(canary_gate(TABLES.items), canary_gate(HUMAN_OPINIONS)),
)
def global_opinion_items(step: Step, usage_seeds: pl.LazyFrame) -> Result:
    """Reads a released file of survey questions, and makes of each the items of every persona and language."""
    from assets.global_opinions.items import make_items

    made = make_items(drafting(step, SUITE, usage_seeds.collect()))
    parts = made.items.group_by("dataset", "condition").len("items").sort("dataset", "condition")
    tables = {TABLES.items.name: made.items, HUMAN_OPINIONS.name: made.opinions}
    return Result(tables, metadata={"parts": parts, "left_out": made.left_out})


@table_step(
    outputs=[OPINION_QUESTIONS],
    inputs=[TABLES.items, TABLES.answers, TABLES.usage, HUMAN_OPINIONS],
    version="1",
    group=SUITE.name,
    gates=lone_table_gates(OPINION_QUESTIONS),
)
def opinion_questions(step: Step, human_opinions: pl.LazyFrame, **inputs: pl.LazyFrame) -> Result:
    """Compares each subject's answer to each question with those of people, and tells whose it is most and least like."""
    from assets.global_opinions.questions import by_question

    items, answers, usage = (
        inputs[table.name].collect() for table in (TABLES.items, TABLES.answers, TABLES.usage)
    )
    found = by_question(items, answers, usage, human_opinions.collect())
    return Result({OPINION_QUESTIONS.name: found}, rows_in=answers.height)
