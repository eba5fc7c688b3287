"""Bursts of near-identical requests, and everything that is compared over the published clusters."""

from __future__ import annotations

import polars as pl

from assets.clio.comparison_gates import COMPARISON_GATE
from assets.clio.gates import release_gates, thresholds_of
from dagster_project.steps import Result, Step, table_step
from schemas.catalogue import (
    BURSTS,
    CLUSTER_CELLS,
    CLUSTER_TRENDS,
    CLUSTER_WEEKS,
    CLUSTERS,
    COMPARISON_REPORT,
    CONCERN_QUADRANTS,
    COUNTED_CONVERSATIONS,
    CURRENT_CONVERSATIONS,
    FACET_CONTRASTS,
    FACETS,
    LANGUAGE_CONTRASTS,
    PRIVACY_REPORT,
)

KEY = ["conversation_id", "batch"]
EARLIER = (CLUSTERS, CLUSTER_CELLS, LANGUAGE_CONTRASTS, PRIVACY_REPORT)


@table_step(
    outputs=[BURSTS],
    inputs=[CURRENT_CONVERSATIONS, FACETS],
    version="2",
    group="clio",
    settings=("min_users", "min_conversations"),
)
def bursts(step: Step, current_conversations: pl.LazyFrame, facets: pl.LazyFrame) -> Result:
    """Finds near-identical requests by many users within a day or over some, which may be one campaign and not many people."""
    from assets.clio.bursts import BurstRules, find_bursts

    read = facets.select(*KEY, "user_key", "started_at", "request")
    current = read.join(current_conversations, on=KEY, how="semi").drop("batch").collect()
    rules = BurstRules(step.settings.min_users, step.settings.min_conversations)
    return Result({BURSTS.name: find_bursts(current, rules)}, rows_in=current.height)


@table_step(
    outputs=[CLUSTER_WEEKS, CLUSTER_TRENDS, FACET_CONTRASTS, CONCERN_QUADRANTS, COMPARISON_REPORT],
    inputs=[BURSTS, COUNTED_CONVERSATIONS, *EARLIER],
    version="3",
    group="release",
    settings=("min_users", "min_conversations", "max_user_share", "unsafe_below_floor", "dp_epsilon"),
    gates=(COMPARISON_GATE, *release_gates(CLUSTER_TRENDS, EARLIER)),
)
def comparisons(
    step: Step,
    bursts: pl.LazyFrame,
    counted_conversations: pl.LazyFrame,
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
    counted = counted_conversations.collect()
    limits = thresholds_of(step.settings)
    picture = read_picture(clusters.collect(), cluster_cells.collect(), counted, limits)
    tables = compare(picture, bursts.collect())
    return Result(tables.frames(), rows_in=counted.height, metadata=tables.counts())
