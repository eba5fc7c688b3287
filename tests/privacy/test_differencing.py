"""One user more or less: two releases that differ by a person are both releases of crowds.

What remains, and is not promised: counts are exact, so who holds both releases can subtract them, and a cell
that crosses a limit tells that somebody in it came or went. Bounds on differences between releases are a
later matter.
"""

from __future__ import annotations

import polars as pl
import pytest
from small_releases import Inputs, make

from assets.clio.release import ReleaseTables
from dagster_project.privacy.thresholds import Thresholds

LIMITS = Thresholds(min_users=5, min_conversations=6)
KEY = ["cluster_id", "dimension", "value"]


def busiest(data: Inputs, count: int) -> list[str]:
    """Users from the most to the least active, spread over the ranks."""
    ranked = (
        data.facets["user_key"]
        .drop_nulls()
        .value_counts()
        .sort(["count", "user_key"], descending=[True, False])
    )
    step = max(1, ranked.height // count)
    return ranked["user_key"].gather_every(step).head(count).to_list()


def changes(before: ReleaseTables, after: ReleaseTables) -> pl.DataFrame:
    """Cells of either release with the counts of both."""
    return before.cluster_cells.join(after.cluster_cells, on=KEY, how="full", coalesce=True, suffix="_after")


@pytest.mark.parametrize("seed", range(4))
def test_removing_a_user_only_ever_moves_crowds(seed: int) -> None:
    data = make(seed, 700, 90, (3, 3), 4)
    before = data.release(LIMITS)
    moved = 0
    for user in busiest(data, 8):
        after = data.without(user).release(LIMITS)
        cells = changes(before, after)
        moved += cells.filter(pl.col("conversations").ne_missing(pl.col("conversations_after"))).height
        gone = cells.filter(pl.col("conversations_after").is_null())
        new = cells.filter(pl.col("conversations").is_null())
        for part, suffix in ((gone, ""), (new, "_after")):
            assert part.filter(pl.col(f"users{suffix}") < LIMITS.cells.min_users).is_empty()
            assert part.filter(pl.col(f"conversations{suffix}") < LIMITS.cells.min_conversations).is_empty()
        for table in (after.clusters, after.cluster_cells, after.language_contrasts):
            assert table.filter(pl.col("users") < LIMITS.min_users).is_empty()
    assert moved > 8, "removing users must change something, or this test tests nothing"


@pytest.mark.parametrize("seed", range(4))
def test_what_two_releases_share_differs_by_no_more_than_the_user(seed: int) -> None:
    data = make(seed, 700, 90, (3, 3), 4)
    before = data.release(LIMITS)
    rows = data.rows()
    for user in busiest(data, 8):
        after = data.without(user).release(LIMITS)
        own = rows.filter(pl.col("user") == user)
        both = before.clusters.join(
            after.clusters, on=["cluster_id", "parent_id"], nulls_equal=True, suffix="_after"
        )
        named = both.filter(~pl.col("cluster_id").str.starts_with("other-"))
        lost = pl.col("conversations").cast(pl.Int64) - pl.col("conversations_after").cast(pl.Int64)
        people = pl.col("users").cast(pl.Int64) - pl.col("users_after").cast(pl.Int64)
        assert named.select(((lost >= 0) & (lost <= own.height) & people.is_between(0, 1)).all()).item()
        assert named.select(((lost > 0) == (people == 1)).all()).item()
        cells = changes(before, after).drop_nulls(["conversations", "conversations_after"])
        cells = cells.filter((pl.col("value") != "other") & ~pl.col("cluster_id").str.starts_with("other-"))
        assert cells.select((lost >= 0).all() & people.is_between(0, 1).all()).item()


def test_a_user_alone_in_a_cluster_is_in_no_release() -> None:
    data = make(1, 700, 90, (3, 3), 4)
    lonely = data.facets["user_key"].drop_nulls()[0]
    ids = data.facets.filter(pl.col("user_key") == lonely)["conversation_id"]
    node = (
        data.nodes.filter(pl.col("level") == 0)
        .head(1)
        .with_columns(cluster_id=pl.lit("lonely"), name=pl.lit("Only mine"), summary=pl.lit("Only mine"))
    )
    moved = data.assignments.with_columns(
        cluster_id=pl.when(pl.col("conversation_id").is_in(ids.implode()))
        .then(pl.lit("lonely"))
        .otherwise("cluster_id")
    )
    alone = Inputs(moved, pl.concat([data.nodes, node]), data.facets, data.concerns)
    released = alone.release(LIMITS)
    assert "lonely" not in released.clusters["cluster_id"]
    assert not released.clusters["name"].str.contains("Only mine").any()
    withheld = released.privacy_report.filter(
        (pl.col("scope") == "level 0") & (pl.col("measure") == "clusters_withheld_users")
    )
    assert withheld["value"].item() >= 1
