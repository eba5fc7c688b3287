"""The assets of a suite, the same for every paper: its items, their place in real usage, answers and metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from assets.evaluation.suite import Answered, Drafting, Study, Suite
from dagster_project.evaluations import Subject
from dagster_project.leak_gate import canary_gate
from dagster_project.metadata import svg_picture
from dagster_project.steps import Result, Step, table_step
from schemas.catalogue import CLUSTERS, SUITE_TABLES, USAGE_SEEDS, SuiteTables
from schemas.evaluation import UNAVAILABLE, EvalMetric

SUITES: dict[str, Suite] = {}
"""Every suite by name, in the order of import: the command line reads it."""
STUDIES: dict[str, Study] = {}
"""Every study by name, likewise."""
METRIC_COLUMNS = {name: column.dtype.type for name, column in EvalMetric.to_schema().columns.items()}


def suite_steps(suite: Suite) -> list[dg.AssetsDefinition]:
    """The suite's assets. Without `suite.items` the room makes the table of items by a step of its own."""
    SUITES[suite.name] = suite
    tables = SUITE_TABLES[suite.name]
    items = [_items_step(suite, tables)] if suite.items else []
    return [*items, _usage_step(suite, tables), _answers_step(suite, tables), _metrics_step(suite, tables)]


def declare_study(study: Study) -> None:
    """Make a study known; its room declares the steps."""
    STUDIES[study.name] = study


def options_of(step: Step, suite: Suite | Study) -> Any:
    """The suite's options as they are kept in the home."""
    return suite.options.model_validate(step.home.evaluations().suites[suite.name])


def drafting(step: Step, suite: Suite, seeds: pl.DataFrame) -> Drafting:
    """What the suite's items are made from, in a step."""
    return Drafting(
        seeds=seeds.sort("weight", "seed_cluster_id", descending=[True, False]),
        options=options_of(step, suite),
        seed=step.settings.seed,
        asker=step.asker,
        report=step.report,
    )


def contents_of(suite: Suite | Study, options: Mapping[str, Any]) -> Mapping[str, str]:
    """Hashes of what the suite's items are made from, with the options that a home holds."""
    return suite.contents(suite.options.model_validate(dict(options)))


def subjects_of(subjects: Sequence[Subject]) -> pl.DataFrame:
    """What is known of the subjects' size: subject, parameters, rl_steps."""
    schema = {"subject": pl.String, "parameters": pl.Float64, "rl_steps": pl.Float64}
    return pl.DataFrame(
        [(it.name, it.parameters, it.rl_steps) for it in subjects], schema=schema, orient="row"
    )


def _items_step(suite: Suite, tables: SuiteTables) -> dg.AssetsDefinition:
    @table_step(
        outputs=[tables.items],
        inputs=[USAGE_SEEDS],
        version=suite.version,
        group=suite.name,
        settings=("seed", *suite.roles),
        contents=lambda options: contents_of(suite, options),
        gates=(canary_gate(tables.items),),
        name=f"{suite.name}_items",
        description=f"Makes the items of: {suite.title} ({suite.paper}).",
    )
    def items(step: Step, usage_seeds: pl.LazyFrame) -> Result:
        assert suite.items is not None  # noqa: S101 the step is made only where it is given
        made = suite.items(drafting(step, suite, usage_seeds.collect()))
        facts = made.group_by("dataset", "condition").len("items").sort("dataset", "condition")
        return Result({tables.items.name: made}, metadata={"parts": facts})

    return items


def _usage_step(suite: Suite, tables: SuiteTables) -> dg.AssetsDefinition:
    @table_step(
        outputs=[tables.usage, tables.reach],
        inputs=[tables.items, USAGE_SEEDS, CLUSTERS],
        version="2",
        group=suite.name,
        name=f"{suite.name}_usage",
        description="Finds the cluster of real usage that each item lies near, and the weight that this gives it.",
    )
    def usage(
        step: Step, usage_seeds: pl.LazyFrame, clusters: pl.LazyFrame, **inputs: pl.LazyFrame
    ) -> Result:
        from assets.evaluation.linking import link
        from dagster_project.embedding import default_embedder

        topics = inputs[tables.items.name].select(
            "item_id", "dataset", "condition", "topic", "seed_cluster_id"
        )
        found = link(
            suite.name,
            topics.collect(),
            usage_seeds.collect(),
            clusters.collect(),
            lambda texts: default_embedder().encode(texts),
        )
        return Result(
            {tables.usage.name: found.usage, tables.reach.name: found.reach}, rows_in=found.usage.height
        )

    return usage


def _answers_step(suite: Suite, tables: SuiteTables) -> dg.AssetsDefinition:
    @table_step(
        outputs=[tables.answers],
        inputs=[tables.items],
        version="2",
        group=suite.name,
        name=f"{suite.name}_answers",
        description="Asks a subject model every item, or takes the answers that somebody supplied; one partition each.",
    )
    def answers(step: Step, **inputs: pl.LazyFrame) -> Result:
        from assets.evaluation.answering import Asked, ask_items
        from assets.evaluation.supplied import answers_of, read_supplied

        items, subject = inputs[tables.items.name].collect(), step.subject
        if subject.specification is None:
            file = step.home.supplied(subject.sha256 or "", subject.file or "")
            given = answers_of(read_supplied(file), items, subject.name)
            facts = {"unknown_items": given.unknown, "repeated": given.repeated}
            return Result({tables.answers.name: given.answers}, rows_in=items.height, metadata=facts)
        asked = Asked(subject.name, step.ask(subject.specification), subject.samples, step.report)
        result = Result({}, rows_in=items.height)
        result.tables = {tables.answers.name: _told(ask_items(items, asked), result)}
        return result

    return answers


def _told(frames: Iterator[pl.DataFrame], result: Result) -> Iterator[pl.DataFrame]:
    """The frames of answers; once all are there, the result has the mark of those that a passing fault has left out."""
    left = hashlib.sha256()
    for frame in frames:
        late = frame.filter(pl.col("status") == UNAVAILABLE)
        left.update("".join(late["item_id"]).encode())
        if late.height:
            result.gap = left.hexdigest()[:16]
        yield frame


def _metrics_step(suite: Suite, tables: SuiteTables) -> dg.AssetsDefinition:
    @table_step(
        outputs=[tables.metrics],
        inputs=[tables.items, tables.answers, tables.usage, *suite.beside],
        version=suite.scores_version,
        group=suite.name,
        name=f"{suite.name}_metrics",
        description=f"Scores the answers: {suite.title} ({suite.paper}).",
    )
    def metrics(step: Step, **inputs: pl.LazyFrame) -> Result:
        items, answers, usage = (
            inputs[table.name].collect() for table in (tables.items, tables.answers, tables.usage)
        )
        subjects = subjects_of(step.home.evaluations().answering(suite.name))
        beside = {table.name: inputs[table.name].collect() for table in suite.beside}
        answered = Answered(items, answers, usage, subjects, beside)
        scored = suite.scores(answered).with_columns(suite=pl.lit(suite.name))
        table = scored.select(pl.col(name).cast(kind) for name, kind in METRIC_COLUMNS.items())
        shown = {} if suite.picture is None else {"figure": svg_picture(suite.picture(table))}
        return Result({tables.metrics.name: table}, rows_in=answers.height, metadata=shown)

    return metrics
