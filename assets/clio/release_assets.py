"""The release: what of the clusters may be published, counted and gated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from assets.clio.audit_assets import published_model
from assets.clio.gates import RELEASE_GATES, previous_release, thresholds_of
from assets.clio.release import Release
from assets.clio.wording import SHARED_TERMS
from dagster_project.device import choose_device, lazy_queries_on
from dagster_project.erasure.record import read_record
from dagster_project.errors import ObservatoryError
from dagster_project.home import weakest_unit
from dagster_project.privacy.contributions import Bounds
from dagster_project.privacy.identity import load_or_create_secret
from dagster_project.settings import Settings
from dagster_project.steps import Result, Step, table_step
from schemas.catalogue import (
    CLUSTER_ASSIGNMENTS,
    CLUSTER_CELLS,
    CLUSTER_LABELS,
    CLUSTER_NODES,
    CLUSTERS,
    CONCERNS,
    COUNTED_CONVERSATIONS,
    CURRENT_CONVERSATIONS,
    EMBEDDINGS,
    FACETS,
    LANGUAGE_CONTRASTS,
    PRIVACY_REPORT,
)

WORDS = ("request", "task")
DETAILS = ("turns", "flagged")


@table_step(
    outputs=[CLUSTERS, CLUSTER_CELLS, LANGUAGE_CONTRASTS, PRIVACY_REPORT, COUNTED_CONVERSATIONS],
    inputs=[
        CURRENT_CONVERSATIONS,
        FACETS,
        CONCERNS,
        CLUSTER_ASSIGNMENTS,
        CLUSTER_NODES,
        CLUSTER_LABELS,
        EMBEDDINGS,
    ],
    version="4",
    group="release",
    settings=(
        "min_users",
        "min_conversations",
        "max_user_share",
        "unsafe_below_floor",
        "max_user_clusters",
        "max_user_conversations",
        "hold_small_changes",
        "dp_epsilon",
        "dp_delta",
        "dp_budget_epsilon",
        "dp_budget_delta",
        "dp_terms_per_user",
        "naming",
        "auditor",
    ),
    gates=RELEASE_GATES,
)
def release(
    step: Step,
    current_conversations: pl.LazyFrame,
    facets: pl.LazyFrame,
    concerns: pl.LazyFrame,
    cluster_assignments: pl.LazyFrame,
    cluster_nodes: pl.LazyFrame,
    cluster_labels: pl.LazyFrame,
    embeddings: pl.LazyFrame,
) -> Result:
    """Publishes clusters and cells that enough distinct users share; merges or withholds the rest, and says how much."""
    from assets.clio.release import count_release
    from assets.clio.release.counting import as_counted, clustered_rows, count_rows, with_pool
    from assets.clio.release.holding import choose

    settings, labels = step.settings, cluster_labels.collect()
    nodes = labelled(cluster_nodes.collect(), labels)
    withheld = (
        None if settings.auditor is None else labels.filter(~pl.col("passed").fill_null(False))["cluster_id"]
    )
    by_terms = settings.naming == "dp_keywords"
    read, concern = _current(current_conversations, facets, concerns, WORDS if by_terms else ())
    rows = clustered_rows(cluster_assignments.collect(), read, concern)
    limits, before = thresholds_of(settings), previous_release(step)
    embedder = embeddings.select("embedder").head(1).collect().item()
    makers = {
        "reader": _published_reader(read["reader"][0], settings),
        "embedder": embedder,
        "namer": SHARED_TERMS,
    }
    if settings.dp_epsilon is not None:
        words = read.select("conversation_id", *WORDS) if by_terms else None
        noisy = _noisy(step, rows, nodes, makers, words, withheld)
        noisy = replace(noisy, counted=as_counted(noisy.counted, read))
        return _result(noisy if by_terms else with_namers(noisy, labels), read.height, kept=False)
    if by_terms:
        raise ObservatoryError("naming=dp_keywords names by noisy terms: set dp_epsilon too")
    counted = count_rows(
        rows,
        Bounds(settings.max_user_clusters, settings.max_user_conversations),
        load_or_create_secret(step.home.secret),
        before=None if before is None else before.counted,
        alive=nodes.filter(pl.col("level") == 0)["cluster_id"],
        limits=limits.nodes,
    )
    with lazy_queries_on(choose_device(settings.device)):
        candidates = (
            with_namers(
                count_release(
                    as_counted(counted.rows, read, None if before is None else before.counted),
                    with_pool(nodes, counted.rows),
                    unclustered=read.height - rows.height,
                    thresholds=limits,
                    makers=makers,
                    left_out=counted.left_out,
                    before=None if before is None else before.tables,
                    only_told=only_told,
                    withheld=withheld,
                ),
                labels,
            )
            for only_told in (False, True)
        )
        choice = choose(before, candidates, limits)
    return _result(choice.release, rows_in=read.height, kept=choice.kept)


def labelled(nodes: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """The tree under the names that it may be published with, in its order."""
    names = labels.select("cluster_id", "name", "summary")
    return nodes.drop("name", "summary").join(names, on="cluster_id", how="left", maintain_order="left")


def with_namers(release: Release, labels: pl.DataFrame) -> Release:
    """The release, its clusters saying what wrote their names; merged ones keep what the others have."""
    namers = dict(labels.select("cluster_id", "namer").iter_rows())
    written = pl.col("cluster_id").replace_strict(namers, default=None, return_dtype=pl.String)
    clusters = release.tables.clusters.with_columns(namer=pl.coalesce(written, "namer"))
    return replace(release, tables=replace(release.tables, clusters=clusters))


def _published_reader(name: str, settings: Settings) -> str:
    """Who read, without the place of an endpoint or of a folder: model, and version and hash of the prompts."""
    from dagster_project.language_models import parse

    if settings.reader is None:
        return name
    return f"{published_model(parse(settings.reader))} {name.rpartition(' ')[2]}"


def _noisy(
    step: Step,
    rows: pl.DataFrame,
    nodes: pl.DataFrame,
    makers: dict[str, str],
    words: pl.DataFrame | None,
    withheld: pl.Series | None,
) -> Release:
    """A release with noisy counts, paid for from the home's budget.

    While an erasure is open, one that may not be paid for is empty: what was published still counts the erased.
    """
    from assets.clio.release.counting import count_rows
    from assets.clio.release.private import DEFAULT_CLUSTERS, DEFAULT_CONVERSATIONS, Budget, noisy_release
    from dagster_project.privacy.ledger import Allowance, Ledger

    settings, secret = step.settings, load_or_create_secret(step.home.secret)
    epsilon = settings.dp_epsilon or 0.0
    budget = Budget(
        epsilon,
        settings.dp_delta,
        Allowance(settings.dp_budget_epsilon or epsilon, settings.dp_budget_delta or settings.dp_delta),
        settings.max_user_clusters or DEFAULT_CLUSTERS,
        settings.max_user_conversations or DEFAULT_CONVERSATIONS,
        weakest_unit(step.home.batches()),
        None if words is None else settings.dp_terms_per_user,
    )
    return noisy_release(
        count_rows(rows, budget.bounds, secret).rows,
        nodes,
        budget=budget,
        ledger=Ledger(step.home.ledger),
        secret=secret,
        thresholds=thresholds_of(settings),
        makers={**makers, "namer": "dp-keywords-2"} if words is not None else makers,
        words=words,
        withheld=withheld,
        or_empty=read_record(step.home).pending is not None,
    )


def _result(released: Release, rows_in: int, kept: bool) -> Result:
    tables = released.tables
    shown = ["name", "users", "conversations", "share"]
    top = tables.clusters.filter(pl.col("parent_id").is_null()).sort("conversations", descending=True)
    top = top.with_columns(pl.col("share").round(3))
    return Result(
        {**tables.frames(), COUNTED_CONVERSATIONS.name: released.counted},
        rows_in=rows_in,
        metadata={**tables.counts(), "kept": kept, "top_clusters": top.select(shown)},
    )


def _current(
    current_conversations: pl.LazyFrame,
    facets: pl.LazyFrame,
    concerns: pl.LazyFrame,
    words: Sequence[str],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Facets and bands of the version of each conversation that counts."""
    keys = ["conversation_id", "batch"]
    current = current_conversations.select(keys)
    kept = (*keys, "user_key", "language", "week", "model", "reader", *DETAILS, *words)
    read = facets.select(kept).join(current, on=keys, how="semi").drop("batch")
    concern = concerns.join(current, on=keys, how="semi").select("conversation_id", "concern_band")
    return read.collect(), concern.collect()
