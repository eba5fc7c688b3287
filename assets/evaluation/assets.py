"""What all suites share: seeds from the published clusters, and every suite's figures in one set of published tables."""

from __future__ import annotations

import polars as pl

from dagster_project.leak_gate import joint_gates, lone_table_gates
from dagster_project.steps import Result, Step, table_step
from schemas.catalogue import (
    CLUSTER_CELLS,
    CLUSTERS,
    EVAL_LOSSES,
    EVAL_METRICS,
    EVAL_SUITES,
    PRIVACY_REPORT,
    SUITE_TABLES,
    USAGE_COVERAGE,
    USAGE_REACH,
    USAGE_SEEDS,
)

ITEM_COLUMNS = ("suite", "item_id", "dataset", "condition", "seed_cluster_id")
ANSWER_COLUMNS = ("suite", "subject", "item_id", "protocol", "missing_mass", "status", "reason")
TOGETHER = (EVAL_METRICS, EVAL_SUITES, EVAL_LOSSES, USAGE_REACH, USAGE_COVERAGE)


@table_step(
    outputs=[USAGE_SEEDS],
    inputs=[CLUSTERS, CLUSTER_CELLS],
    version="1",
    group="evaluation",
    gates=lone_table_gates(USAGE_SEEDS),
)
def usage_seeds(step: Step, clusters: pl.LazyFrame, cluster_cells: pl.LazyFrame) -> Result:
    """Takes the published clusters of the finest level as seeds of evaluations, with their share of usage as weight."""
    from assets.evaluation.seeds import usage_seeds as seeds_of

    seeds = seeds_of(clusters.collect(), cluster_cells.collect())
    return Result({USAGE_SEEDS.name: seeds}, metadata={"usage": round(float(seeds["weight"].sum()), 4)})


@table_step(
    outputs=TOGETHER,
    inputs=[
        USAGE_SEEDS,
        PRIVACY_REPORT,
        *(
            table
            for suite in SUITE_TABLES.values()
            for table in (suite.items, suite.reach, suite.answers, suite.metrics)
        ),
    ],
    version="2",
    group="evaluation",
    gates=joint_gates(TOGETHER),
)
def evaluations(
    step: Step, usage_seeds: pl.LazyFrame, privacy_report: pl.LazyFrame, **inputs: pl.LazyFrame
) -> Result:
    """Publishes what all suites found: metrics with intervals, what was asked and answered, and the coverage of usage."""
    from assets.evaluation.coverage import coverage
    from assets.evaluation.inventory import inventory, losses
    from assets.evaluation.seeds import released_users

    def together(kind: str, *columns: str) -> pl.DataFrame:
        frames = [inputs[getattr(suite, kind).name] for suite in SUITE_TABLES.values()]
        return pl.concat(frame.select(columns or pl.all()) for frame in frames).collect()

    reach = together("reach")
    active = [name for name in SUITE_TABLES if name in step.home.evaluations().suites]
    users = released_users(privacy_report.collect())
    register = step.home.evaluations()
    subjects = pl.DataFrame(
        [(suite, subject.name) for suite in SUITE_TABLES for subject in register.answering(suite)],
        schema={"suite": pl.String, "subject": pl.String},
        orient="row",
    )
    items, answers = together("items", *ITEM_COLUMNS), together("answers", *ANSWER_COLUMNS)
    asked = inventory(items, answers, subjects)
    tables = {
        EVAL_METRICS.name: together("metrics"),
        EVAL_SUITES.name: asked,
        EVAL_LOSSES.name: losses(items, answers, asked),
        USAGE_REACH.name: reach,
        USAGE_COVERAGE.name: coverage(reach, usage_seeds.collect(), active, users=users),
    }
    return Result(
        tables,
        rows_in=int(asked["answers"].sum()),
        metadata={"answers": int(asked["answers"].sum()), "metrics": tables[EVAL_METRICS.name].height},
    )
