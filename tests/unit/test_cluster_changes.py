"""What a re-clustering did, from memberships alone."""

from __future__ import annotations

import polars as pl
import pytest

from assets.clio.changes import compared_levels, next_release
from schemas.lineage import ClusterChange, ClusterMember

State = tuple[pl.DataFrame, pl.DataFrame]
Row = dict[str, object]


def clustering(**members: range) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Assignments of numbered conversations to base clusters, and a tree of one level."""
    pairs = [(f"c{number}", cluster) for cluster, numbers in members.items() for number in numbers]
    assignments = pl.DataFrame(pairs, schema=["conversation_id", "cluster_id"], orient="row")
    return assignments, tree(dict.fromkeys(members))


def tree(parents: dict[str, str | None]) -> pl.DataFrame:
    level = {node: 1 if node in parents.values() else 0 for node in parents}
    rows = [(node, level[node], parent) for node, parent in parents.items()]
    schema = {"cluster_id": pl.String, "level": pl.UInt8, "parent_id": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def follow(*clusterings: tuple[pl.DataFrame, pl.DataFrame], state: State | None = None) -> State:
    changes, members = (None, None) if state is None else state
    for assignments, nodes in clusterings:
        changes, members = next_release(assignments, nodes, members, changes)
    assert changes is not None and members is not None
    ClusterChange.validate(changes, lazy=True)
    ClusterMember.validate(members, lazy=True)
    return changes, members


def told(changes: pl.DataFrame, release: int) -> set[tuple[str, str | None, str | None]]:
    rows = changes.filter(pl.col("release") == release)
    return set(rows.select("event", "previous_id", "cluster_id").iter_rows())


def row(changes: pl.DataFrame, **wanted: object) -> Row:
    found = changes.filter(*(pl.col(name) == value for name, value in wanted.items()))
    assert found.height == 1
    return found.to_dicts()[0]


FIRST = clustering(a=range(100), b=range(100, 200), c=range(200, 220))


def test_everything_is_born_first() -> None:
    changes, members = follow(FIRST)
    assert told(changes, 1) == {("born", None, "a"), ("born", None, "b"), ("born", None, "c")}
    assert members["release"].unique().to_list() == [1]


def test_each_event_is_told_from_the_members() -> None:
    second = clustering(
        a=range(60), new=range(60, 100), b=[*range(100, 215), *range(300, 310)], fresh=range(400, 450)
    )
    changes, _ = follow(FIRST, second)
    assert told(changes, 2) == {
        ("continued", "a", "a"),
        ("split", "a", "new"),
        ("continued", "b", "b"),
        ("merged", "c", "b"),
        ("born", None, "fresh"),
    }
    split = row(changes, release=2, cluster_id="new")
    assert (split["shared"], split["previous_known"], split["known"]) == (40, 100, 40)
    merged = row(changes, release=2, event="merged")
    assert (merged["shared"], merged["previous_known"], merged["known"]) == (15, 15, 115)
    assert row(changes, release=2, event="continued", cluster_id="b")["shared"] == 100
    assert row(changes, release=1, cluster_id="a")["conversations"] == 100, "earlier rows stay"


def test_scattered_members_are_a_death() -> None:
    second = clustering(
        a=[*range(100), *range(200, 207)], b=[*range(100, 200), *range(207, 213)], d=range(213, 300)
    )
    assert ("died", "c", None) in told(follow(FIRST, second)[0], 2)


def test_a_cluster_of_small_parts_of_many_is_born() -> None:
    parts = {f"p{number}": range(100 * number, 100 * (number + 1)) for number in range(8)}
    left = {name: range(numbers.start + 5, numbers.stop) for name, numbers in parts.items()}
    mixed = [number for numbers in parts.values() for number in numbers[:5]]
    changes, _ = follow(clustering(**parts), clustering(**left, mixed=mixed))
    assert ("born", None, "mixed") in told(changes, 2)


def test_a_small_piece_of_a_large_cluster_is_split_off() -> None:
    changes, _ = follow(clustering(a=range(1000)), clustering(a=range(950), piece=range(950, 1000)))
    assert ("split", "a", "piece") in told(changes, 2)


def test_conversations_that_are_gone_do_not_count() -> None:
    second = clustering(a=range(10), b=range(100, 200))
    changes, members = follow(FIRST, second)
    assert told(changes, 2) == {("continued", "a", "a"), ("continued", "b", "b"), ("died", "c", None)}
    assert row(changes, release=2, cluster_id="a")["previous_known"] == 10
    assert "c99" not in members["conversation_id"]


def test_the_same_clustering_is_no_new_release() -> None:
    state = follow(FIRST)
    assignments, nodes = FIRST
    again = follow((assignments.sample(fraction=1.0, shuffle=True, seed=1), nodes), state=state)
    assert again[0].equals(state[0])
    assert again[1].equals(state[1])


def test_only_new_conversations_share_nothing() -> None:
    changes, _ = follow(FIRST, clustering(x=range(500, 600), a=range(600, 650)))
    assert told(changes, 2) == {
        ("born", None, "x"),
        ("continued", "a", "a"),
        ("died", "b", None),
        ("died", "c", None),
    }
    kept = row(changes, release=2, cluster_id="a")
    assert (kept["known"], kept["previous_known"], kept["shared"]) == (0, 0, 0)


def test_a_run_cut_off_between_its_tables_is_told_again() -> None:
    second = clustering(a=range(60), new=range(60, 100), b=range(100, 220))
    state = follow(FIRST)
    complete = follow(second, state=state)
    interrupted = follow(second, state=(complete[0], state[1]))
    assert interrupted[0].equals(complete[0])
    third = clustering(a=range(60), b=range(100, 220))
    assert told(follow(third, state=(complete[0], state[1]))[0], 2) == {
        ("continued", "a", "a"),
        ("continued", "b", "b"),
        ("merged", "c", "b"),
    }


@pytest.mark.parametrize("lost", ["members", "changes"])
def test_lost_state_begins_anew_under_the_next_ordinal(lost: str) -> None:
    changes, members = follow(FIRST)
    state = next_release(
        *FIRST, None if lost == "members" else members, None if lost == "changes" else changes
    )
    ClusterChange.validate(state[0])
    assert state[0]["release"].max() == 2
    assert told(state[0], 2) == {("born", None, "a"), ("born", None, "b"), ("born", None, "c")}


def test_upper_levels_are_compared_by_what_their_clusters_hold() -> None:
    assignments = FIRST[0]
    first = tree({"a": "t", "b": "t", "c": "u", "t": None, "u": None})
    second = tree({"a": "t", "b": "v", "c": "u", "t": None, "u": None, "v": None})
    changes, _ = follow((assignments, first), (assignments, second))
    upper = changes.filter(pl.col("level") == 1)
    assert told(upper, 2) == {("continued", "t", "t"), ("continued", "u", "u"), ("split", "t", "v")}
    assert row(changes, release=2, cluster_id="b")["parent_id"] == "v"


def test_a_tree_that_grows_keeps_its_top() -> None:
    assert compared_levels(2, 1) == [(0, 0), (1, None), (2, 1)]
    assert compared_levels(1, 2) == [(0, 0), (1, 2)]
    assert compared_levels(2, 2) == [(0, 0), (1, 1), (2, 2)]
    assert compared_levels(1, 0) == [(0, 0), (1, None)]
    assert compared_levels(0, 2) == [(0, 0)]
    assert compared_levels(1, None) == [(0, None), (1, None)]
