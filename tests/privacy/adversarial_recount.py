"""Every published table counted again from who really wrote what: the judge's second part.

Model, flag, turns and week are the input file's own; language, concern, cluster and place are read from the restricted
tables, for nothing outside the pipeline says them. Specification: privacy, section 1.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from small_releases import Inputs, members

from dagster_project.home import Home
from tests.privacy.adversarial_world import World

USERS, CONVERSATIONS, SHARE, GRID = 10, 15, 0.5, 64
CONCERNING = ("elevated", "high")
TURNS = ("1", "2-4", "5-9", "10+")
Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Truth:
    """`rows`: conversation_id, user (the true person), cluster_id (base), and every facet and place of each conversation;
    `below`: base clusters behind each published cluster."""

    rows: pl.DataFrame
    below: Mapping[str, set[str]]

    def inside(self, cluster: str) -> pl.DataFrame:
        return self.rows.filter(pl.col("cluster_id").is_in(list(self.below.get(cluster, ()))))

    def having(self, facet: str, value: str) -> pl.Expr:
        """Which rows have a value of a facet, as `facet_contrasts` names them."""
        if facet == "cluster":
            return pl.col("cluster_id").is_in(list(self.below.get(value, ())))
        return pl.col(facet) == value


def true_rows(home: Home, world: World, inputs: Inputs) -> pl.DataFrame:
    """One row for each clustered conversation; see `Truth`."""
    own = pl.DataFrame(
        [
            (r["id"], _monday(r["created_at"]), r["model"], r["flagged"], _turns(r["messages"]))
            for r in world.records
        ],
        schema={
            "conversation_id": pl.String,
            "week": pl.String,
            "model": pl.String,
            "flagged": pl.Boolean,
            "turns_band": pl.String,
        },
        orient="row",
    )
    people = inputs.facets.select(
        "conversation_id", pl.col("user_key").fill_null("?").alias("user"), "language"
    )
    places = home.lake.scan("restricted", "projections").select("conversation_id", "x", "y").collect()
    return (
        inputs.assignments.select("conversation_id", "cluster_id")
        .join(people, on="conversation_id")
        .join(inputs.concerns, on="conversation_id")
        .join(own, on="conversation_id")
        .join(places, on="conversation_id")
    )


def _monday(time: str) -> str:
    day = date.fromisoformat(time[:10])
    return str(day - timedelta(days=day.weekday()))


def _turns(messages: list[dict]) -> str:
    turns = sum(message["role"] == "user" for message in messages)
    return TURNS[int(np.searchsorted([2, 5, 10], turns, side="right"))]


def faults(rows: pl.DataFrame) -> list[str]:
    """Why conversations are no crowd: [] where they are one."""
    each = rows.group_by("user").len()["len"]
    present = {
        "too few users": each.len() < USERS,
        "too few conversations": rows.height < CONVERSATIONS,
        "one user writes most": (each.max() or 0) > SHARE * rows.height,  # type: ignore[operator]
    }
    return [fault for fault, is_there in present.items() if is_there]


def recount_violations(tables: Tables, inputs: Inputs, rows: pl.DataFrame) -> list[str]:
    """Rows of any published table that are no crowd, or that say other than what is so."""
    truth = Truth(rows, members(inputs, tables["clusters"]))
    return [
        f"{name}: {fault}" for name, judge in JUDGES.items() for fault in judge(tables[name], truth, tables)
    ]


def _counts(row: Mapping, rows: pl.DataFrame) -> Iterator[str]:
    """The row's conversations are a crowd, and counted right."""
    yield from faults(rows)
    if (row["users"], row["conversations"]) != (rows["user"].n_unique(), rows.height):
        yield "counted wrong"


def _clusters(table: pl.DataFrame, truth: Truth, _: Tables) -> Iterator[str]:
    for row in table.iter_rows(named=True):
        yield from _counts(row, truth.inside(row["cluster_id"]))


def _cells(table: pl.DataFrame, truth: Truth, _: Tables) -> Iterator[str]:
    shown = table.filter(pl.col("value") != "other")
    for row in shown.iter_rows(named=True):
        yield from _counts(
            row, truth.inside(row["cluster_id"]).filter(pl.col(row["dimension"]) == row["value"])
        )
    for row in table.filter(pl.col("value") == "other").iter_rows(named=True):
        same = shown.filter(
            pl.col("cluster_id") == row["cluster_id"], pl.col("dimension") == row["dimension"]
        )
        rest = ~pl.col(row["dimension"]).is_in(same["value"].to_list())
        yield from _counts(row, truth.inside(row["cluster_id"]).filter(rest))


def _languages(table: pl.DataFrame, truth: Truth, _: Tables) -> Iterator[str]:
    for row in table.iter_rows(named=True):
        yield from _counts(row, truth.inside(row["cluster_id"]).filter(pl.col("language") == row["language"]))


def _weeks(table: pl.DataFrame, truth: Truth, _: Tables) -> Iterator[str]:
    for row in table.iter_rows(named=True):
        week = pl.col("week") == str(row["week"])
        yield from _counts(row, truth.inside(row["cluster_id"]).filter(week))
        if row["week_conversations"] != truth.rows.filter(week).height:
            yield "week counted wrong"


