"""Bounds on what one user adds: they hold, and what is left out depends on the home's secret alone."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from small_releases import FLOOR, Inputs, make

from assets.clio.release import count_release
from assets.clio.release.counting import clustered_rows, count_rows
from dagster_project.privacy.contributions import Bounds, bound_contributions

SECRET, OTHER_SECRET = bytes(range(32)), bytes(range(1, 33))
MAKERS = {"reader": "r", "embedder": "e", "namer": "n"}

conversations = st.lists(
    st.tuples(st.sampled_from([None, "", "a", "b", "c"]), st.sampled_from(["x", "y", "z", "w"])), max_size=60
).map(
    lambda pairs: pl.DataFrame(
        {
            "conversation_id": [f"c{index}" for index in range(len(pairs))],
            "user_key": [user for user, _ in pairs],
            "cluster_id": [cluster for _, cluster in pairs],
        },
        schema={"conversation_id": pl.String, "user_key": pl.String, "cluster_id": pl.String},
    )
)
most = st.none() | st.integers(1, 5)


def ids(frame: pl.DataFrame) -> set[str]:
    return set(frame["conversation_id"])


@given(conversations, most, most, st.randoms(use_true_random=False))
def test_the_order_of_the_input_decides_nothing(rows, clusters, each, chance) -> None:
    bounds = Bounds(clusters, each)
    order = list(range(rows.height))
    chance.shuffle(order)
    assert ids(bound_contributions(rows[order], bounds, SECRET)) == ids(
        bound_contributions(rows, bounds, SECRET)
    )


@given(conversations, most, most)
def test_bounds_hold_and_take_no_more_than_they_must(rows, clusters, each) -> None:
    kept = bound_contributions(rows, Bounds(clusters, each), SECRET)
    user = pl.col("user_key").fill_null("").alias("user")

    def count(frame: pl.DataFrame) -> dict[tuple[str, str], int]:
        return {(u, c): n for u, c, n in frame.group_by(user, "cluster_id").len().iter_rows()}

    before, after = count(rows), count(kept)
    for pair, n in after.items():
        assert n == min(before[pair], each or n)
    for name in {user for user, _ in before}:
        had, has = (sum(u == name for u, _ in counts) for counts in (before, after))
        assert has == min(had, clusters or had)


def test_another_secret_leaves_out_others() -> None:
    rows = pl.DataFrame(
        {
            "conversation_id": [f"c{n}" for n in range(200)],
            "user_key": [f"u{n % 4}" for n in range(200)],
            "cluster_id": [f"k{n % 25}" for n in range(200)],
        }
    )
    first, second = (bound_contributions(rows, Bounds(5, 1), key) for key in (SECRET, OTHER_SECRET))
    assert first.height == second.height == 20
    assert len(ids(first) & ids(second)) < 10


def rows_of(data: Inputs) -> pl.DataFrame:
    return clustered_rows(data.assignments, data.facets, data.concerns)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_the_report_tells_of_crowds_only(seed: int) -> None:
    data = make(seed, 500, 40, (3, 3))
    counted = count_rows(rows_of(data), Bounds(2, 2), SECRET)
    left = rows_of(data).join(counted.rows, on="conversation_id", how="anti")
    released = count_release(
        counted.rows, data.nodes, unclustered=0, thresholds=FLOOR, makers=MAKERS, left_out=counted.left_out
    ).tables
    told = dict(
        released.privacy_report.filter(pl.col("scope") == "release").select("measure", "value").iter_rows()
    )
    users = left["user_key"].fill_null("?")
    crowd = (
        left.height >= 5 and users.n_unique() >= 5 and users.value_counts()["count"].max() * 2 <= left.height
    )
    assert told["conversations_uncounted"] == (left.height if crowd else None)


def test_without_bounds_everything_counts() -> None:
    data = make(1, 300, 30)
    counted = count_rows(rows_of(data), Bounds(), SECRET)
    assert counted.rows.equals(rows_of(data))
    assert counted.left_out.uncounted is None
