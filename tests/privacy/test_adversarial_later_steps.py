"""Layers behind the release switched off in turn: map, comparisons, lineage, bounds on one user, small changes.

Only the step in question is made again, from the tables of the hostile home; then the judge has to object.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from assets.clio.comparisons import compare, crossings, quadrants, read_picture, weeks
from assets.clio.lineage import SCHEMA, lineage_rows
from assets.clio.map import map_tables, positions, tiles
from assets.clio.release import Release, count_release, counting, holding
from dagster_project.home import Home
from dagster_project.privacy.contributions import Bounds
from dagster_project.privacy.thresholds import Limits, Thresholds
from schemas.catalogue import PUBLISHED
from tests.privacy.adversarial_recount import JUDGES, Tables, faults, recount_violations, true_rows
from tests.privacy.adversarial_violations import published, restricted
from tests.privacy.adversarial_world import World
from tests.privacy.conftest import Hostile

pytestmark = pytest.mark.xdist_group("hostile")
Patch = pytest.MonkeyPatch
LIMITS = Thresholds()
NONE = Limits(0, 0, 1.0)
SECRET = b"k" * 32


def whole(home: Home, table: str) -> pl.DataFrame:
    return home.lake.scan("restricted", table).collect()


def compared(home: Home, tables: Tables) -> Tables:
    counted = whole(home, "counted_conversations")
    picture = read_picture(tables["clusters"], tables["cluster_cells"], counted, LIMITS)
    return compare(picture, whole(home, "bursts")).frames()


def mapped(home: Home, tables: Tables) -> Tables:
    found = map_tables(
        whole(home, "counted_conversations"),
        whole(home, "projections"),
        tables["clusters"].select("cluster_id", "level"),
        LIMITS.nodes,
    )
    return dict(zip(("map_tiles", "map_clusters"), found, strict=True))


def open_limits(patch: Patch, module: object, name: str) -> None:
    """Call a function with limits that everything passes."""
    original = getattr(module, name)

    def call(*arguments: object) -> object:
        return original(*(NONE if isinstance(argument, Limits) else argument for argument in arguments))

    patch.setattr(module, name, call)


def every_week(patch: Patch) -> None:
    """The weeks of a cluster from its conversations instead of its published cells."""
    original = weeks.week_table

    def table(picture):
        cells = (
            picture.entries("week")
            .group_by("node", "value")
            .agg(
                users=pl.col("user").n_unique().cast(pl.UInt32),
                conversations=pl.col("n").sum().cast(pl.UInt32),
            )
        )
        known = cells.filter(pl.col("node") > 0).with_columns(dimension=pl.lit("week"))
        return original(type(picture)(**{**vars(picture), "cells": known}))

    patch.setattr("assets.clio.comparisons.week_table", table)


def plain_mean(column: str) -> pl.Expr:
    return ((pl.col(column).mean() * 64).round() / 64).alias(column)


Make = Callable[[Home, Tables], Tables]
LAYERS: dict[str, tuple[Make, Callable[[Patch], object], str]] = {
    "limits of a tile": (mapped, lambda p: open_limits(p, tiles, "_divide"), "map_tiles: too few users"),
    "the middle half of users": (
        mapped,
        lambda p: p.setattr(positions, "_middle", plain_mean),
        "map_clusters: other than the middle half",
    ),
    "published weeks only": (compared, every_week, "cluster_weeks: too few users"),
    "limits of pairs of facets": (
        compared,
        lambda p: open_limits(p, crossings, "cross"),
        "facet_contrasts: too few",
    ),
    "limits of flags": (
        compared,
        lambda p: p.setattr(quadrants, "suppress_cells", every_cell),
        "concern_quadrants: share_flagged: too few users",
    ),
}


def every_cell(entries: pl.DataFrame, *_: object):
    """`suppress_cells` that shows every cell there is."""
    from dagster_project.privacy.cells import DimensionCells

    sizes = entries.group_by("node", "value").agg(
        users=pl.col("user").n_unique(), conversations=pl.col("n").sum()
    )
    return DimensionCells(sizes, sizes.clear(), 0)


@pytest.mark.parametrize("layer", LAYERS)
def test_without_a_rule_of_a_later_step_the_judge_objects(
    hostile: Hostile, layer: str, monkeypatch: Patch
) -> None:
    make, switch_off, objection = LAYERS[layer]
    tables, truth = published(hostile.home), restricted(hostile.home, hostile.world)
    rows = true_rows(hostile.home, hostile.world, truth)
    again = make(hostile.home, tables)
    assert recount_violations({**tables, **again}, truth, rows) == []
    name = objection.split(":")[0]
    assert again[name].height, "an empty table says nothing"
    switch_off(monkeypatch)
    found = recount_violations({**tables, **make(hostile.home, tables)}, truth, rows)
    assert any(line.startswith(objection) for line in found), found


def test_lineage_of_all_clusters_instead_of_the_published_is_seen(hostile: Hostile) -> None:
    home, tables, truth = hostile.home, published(hostile.home), restricted(hostile.home, hostile.world)
    changes, nobody = whole(home, "cluster_changes"), pl.DataFrame(schema=SCHEMA)
    quiet = pl.DataFrame(schema={"cluster_id": pl.String, "quiet_since": pl.Date})

    def found(shown: pl.DataFrame) -> list[str]:
        rows = lineage_rows(changes, shown, quiet, nobody, LIMITS.cells)
        everyone = true_rows(home, hostile.world, truth)
        return recount_violations({**tables, "cluster_lineage": rows}, truth, everyone)

    assert found(tables["clusters"]) == []
    assert "cluster_lineage: names a cluster that is not shown" in found(whole(home, "cluster_nodes"))


def test_every_published_table_of_counts_is_judged(hostile: Hostile) -> None:
    tables = published(hostile.home)
    evaluated = {table.name for table in PUBLISHED if table.suite}
    assert set(tables) - set(JUDGES) - evaluated == {"run_log", "privacy_ledger", "audit_report"}
    assert [name for name in evaluated if tables[name].height] == []
    assert [name for name in JUDGES if tables[name].is_empty()] == []


@pytest.mark.parametrize("table", [name for name in JUDGES if not name.endswith("_report")])
def test_a_row_that_counts_other_than_its_people_is_seen(hostile: Hostile, table: str) -> None:
    """One cluster's row told of another cluster: the counts are then somebody else's."""
    tables, truth = published(hostile.home), restricted(hostile.home, hostile.world)
    rows = true_rows(hostile.home, hostile.world, truth)
    column = {"map_tiles": "tile_x", "facet_contrasts": "value_a"}.get(table, "cluster_id")
    altered = tables[table].with_columns(pl.col(column).reverse())
    found = recount_violations({**tables, table: altered}, truth, rows)
    assert any(line.startswith(f"{table}:") for line in found)


def clustered(hostile: Hostile, without: str = "") -> pl.DataFrame:
    """The conversations that a release counts from, without those of one person."""
    home, world = hostile.home, hostile.world
    keys = [batch.key for batch in home.batches()]
    read = home.lake.scan_batches("restricted", "facets", keys).collect()
    concern = home.lake.scan_batches("restricted", "concerns", keys).collect()
    gone = [at for at, person in world.people.items() if person == without]
    return counting.clustered_rows(whole(home, "cluster_assignments"), read, concern).filter(
        ~pl.col("conversation_id").is_in(gone)
    )


def test_without_bounds_one_person_counts_as_often_as_it_likes(hostile: Hostile, monkeypatch: Patch) -> None:
    bounds = Bounds(clusters=3, conversations=5)

    def beyond() -> list[str]:
        kept = counting.count_rows(clustered(hostile), bounds, SECRET).rows
        person = pl.col("conversation_id").replace_strict(hostile.world.people)
        known = kept.filter(pl.col("user_key").is_not_null()).with_columns(user=person)
        each = known.group_by("user", "cluster_id").len()
        many = each.group_by("user").len().filter(pl.col("len") > 3)["user"]
        return [*each.filter(pl.col("len") > 5)["user"], *many]

    assert beyond() == []
    monkeypatch.setattr(counting, "bound_contributions", lambda rows, *_: rows)
    assert {"collector", "ana", "chess-0"} <= set(beyond())


def release_of(hostile: Hostile, rows: pl.DataFrame) -> Release:
    nodes = counting.with_pool(whole(hostile.home, "cluster_nodes"), rows)
    makers = {"reader": "r", "embedder": "e", "namer": "n"}
    return count_release(rows, nodes, unclustered=0, thresholds=LIMITS, makers=makers)


def changes_of_few(before: Release, after: Release, world: World) -> list[str]:
    """Published clusters that both releases show and between which some, but no crowd, make the difference."""
    found = []
    common = set(before.tables.clusters["cluster_id"]) & set(after.tables.clusters["cluster_id"])
    for name in sorted(name for name in common if not name.startswith("other-")):
        one, other = (
            set(release.counted.filter(pl.col("clusters").list.contains(name))["conversation_id"])
            for release in (before, after)
        )
        for direction, ids in (("lost", one - other), ("gained", other - one)):
            people = pl.DataFrame({"user": [world.people[at] for at in ids]}, schema={"user": pl.String})
            if ids and faults(people):
                found.append(f"{direction} too few")
    return found


@pytest.mark.parametrize("gone_first", [True, False], ids=["a person comes", "a person goes"])
def test_without_holding_small_changes_one_person_shows(
    hostile: Hostile, gone_first: bool, monkeypatch: Patch
) -> None:
    """Two releases that differ by one person of many topics, subtracted from each other."""
    versions = [clustered(hostile, without="p3"), clustered(hostile)]
    first, second = versions if gone_first else reversed(versions)
    alive = whole(hostile.home, "cluster_nodes").filter(pl.col("level") == 0)["cluster_id"]

    def found() -> list[str]:
        before = release_of(hostile, counting.count_rows(first, Bounds(), SECRET).rows)
        now = counting.count_rows(
            second, Bounds(), SECRET, before=before.counted, alive=alive, limits=LIMITS.nodes
        )
        after = holding.choose(before, [release_of(hostile, now.rows)], LIMITS).release
        return changes_of_few(before, after, hostile.world)

    assert found() == []
    monkeypatch.setattr(
        counting, "settle", lambda before, target, *_: counting.Settled(target, target.clear())
    )
    with monkeypatch.context() as patch:
        patch.setattr(holding, "choose", lambda _, made, __: holding.Choice(next(iter(made)), False))
        assert ("gained" if gone_first else "lost") + " too few" in found()
    assert found() == []