def _trends(table: pl.DataFrame, truth: Truth, tables: Tables) -> Iterator[str]:
    for row in table.iter_rows(named=True):
        yield from _counts(row, truth.inside(row["cluster_id"]))
        weeks = tables["cluster_weeks"].filter(pl.col("cluster_id") == row["cluster_id"])["week"]
        if (row["weeks"], row["first_week"], row["last_week"]) != (weeks.len(), weeks.min(), weeks.max()):
            yield "told from weeks that are withheld"


def _facets(table: pl.DataFrame, truth: Truth, _: Tables) -> Iterator[str]:
    for row in table.iter_rows(named=True):
        both = truth.having(row["facet_a"], row["value_a"]) & truth.having(row["facet_b"], row["value_b"])
        yield from _counts(row, truth.rows.filter(both))


def _quadrants(table: pl.DataFrame, truth: Truth, _: Tables) -> Iterator[str]:
    for row in table.iter_rows(named=True):
        rows = truth.inside(row["cluster_id"])
        yield from _counts(row, rows)
        for share, part in (
            ("share_concerning", pl.col("concern_band").is_in(CONCERNING)),
            ("share_flagged", pl.col("flagged")),
        ):
            if row[share] is None:
                continue
            for side in (rows.filter(part), rows.filter(~part)):
                yield from (f"{share}: {fault}" for fault in faults(side) if side.height)
            if abs(row[share] - rows.filter(part).height / rows.height) > 1e-9:
                yield f"{share}: counted wrong"


def _tiles(table: pl.DataFrame, truth: Truth, _: Tables) -> Iterator[str]:
    """What is counted in a tile comes from it or from thin neighbours, so its own rows bound what is behind it."""
    for row in table.iter_rows(named=True):
        side = 2.0 ** row["zoom"]
        at = ((pl.col("x") * side).floor() == row["tile_x"]) & ((pl.col("y") * side).floor() == row["tile_y"])
        each = truth.rows.filter(at).group_by("user").len()["len"]
        if row["users"] < USERS:
            yield "too few users"
        if row["conversations"] < CONVERSATIONS:
            yield "too few conversations"
        if (each.max() or 0) > SHARE * row["conversations"]:  # type: ignore[operator]
            yield "one user writes most"
        if (
            row["users"] < each.len()
            or row["conversations"] < each.sum()
            or (not row["zoom"] and row["conversations"] != truth.rows.height)
        ):
            yield "counted wrong"
        parts = table.filter(
            pl.col("zoom") == row["zoom"] + 1,
            pl.col("tile_x") // 2 == row["tile_x"],
            pl.col("tile_y") // 2 == row["tile_y"],
        )
        if parts.height and parts["conversations"].sum() != row["conversations"]:
            yield "parts leave a remainder"


def _positions(table: pl.DataFrame, truth: Truth, tables: Tables) -> Iterator[str]:
    """Each figure is the mean of the middle half of the users' means, in 64ths, so no user's place is in it alone."""
    for row in table.iter_rows(named=True):
        rows = truth.inside(row["cluster_id"])
        yield from faults(rows)
        means = rows.group_by("user").agg(pl.col("x", "y").cast(pl.Float64).mean())
        if any(abs(row[axis] - _middle(means[axis].to_numpy())) > 1e-9 for axis in ("x", "y")):
            yield "other than the middle half of its users"


def _middle(values: np.ndarray) -> float:
    outside = len(values) // 4
    inner = np.sort(values)[outside : len(values) - outside]
    return round(float(inner.mean()) * GRID) / GRID


def _lineage(table: pl.DataFrame, truth: Truth, tables: Tables) -> Iterator[str]:
    """In a home's first release every cluster that is named is a published one, is new, and is a crowd."""
    names = dict(tables["clusters"].select("cluster_id", "name").iter_rows())
    for row in table.iter_rows(named=True):
        if names.get(row["cluster_id"]) != row["name"] or row["previous_id"] is not None:
            yield "names a cluster that is not shown"
        yield from faults(truth.inside(row["cluster_id"]))


def _report(table: pl.DataFrame, *_: object) -> Iterator[str]:
    """A figure of people or conversations is nobody's, a crowd's, or is not told."""
    least = {"users": USERS, "conversations": CONVERSATIONS}
    for scope, measure, value in table.select("scope", "measure", "value").iter_rows():
        limit = least.get(measure.split("_")[0])
        if limit and scope != "thresholds" and value is not None and 0 < value < limit:
            yield f"{measure} of too few"


JUDGES: dict[str, Callable[[pl.DataFrame, Truth, Tables], Iterator[str]]] = {
    "clusters": _clusters,
    "cluster_cells": _cells,
    "language_contrasts": _languages,
    "cluster_weeks": _weeks,
    "cluster_trends": _trends,
    "facet_contrasts": _facets,
    "concern_quadrants": _quadrants,
    "map_tiles": _tiles,
    "map_clusters": _positions,
    "cluster_lineage": _lineage,
    "comparison_report": _report,
    "privacy_report": _report,
}
