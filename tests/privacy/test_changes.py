"""Two releases after each other: what one has and the other has not is always a crowd."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_releases import FLOOR, make

from assets.clio.release import Release, count_release
from assets.clio.release.counting import clustered_rows, count_rows, with_pool
from assets.clio.release.holding import changed_parts, choose
from dagster_project.errors import ObservatoryError
from dagster_project.privacy.contributions import Bounds
from dagster_project.privacy.settling import DIMENSIONS, POOL, settle
from dagster_project.privacy.thresholds import Thresholds

MAKERS = {"reader": "r", "embedder": "e", "namer": "n"}
SECRET = bytes(32)


def everything(seed: int, conversations: int = 700, users: int = 120) -> tuple[pl.DataFrame, pl.DataFrame]:
    data = make(seed, conversations, users, (3, 3), 3, unknown=0.02)
    return clustered_rows(data.assignments, data.facets, data.concerns), data.nodes


def candidates(rows: pl.DataFrame, nodes: pl.DataFrame, before: Release | None = None) -> Iterator[Release]:
    """What may follow `before`, as the step makes it."""
    alive = nodes.filter(pl.col("level") == 0)["cluster_id"]
    last = None if before is None else before.counted
    counted = count_rows(rows, Bounds(), SECRET, before=last, alive=alive, limits=FLOOR.nodes)
    for only_told in (False, True):
        yield count_release(
            counted.rows,
            with_pool(nodes, counted.rows),
            unclustered=0,
            thresholds=FLOOR,
            makers=MAKERS,
            left_out=counted.left_out,
            before=None if before is None else before.tables,
            only_told=only_told,
        )


def released(rows: pl.DataFrame, nodes: pl.DataFrame, before: Release | None = None) -> Release:
    return choose(before, candidates(rows, nodes, before), FLOOR).release


def earlier(rows: pl.DataFrame, share: float) -> pl.DataFrame:
    """The first part of the conversations."""
    return rows.head(int(rows.height * share))


def parts(rows: pl.DataFrame) -> dict[tuple, set[tuple]]:
    """(cluster, dimension, value) -> conversations with their users, by hand."""
    found = defaultdict(set)
    for row in rows.iter_rows(named=True):
        for dimension in DIMENSIONS:
            key = (row["cluster_id"], dimension, str(row[dimension]))
            found[key].add((row["conversation_id"], row["user_key"]))
    return found


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 0.97), st.integers(0, 60))
def test_every_part_gains_and_loses_crowds_only(seed: int, share: float, gone: int) -> None:
    rows, nodes = everything(seed)
    before, target = earlier(rows, share), rows.slice(gone)
    alive = nodes.filter(pl.col("level") == 0)["cluster_id"]
    after = settle(before, target, alive, FLOOR.nodes).rows
    assert after["conversation_id"].is_unique().all()
    old, new = parts(before), parts(after)
    for part in {*old, *new}:
        for change in (new[part] - old[part], old[part] - new[part]):
            assert not change or len(change) >= 5
            assert not change or len({user for _, user in change}) >= 5


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 0.98))
def test_whatever_comes_the_checker_finds_nothing(seed: int, share: float) -> None:
    rows, nodes = everything(seed)
    first = released(earlier(rows, share), nodes)
    second = released(rows, nodes, first)
    third = released(rows.slice(40), nodes, second)
    assert changed_parts(first, second, FLOOR).is_empty()
    assert changed_parts(second, third, FLOOR).is_empty()


def test_one_user_more_changes_nothing_that_is_published() -> None:
    """The membership test: with and without the person, the second release is the same, byte for byte."""
    rows, nodes = everything(3)
    person = rows["user_key"].drop_nulls()[0]
    without = rows.filter(pl.col("user_key").ne_missing(person))
    first = released(without, nodes)
    again, joined = released(without, nodes, first), released(rows, nodes, first)
    for name, table in again.tables.frames().items():
        assert table.equals(joined.tables.frames()[name]), name
    left = released(without, nodes, released(rows, nodes))
    assert left.tables.clusters.equals(released(rows, nodes).tables.clusters)


def test_without_holding_the_checker_finds_the_person() -> None:
    rows, nodes = everything(3)
    person = rows["user_key"].drop_nulls()[0]
    without = released(rows.filter(pl.col("user_key").ne_missing(person)), nodes)
    found = changed_parts(without, released(rows, nodes), FLOOR)
    assert set(found["direction"]) == {"gained"}
    assert "cluster" in set(found["dimension"])


def test_crowds_are_counted_at_once_and_sums_hold() -> None:
    rows, nodes = everything(5)
    leaf = rows["cluster_id"][0]
    crowd = pl.concat(
        [
            rows.filter(pl.col("cluster_id") == leaf)
            .head(1)
            .with_columns(
                conversation_id=pl.lit(f"new-{index}"),
                user_key=pl.lit(f"newcomer-{index}"),
            )
            for index in range(12)
        ]
    )
    first = released(rows, nodes)
    second = released(pl.concat([rows, crowd]), nodes, first)
    assert second.counted.height == rows.height + 12
    assert POOL not in second.tables.clusters["cluster_id"]
    total = second.tables.clusters.filter(pl.col("parent_id").is_null())["conversations"].sum()
    assert total == rows.height + 12


def test_scattered_newcomers_are_counted_in_the_pool_until_their_clusters_have_enough() -> None:
    rows, nodes = everything(9)
    leaves = nodes.filter(pl.col("level") == 0)["cluster_id"].to_list()
    pattern = rows.head(1)

    def newcomers(clusters: list[str], start: int) -> pl.DataFrame:
        return pl.concat(
            [
                pattern.with_columns(
                    conversation_id=pl.lit(f"n{start + index}"),
                    user_key=pl.lit(f"v{start + index}"),
                    cluster_id=pl.lit(cluster),
                )
                for index, cluster in enumerate(clusters)
            ]
        )

    first = released(rows, nodes)
    scattered = newcomers([leaves[index % len(leaves)] for index in range(4 * len(leaves))], 0)
    second = released(pl.concat([rows, scattered]), nodes, first)
    assert second.counted.filter(pl.col("cluster_id") == POOL).height == scattered.height
    pool = second.tables.clusters.filter(pl.col("cluster_id") == POOL)
    assert pool["conversations"].item() == scattered.height
    assert changed_parts(first, second, FLOOR).is_empty()
    more = newcomers([leaf for leaf in leaves for _ in range(6)], 1000)
    third = released(pl.concat([rows, scattered, more]), nodes, second)
    assert third.counted.filter(pl.col("cluster_id") == POOL).is_empty()
    assert changed_parts(second, third, FLOOR).is_empty()


def test_a_tree_that_was_built_anew_keeps_the_release_where_it_would_tell_of_few() -> None:
    nodes = pl.DataFrame(
        [
            ("top", 1, None),
            ("side", 1, None),
            ("bread", 0, "top"),
            ("soup", 0, "top"),
            ("cake", 0, "top"),
            ("trains", 0, "side"),
            ("ships", 0, "side"),
        ],
        schema={"cluster_id": pl.String, "level": pl.UInt8, "parent_id": pl.String},
        orient="row",
    ).with_columns(name="cluster_id", summary="cluster_id")
    sizes = {"bread": 30, "soup": 25, "cake": 3, "trains": 40, "ships": 20}
    places = [cluster for cluster, size in sizes.items() for _ in range(size)]
    rows = pl.DataFrame({"cluster_id": places}).with_columns(
        conversation_id=pl.format("c{}", pl.int_range(pl.len())),
        user_key=pl.format("u{}", pl.int_range(pl.len())),
        language=pl.lit("en"),
        week=pl.lit(None, dtype=pl.Date),
        model=pl.lit("m"),
        concern_band=pl.lit("none"),
    )
    first = released(rows, nodes)
    inside = pl.col("cluster_id") == "cake"
    moved = nodes.with_columns(parent_id=pl.when(inside).then(pl.lit("side")).otherwise("parent_id"))
    choice = choose(first, candidates(rows, moved, first), FLOOR)
    assert choice.kept, "three people moved with their cluster"
    assert choice.release.tables.clusters.equals(first.tables.clusters)
    report = dict(choice.release.tables.privacy_report.select("measure", "value").iter_rows())
    assert report["release_kept"] == 1
    with pytest.raises(ObservatoryError, match="limits have changed"):
        choose(first, candidates(rows, moved, first), Thresholds(min_users=6, min_conversations=6))
