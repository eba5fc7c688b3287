"""The assets: what a public said, its groups of opinion, and the constitution that all of them agree on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from assets.collective_constitution.study import STUDY
from assets.evaluation.steps import contents_of, declare_study, options_of
from dagster_project.leak_gate import joint_gates, lone_table_gates
from dagster_project.steps import Result, Step, table_step
from schemas.catalogue import (
    COLLECTIVE_PARTICIPANTS,
    COLLECTIVE_STATEMENTS,
    COLLECTIVE_STEPS,
    COLLECTIVE_VOTES,
    CONSTITUTION_MATCHES,
    CONSTITUTION_PRINCIPLES,
    OPINION_GROUPS,
    OPINION_MAP,
    OPINION_MEMBERS,
    OPINION_SPLITS,
    PRINCIPLE_SOURCES,
    STATEMENT_CONSENSUS,
    STATEMENT_GROUPS,
)

declare_study(STUDY)
SAID = (COLLECTIVE_STATEMENTS, COLLECTIVE_PARTICIPANTS, COLLECTIVE_VOTES)
PUBLISHED = (
    COLLECTIVE_STEPS,
    OPINION_GROUPS,
    OPINION_MAP,
    STATEMENT_CONSENSUS,
    STATEMENT_GROUPS,
    CONSTITUTION_PRINCIPLES,
    PRINCIPLE_SOURCES,
    CONSTITUTION_MATCHES,
)


@table_step(
    outputs=SAID,
    version=STUDY.version,
    group=STUDY.name,
    contents=lambda options: contents_of(STUDY, options),
)
def collective_votes(step: Step) -> Result:
    """Reads what participants said to statements, and tells by rule who and what is counted."""
    from assets.collective_constitution.filters import apply_rules
    from assets.collective_constitution.reading import read_conversation, read_ids

    options = options_of(step, STUDY)
    tossed = [] if options.toss is None else read_ids(Path(options.toss))
    counted = apply_rules(read_conversation(Path(options.folder)), options, tossed)
    tables = dict(
        zip(
            (table.name for table in SAID),
            (counted.statements, counted.participants, counted.votes),
            strict=True,
        )
    )
    return Result(tables, rows_in=counted.votes.height)


@table_step(
    outputs=[OPINION_MEMBERS, OPINION_SPLITS],
    inputs=SAID,
    version="1",
    group=STUDY.name,
    settings=("seed", "min_users", "dp_epsilon"),
    gates=lone_table_gates(OPINION_SPLITS),
)
def opinions(
    step: Step,
    collective_statements: pl.LazyFrame,
    collective_participants: pl.LazyFrame,
    collective_votes: pl.LazyFrame,
) -> Result:
    """Finds the groups of participants who vote alike, in both variants of the algorithm."""
    from assets.collective_constitution.building import kept_matrix, members_table, splits, splits_table

    participants = collective_participants.collect()
    matrix = kept_matrix(collective_statements.collect(), participants, collective_votes.collect())
    found = splits(matrix, participants, step.settings.seed)
    told = splits_table(found, options_of(step, STUDY).variant)
    if step.settings.dp_epsilon is not None or len(matrix.participants) < step.settings.min_users:
        told = told.clear()
    tables = {OPINION_MEMBERS.name: members_table(matrix, found), OPINION_SPLITS.name: told}
    return Result(tables, rows_in=collective_votes.select(pl.len()).collect().item())


@table_step(
    outputs=PUBLISHED,
    inputs=(*SAID, OPINION_MEMBERS),
    version="2",
    group=STUDY.name,
    settings=("min_users", "dp_epsilon", *STUDY.roles),
    contents=lambda options: contents_of(STUDY, options),
    gates=joint_gates(PUBLISHED),
)
def collective_constitution(step: Step, **inputs: pl.LazyFrame) -> Result:
    """Publishes what groups of enough people agree on, the constitution made of it, and another one beside it."""
    from assets.collective_constitution.figures import Given, published_figures
    from dagster_project.embedding import default_embedder
    from dagster_project.evaluations import shown_name

    writer = step.settings.writer
    found = published_figures(
        Given(
            *(inputs[table.name].collect() for table in (*SAID, OPINION_MEMBERS)),
            options=options_of(step, STUDY),
            fewest=step.settings.min_users,
            noisy=step.settings.dp_epsilon is not None,
            asker=step.asker("writer"),
            writer=None if writer is None else shown_name(writer),
        ),
        lambda texts: default_embedder().encode(texts),
    )
    facts = {"principles": found.tables[CONSTITUTION_PRINCIPLES.name].height, "withheld": found.withheld}
    return Result(
        found.tables,
        rows_in=inputs[COLLECTIVE_VOTES.name].select(pl.len()).collect().item(),
        metadata=facts,
        on_commit=_files(step, found.yaml, found.markdown),
    )


def _files(step: Step, yaml: str, markdown: str) -> Callable[[], None]:
    """Writes the constitution's files beside the published tables."""

    def write() -> None:
        from dagster_project.files import make_private, write_private

        folder = make_private(step.home.constitutions)
        for ending, content in (("yaml", yaml), ("md", markdown)):
            write_private(folder / f"{STUDY.name}.{ending}", content.encode())

    return write
