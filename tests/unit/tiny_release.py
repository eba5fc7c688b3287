"""A release of a few hand-written clusters."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from assets.clio.release import Release, ReleaseTables, count_release
from assets.clio.release.counting import clustered_rows
from dagster_project.privacy.thresholds import Thresholds

LIMITS = Thresholds(min_users=5, min_conversations=8)
NODES = pl.DataFrame(
    [
        ("top", 1, None, "Cooking", "Recipes and kitchens"),
        ("side", 1, None, "Travel", "Journeys"),
        ("bread", 0, "top", "Bread", "Baking bread"),
        ("soup", 0, "top", "Soup", "Making soup"),
        ("cake", 0, "top", "Cake", "Baking cake"),
        ("trains", 0, "side", "Trains", "Going by train"),
    ],
    schema={
        "cluster_id": pl.String,
        "level": pl.UInt8,
        "parent_id": pl.String,
        "name": pl.String,
        "summary": pl.String,
    },
    orient="row",
)
Row = tuple[str, str | None, str, int | None, str | None, str]


def rows(cluster: str, count: int, *, users: int | None = None, language: str = "en", week: int | None = 0,
         model: str | None = "m-1", band: str = "none", prefix: str = "u") -> list[Row]:  # fmt: skip
    """Conversations of one cluster, spread evenly over users."""
    return [
        (cluster, f"{prefix}{index % (users or count)}", language, week, model, band)
        for index in range(count)
    ]


def release(
    *groups: list[Row], nodes: pl.DataFrame = NODES, thresholds: Thresholds = LIMITS, extra: int = 0
) -> ReleaseTables:
    return counted_release(*groups, nodes=nodes, thresholds=thresholds, extra=extra).tables


def counted_release(
    *groups: list[Row], nodes: pl.DataFrame = NODES, thresholds: Thresholds = LIMITS, extra: int = 0
) -> Release:
    data = [row for group in groups for row in group]
    ids = [f"c{index}" for index in range(len(data) + extra)]
    clusters, users, languages, weeks, models, bands = (list(column) for column in zip(*data, strict=True))
    facets = pl.DataFrame(
        {
            "conversation_id": ids,
            "user_key": users + ["x"] * extra,
            "language": languages + ["en"] * extra,
            "week": [None if week is None else date(2024, 1, 1) + timedelta(weeks=week) for week in weeks]
            + [None] * extra,
            "model": models + [None] * extra,
        },
        schema_overrides={"user_key": pl.String, "model": pl.String, "week": pl.Date},
    )
    inside = ids[: len(data)]
    conversations = clustered_rows(
        pl.DataFrame({"conversation_id": inside, "cluster_id": clusters}),
        facets,
        pl.DataFrame({"conversation_id": inside, "concern_band": bands}),
    )
    return count_release(
        conversations,
        nodes,
        unclustered=extra,
        thresholds=thresholds,
        makers={"reader": "extractive-1", "embedder": "minilm", "namer": "terms-1"},
    )


def plain() -> list[list[Row]]:
    return [rows("bread", 30), rows("soup", 25), rows("cake", 20), rows("trains", 40)]


def report(released: ReleaseTables, scope: str, measure: str) -> float | None:
    found = released.privacy_report.filter((pl.col("scope") == scope) & (pl.col("measure") == measure))
    return found["value"].item()


def ids(released: ReleaseTables) -> set[str]:
    return set(released.clusters["cluster_id"])


def cells(released: ReleaseTables, cluster: str, dimension: str) -> dict[str, int]:
    part = released.cluster_cells.filter(
        (pl.col("cluster_id") == cluster) & (pl.col("dimension") == dimension)
    )
    return dict(part.select("value", "conversations").iter_rows())
