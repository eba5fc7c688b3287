"""Bursts of near-identical requests, and everything that is compared over the published clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from dagster_project.checks import GateSpec, Outcome
from dagster_project.lake import StagedTable
from dagster_project.leak_gate import event_logs, find_leaks
from dagster_project.settings import Settings
from dagster_project.steps import Result, Step, table_step
from schemas.catalogue import (
    BURSTS,
    CLUSTER_ASSIGNMENTS,
    CLUSTER_CELLS,
    CLUSTER_NODES,
    CLUSTER_TRENDS,
    CLUSTER_WEEKS,
    CLUSTERS,
    COMPARISON_REPORT,
    CONCERN_QUADRANTS,
    CONCERNS,
    CURRENT_CONVERSATIONS,
    FACET_CONTRASTS,
    FACETS,
    LANGUAGE_CONTRASTS,
    PRIVACY_REPORT,
)

KEY = ["conversation_id", "batch"]
READ = (*KEY, "user_key", "language", "week", "model", "turns", "flagged")
EARLIER = (CLUSTERS, CLUSTER_CELLS, LANGUAGE_CONTRASTS, PRIVACY_REPORT)


@table_step(
    outputs=[BURSTS],
    inputs=[CURRENT_CONVERSATIONS, FACETS],
    version="1",
    group="clio",
    settings=("min_users", "min_conversations"),
)
def bursts(step: Step, current_conversations: pl.LazyFrame, facets: pl.LazyFrame) -> Result:
    """Finds near-identical requests by many users within a day, which may be one campaign and not many people."""
    from assets.clio.bursts import BurstRules, find_bursts

    read = facets.select(*KEY, "user_key", "started_at", "request")
    current = read.join(current_conversations, on=KEY, how="semi").drop("batch").collect()
    rules = BurstRules(step.settings.min_users, step.settings.min_conversations)
    return Result({BURSTS.name: find_bursts(current, rules)}, rows_in=current.height)


def expectations_hold(step: Step, staged: Mapping[str, StagedTable], _: Any) -> list[Outcome]:
    """Validate all published tables so far, these included, and rewrite the Data Docs."""
    from schemas.expectations import validate_published

    frames = {table.name: step.lake.scan(table.zone, table.name).collect() for table in EARLIER}
    frames.update({name: table.scan().collect() for name, table in staged.items()})
    result = validate_published(frames, step.home.data_docs)
    failed = {"failed_expectations": list(result.failed)}
    return [Outcome(CLUSTER_TRENDS.name, "expectations", result.success, failed)]


def nothing_leaks(step: Step, staged: Mapping[str, StagedTable], _: Any) -> list[Outcome]:
    """Search the staged tables and everything that Dagster has logged so far."""
    tables = [table.path for table in staged.values()]
    found = find_leaks(step.home, [*tables, *event_logs(step.home)], strict=tables)
    return [Outcome(CLUSTER_TRENDS.name, "no_leaks", not found, {"leaks": found})]


COMPARISON_GATES = (
    GateSpec(
        expectations_hold,
        ((CLUSTER_TRENDS.name, "expectations"),),
        "The Great Expectations suite of the release and of the comparisons holds.",
    ),
    GateSpec(
        nothing_leaks,
        ((CLUSTER_TRENDS.name, "no_leaks"),),
        "No canary, identifier or copied text in the comparisons or in Dagster's event log.",
    ),
)


@table_step(
    outputs=[CLUSTER_WEEKS, CLUSTER_TRENDS, FACET_CONTRASTS, CONCERN_QUADRANTS, COMPARISON_REPORT],
    inputs=[
        CURRENT_CONVERSATIONS,
        FACETS,
        CONCERNS,
        CLUSTER_ASSIGNMENTS,
        CLUSTER_NODES,
        BURSTS,
        CLUSTERS,
        CLUSTER_CELLS,
        LANGUAGE_CONTRASTS,
        PRIVACY_REPORT,
    ],
    version="1",
    group="release",
    settings=("min_users", "min_conversations", "max_user_share", "unsafe_below_floor", "dp_epsilon"),
    gates=COMPARISON_GATES,
)
def comparisons(
    step: Step,
    current_conversations: pl.LazyFrame,
    facets: pl.LazyFrame,
    concerns: pl.LazyFrame,
    cluster_assignments: pl.LazyFrame,
    cluster_nodes: pl.LazyFrame,
    bursts: pl.LazyFrame,
    clusters: pl.LazyFrame,
    cluster_cells: pl.LazyFrame,
    language_contrasts: pl.LazyFrame,
    privacy_report: pl.LazyFrame,
) -> Result:
    """Publishes growth and decline, facets against facets, and concern against a flag, with intervals and tests."""
    from assets.clio.comparisons import compare, nothing_compared, read_picture

    del language_contrasts, privacy_report  # the gate reads them together with the new tables
    if step.settings.dp_epsilon is not None:
        return Result(nothing_compared().frames(), rows_in=0)
    read = facets.select(READ).join(current_conversations, on=KEY, how="semi")
    bands = concerns.select(*KEY, "concern_band")
    current = read.join(bands, on=KEY, how="left").drop("batch").collect()
    picture = read_picture(
        clusters.collect(),
        cluster_cells.collect(),
        cluster_nodes.collect(),
        cluster_assignments.collect(),
        current,
        thresholds(step.settings),
    )
    tables = compare(picture, bursts.collect())
    return Result(tables.frames(), rows_in=current.height, metadata=tables.counts())


def thresholds(settings: Settings) -> Any:
    """The limits of the release."""
    from dagster_project.privacy.thresholds import Thresholds

    return Thresholds(
        min_users=settings.min_users,
        min_conversations=settings.min_conversations,
        max_user_share=settings.max_user_share,
        unsafe_below_floor=settings.unsafe_below_floor,
    )
