"""The map tells of crowds only: every tile counted again, nothing left by subtraction, nobody's place to be read off."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.clio.map import map_tables
from assets.clio.map.positions import GRID, cluster_positions
from assets.clio.map.tiles import MOST_MOVED, tile_counts
from dagster_project.errors import ObservatoryError
from dagster_project.privacy.thresholds import Limits

LIMITS = Limits(min_users=5, min_conversations=8, max_user_share=0.5)
PLACE = ["zoom", "tile_x", "tile_y"]


def crowd(seed: int, conversations: int, users: int, islands: int) -> pl.DataFrame:
    """Conversations on islands, with some strays, by users of uneven activity; user 0 is the pooled unknown one."""
    random = np.random.default_rng(seed)
    centres = random.random((islands, 2)) * 0.8 + 0.1
    island = random.integers(0, islands, conversations)
    places = centres[island] + random.normal(0, 0.04, (conversations, 2))
    strays = random.random(conversations) < 0.05
    places[strays] = random.random((int(strays.sum()), 2))
    activity = random.dirichlet(np.full(users, 0.5))
    return pl.DataFrame(
        {
            "user": random.choice(users, conversations, p=activity).astype(np.uint32),
            "x": np.clip(places[:, 0], 0, 0.999),
            "y": np.clip(places[:, 1], 0, 0.999),
        }
    )


def left_over(tiles: pl.DataFrame) -> pl.DataFrame:
    """The attack: what remains of each divided tile once its published parts are taken away."""
    parts = (
        tiles.filter(pl.col("zoom") > 0)
        .group_by(zoom=pl.col("zoom") - 1, tile_x=pl.col("tile_x") // 2, tile_y=pl.col("tile_y") // 2)
        .agg(below=pl.col("conversations").sum())
    )
    rest = tiles.join(parts, on=PLACE).with_columns(rest=pl.col("conversations") - pl.col("below"))
    return rest.filter(pl.col("rest") != 0)


def naive(points: pl.DataFrame) -> pl.DataFrame:
    """Tiles as a plain threshold would show them."""
    zooms = []
    for zoom in range(5):
        at = points.with_columns(
            tile_x=(pl.col("x") * 2**zoom).cast(pl.Int64), tile_y=(pl.col("y") * 2**zoom).cast(pl.Int64)
        )
        sizes = at.group_by("tile_x", "tile_y").agg(
            users=pl.col("user").n_unique(), conversations=pl.len().cast(pl.Int64)
        )
        enough = (pl.col("users") >= LIMITS.min_users) & (pl.col("conversations") >= LIMITS.min_conversations)
        zooms.append(sizes.filter(enough).with_columns(zoom=pl.lit(zoom)))
    return pl.concat(zooms)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 1500), st.integers(1, 200), st.integers(1, 12))
def test_every_tile_is_a_crowd_and_nothing_is_left_over(
    seed: int, count: int, users: int, islands: int
) -> None:
    points = crowd(seed, count, users, islands)
    tiles = tile_counts(points, LIMITS)
    assert tiles.filter(pl.col("users") < LIMITS.min_users).is_empty()
    assert tiles.filter(pl.col("conversations") < LIMITS.min_conversations).is_empty()
    assert tiles.filter(pl.col("users") > pl.col("conversations")).is_empty()
    assert left_over(tiles).is_empty()
    if tiles.height:
        assert tiles.filter(pl.col("zoom") == 0)["conversations"].to_list() == [count]
        assert tiles.filter(pl.col("zoom") == 0)["users"].to_list() == [points["user"].n_unique()]


def test_the_attack_wins_where_small_tiles_are_only_left_out() -> None:
    rest = left_over(naive(crowd(3, 1500, 200, 6)))
    assert rest.filter(pl.col("rest") < LIMITS.min_conversations).height > 0


def test_a_thin_quarter_counts_for_its_neighbour_and_a_thick_one_stops_the_division() -> None:
    def points(*groups: tuple[float, float, int]) -> pl.DataFrame:
        rows = [(user, x, y) for x, y, count in groups for user in range(count)]
        return pl.DataFrame(rows, schema={"user": pl.UInt32, "x": pl.Float64, "y": pl.Float64}, orient="row")

    thin = tile_counts(points((0.2, 0.2, 60), (0.8, 0.8, 40), (0.55, 0.3, 3)), LIMITS, deepest=1)
    assert thin.filter(pl.col("zoom") == 1).rows() == [(1, 0, 0, 60, 63), (1, 1, 1, 40, 40)]
    high = tile_counts(points((0.2, 0.2, 60), (0.8, 0.8, 40), (0.7, 0.45, 3)), LIMITS, deepest=1)
    assert high.filter(pl.col("zoom") == 1).rows() == [(1, 0, 0, 60, 60), (1, 1, 1, 40, 43)]
    alone = tile_counts(points((0.2, 0.2, 60), (0.8, 0.8, 3)), LIMITS, deepest=1)
    assert alone.filter(pl.col("zoom") == 1).rows() == [(1, 0, 0, 60, 63)]
    thick = tile_counts(points((0.2, 0.2, 30), (0.55, 0.3, 4)), LIMITS, deepest=3)
    assert thick["zoom"].to_list() == [0] and MOST_MOVED < 4 / 34


def test_one_busy_person_is_no_tile() -> None:
    busy = pl.DataFrame(
        {"user": [1] * 500, "x": [0.9] * 500, "y": [0.9] * 500}, schema_overrides={"user": pl.UInt32}
    )
    many = crowd(0, 4000, 400, 3).with_columns(x=pl.col("x") / 2, y=pl.col("y") / 2)
    tiles = tile_counts(pl.concat([many, busy.select(many.columns)]), LIMITS)
    # The corner of the one user is more than a tenth of the map: it hides in the whole.
    assert tiles["zoom"].to_list() == [0]
    assert tile_counts(busy, LIMITS).is_empty()


def test_who_moves_in_does_not_dominate_a_quarter() -> None:
    crowd_of_ten = [(user, 0.2, 0.2) for user in range(1, 11)] + [(7, 0.2, 0.2)] * 8
    strays = [(7, 0.6, 0.2)] * 2
    others = [(user, 0.8, 0.8) for user in range(20, 60)]
    rows = pl.DataFrame(
        crowd_of_ten + strays + others,
        schema={"user": pl.UInt32, "x": pl.Float64, "y": pl.Float64},
        orient="row",
    )
    assert tile_counts(rows, LIMITS, deepest=1)["zoom"].to_list() == [0]
    assert tile_counts(rows.filter(pl.col("x") != 0.6), LIMITS, deepest=1)["zoom"].to_list() == [0, 1, 1]


def positions(points: pl.DataFrame, least: int = 5) -> pl.DataFrame:
    paths = pl.DataFrame({"base": ["a", "b", "a", "b"], "cluster_id": ["a", "b", "top", "top"]})
    clusters = pl.DataFrame(
        {"cluster_id": ["a", "b", "top"], "level": [0, 0, 1]}, schema_overrides={"level": pl.UInt8}
    )
    return cluster_positions(points, paths, clusters, least)


def members(cluster: str, x: float, users: range, each: int = 2) -> pl.DataFrame:
    rows = [(cluster, user, x + 0.001 * user, 0.5) for user in users for _ in range(each)]
    schema = {"cluster_id": pl.String, "user": pl.UInt32, "x": pl.Float64, "y": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_positions_are_of_the_middle_half_of_users_on_the_grid() -> None:
    found = positions(pl.concat([members("a", 0.25, range(20)), members("b", 0.75, range(20, 40))]))
    assert found["cluster_id"].to_list() == ["a", "b", "top"]
    assert found["x"].to_list() == [round(0.2595 * GRID) / GRID, round(0.7795 * GRID) / GRID, 33 / 64]
    assert found.select((pl.col("x", "y", "spread") * GRID % 1 == 0).all()).row(0) == (True, True, True)
    assert found["spread"].to_list()[:2] == [1 / GRID, 1 / GRID] and found["spread"][2] > 0.2


@pytest.mark.parametrize("place", [0.0, 0.999])
def test_no_user_moves_a_cluster_far_however_far_or_busy(place: float) -> None:
    others = members("a", 0.5, range(11))
    stray = pl.DataFrame(
        {"cluster_id": ["a"] * 200, "user": [99] * 200, "x": [place] * 200, "y": [place] * 200},
        schema=others.schema,
    )
    before, after = positions(others), positions(pl.concat([others, stray]))
    moved = (before["x"] - after["x"]).abs().max()
    assert moved is not None and float(moved) <= 1 / GRID  # type: ignore[arg-type]


def test_a_cluster_of_too_few_users_stands_nowhere() -> None:
    few = pl.concat([members("a", 0.25, range(4), each=30), members("b", 0.75, range(20, 40))])
    assert positions(few)["cluster_id"].to_list() == ["b", "top"]


def test_nothing_is_shown_where_no_cluster_is_or_counts_must_not_be_exact() -> None:
    ids = [f"c{index}" for index in range(60)]
    counted = pl.DataFrame(
        {
            "conversation_id": ids,
            "cluster_id": "a",
            "user_key": [f"{index % 20:032x}" for index in range(60)],
            "clusters": [["a"]] * 60,
        }
    )
    places = pl.DataFrame({"conversation_id": ids, "x": [0.5] * 60, "y": [0.5] * 60, "map": [3] * 60})
    clusters = pl.DataFrame({"cluster_id": ["a"], "level": [0]})
    shown = map_tables(counted, places, clusters, LIMITS)
    assert shown[0]["map"].unique().to_list() == [3] and shown[1].height == 1
    for nothing in (
        map_tables(counted, places, clusters, LIMITS, withheld=True),
        map_tables(counted, places, clusters.clear(), LIMITS),
    ):
        assert [table.height for table in nothing] == [0, 0]
        assert [table.columns for table in nothing] == [table.columns for table in shown]


def test_a_conversation_that_is_counted_but_not_read_any_more_stands_in_the_middle_of_its_cluster() -> None:
    ids = [f"c{index}" for index in range(60)]
    counted = pl.DataFrame(
        {
            "conversation_id": ids,
            "cluster_id": ["a", "b"] * 30,
            "user_key": [f"{index % 20:032x}" for index in range(60)],
            "clusters": [["a"], ["b"]] * 30,
        }
    )
    x = pl.when(pl.col("cluster_id") == "a").then(0.125).otherwise(0.875)
    places = counted.select("conversation_id", x=x, y=x, map=pl.lit(3))
    clusters = pl.DataFrame({"cluster_id": ["a", "b"], "level": [0, 0]})
    whole = map_tables(counted, places, clusters, LIMITS)
    assert whole[0]["zoom"].max() > 0
    for left, right in zip(map_tables(counted, places[4:], clusters, LIMITS), whole, strict=True):
        assert left.equals(right)
    with pytest.raises(ObservatoryError, match="no conversation has a place"):
        map_tables(counted, places.with_columns(conversation_id=pl.lit("other")), clusters, LIMITS)
