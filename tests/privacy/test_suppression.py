"""Complementary suppression: what is withheld cannot be worked out, and would be without it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_releases import BANDS, FLOOR, SMALL, Inputs, inputs, members

from dagster_project.privacy.suppression import COMPLEMENT, merge_small
from dagster_project.privacy.tables import Table
from dagster_project.privacy.thresholds import Limits, Thresholds

# --- merging in a tree --------------------------------------------------------------------------------------


def entries(*groups: dict[str, list[int]]) -> pl.DataFrame:
    rows = [
        (f"g{index}", item, user, n)
        for index, items in enumerate(groups)
        for item, counts in items.items()
        for user, n in enumerate(counts, start=1)
    ]
    return pl.DataFrame(
        rows, schema={"group": pl.String, "item": pl.String, "user": pl.UInt32, "n": pl.Int64}, orient="row"
    )


def failing(*items: str, group: str = "g0") -> pl.DataFrame:
    return pl.DataFrame({"group": [group] * len(items), "item": items, "reason": ["users"] * len(items)})


LIMITS = Limits(5, 5, 0.5)


def merged(counts: dict[str, list[int]], *small: str) -> tuple[set[str], bool]:
    result = merge_small(entries(counts), failing(*small), LIMITS)
    return set(result["item"]), bool(result["closed"].any())


def test_one_small_child_takes_the_smallest_sibling_along() -> None:
    counts = {"small": [1, 1], "big": [3] * 9, "bigger": [3] * 20}
    assert merged(counts, "small") == ({"small", "big"}, False)
    reasons = dict(
        merge_small(entries(counts), failing("small"), LIMITS).select("item", "reason").iter_rows()
    )
    assert reasons == {"small": "users", "big": COMPLEMENT}


def test_small_children_that_are_enough_together_need_no_sibling() -> None:
    counts = {"a": [1, 1], "b": [0 + 1, 1, 1, 1, 1], "big": [3] * 9}
    assert merged(counts, "a", "b") == ({"a", "b"}, False)


def test_the_same_few_users_are_not_enough_together() -> None:
    counts = {"a": [3, 3], "b": [3, 3], "big": [3] * 9, "bigger": [3] * 20}
    assert merged(counts, "a", "b") == ({"a", "b", "big"}, False)


def test_merging_goes_on_until_nobody_dominates() -> None:
    counts = {"a": [500], "b": [1] * 9, "c": [40] * 20}
    assert merged(counts, "a") == ({"a", "b", "c"}, True)


def test_when_nothing_is_left_the_parent_has_no_children() -> None:
    assert merged({"a": [1], "b": [9] * 9}, "a") == ({"a", "b"}, True)


def test_groups_do_not_help_each_other() -> None:
    both = entries({"a": [1], "b": [2] * 9, "c": [2] * 9}, {"x": [2] * 9, "y": [2] * 9})
    assert set(merge_small(both, failing("a"), LIMITS)["group"]) == {"g0"}


# --- one table ----------------------------------------------------------------------------------------------


def table_of(counts: list[list[int]], limits: Limits) -> Table:
    """A table whose conversations are each by another user."""
    cells = np.array(counts)
    row, column = np.repeat(np.indices(cells.shape).reshape(2, -1), cells.ravel(), axis=1)
    user = np.arange(1, row.size + 1)
    passing = cells >= max(limits.min_users, limits.min_conversations)
    return Table(
        (row, column, user, np.ones(row.size, dtype=int)), passing, (cells[:, -1] > 0).astype(int), limits
    )


def exact_width(counts: np.ndarray, shown: np.ndarray, cell: tuple[int, int]) -> float:
    """Range of one withheld cell by linear programming over the table alone."""
    from scipy.optimize import linprog

    free = np.argwhere(~shown)
    rows = [(free[:, axis] == line).astype(float) for axis in (0, 1) for line in range(counts.shape[axis])]
    totals = [
        (counts * ~shown).sum(axis=1 - axis)[line] for axis in (0, 1) for line in range(counts.shape[axis])
    ]
    goal = (free == cell).all(axis=1).astype(float)
    low, high = (sign * linprog(sign * goal, A_eq=rows, b_eq=totals).fun for sign in (1, -1))
    return high - low


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_widths_are_never_more_than_a_linear_programme_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = rng.integers(2, 5, 2)
    counts = rng.poisson(rng.choice([1, 3, 8]), shape)
    table = table_of(counts.tolist(), Limits(1, 1, 1.0))
    table.shown = (rng.random(shape) < 0.4) & (counts > 0)
    table.shown[:, -1] = False
    widths = table.widths()
    for cell in np.argwhere(~table.shown):
        assert widths[tuple(cell)] <= exact_width(counts, table.shown, tuple(cell)) + 1e-6


def test_a_table_withheld_as_a_whole_has_exact_widths() -> None:
    counts = np.array([[9, 4, 2], [5, 6, 0], [7, 1, 3]])
    table = table_of(counts.tolist(), Limits(1, 1, 1.0))
    table.shown[:] = False
    for cell in np.argwhere(np.ones((3, 3), dtype=bool)):
        assert table.widths()[tuple(cell)] == pytest.approx(exact_width(counts, table.shown, tuple(cell)))


def test_a_bridge_between_two_blocks_is_not_left_open() -> None:
    """Two cells withheld in every row and column do not suffice: one that joins two blocks is exact."""
    counts = [
        [9, 9, 90, 90, 0],
        [9, 9, 9, 90, 0],
        [90, 90, 9, 9, 0],
        [90, 90, 9, 9, 0],
    ]
    limits = Limits(5, 12, 1.0)
    first = table_of(counts, limits)
    assert exact_width(np.array(counts), first.shown, (1, 2)) == pytest.approx(0, abs=1e-6)
    protected = table_of(counts, limits)
    protected.protect()
    assert exact_width(np.array(counts), protected.shown, (1, 2)) >= 12


def test_a_table_without_small_cells_is_shown_entirely() -> None:
    table = table_of([[20, 30, 0], [25, 15, 0]], Limits(10, 15, 1.0))
    assert table.protect()[:, :-1].all()


def test_a_sensitive_row_of_one_value_is_not_shown() -> None:
    cells = np.array([[40, 0, 0], [30, 20, 0], [20, 30, 0]])
    row, column = np.repeat(np.indices(cells.shape).reshape(2, -1), cells.ravel(), axis=1)
    entries_ = (row, column, np.arange(row.size) + 1, np.ones(row.size, dtype=int))
    diverse = np.array([True, False, False])
    table = Table(entries_, cells >= 15, np.zeros(3, dtype=int), Limits(10, 15, 1.0), diverse=diverse)
    assert not table.protect()[0].any()


# --- the released tree --------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(inputs, st.sampled_from([SMALL, FLOOR]))
def test_every_published_cluster_and_cell_is_a_crowd(data: Inputs, thresholds: Thresholds) -> None:
    released = data.release(thresholds)
    rows, behind = data.rows(), members(data, released.clusters)
    for name, users, conversations in released.clusters.select(
        "cluster_id", "users", "conversations"
    ).iter_rows():
        inside = rows.filter(pl.col("cluster_id").is_in(list(behind[name])))
        assert_crowd(inside, users, conversations, thresholds.nodes)
        cells = released.cluster_cells.filter(pl.col("cluster_id") == name)
        for (dimension,), part in cells.group_by("dimension"):
            shown = part.filter(pl.col("value") != "other")["value"].to_list()
            for value, people, size in part.select("value", "users", "conversations").iter_rows():
                chosen = ~pl.col(dimension).is_in(shown) if value == "other" else pl.col(dimension) == value
                assert_crowd(inside.filter(chosen), people, size, thresholds.cells)


def assert_crowd(inside: pl.DataFrame, users: int, conversations: int, limits: Limits) -> None:
    assert inside.height == conversations >= limits.min_conversations
    assert inside["user"].n_unique() == users >= limits.min_users
    assert inside["user"].value_counts()["count"].max() <= limits.max_user_share * conversations


@settings(deadline=None, max_examples=40)
@given(inputs, st.sampled_from([SMALL, FLOOR]))
def test_a_withheld_cluster_is_one_of_two_or_more(data: Inputs, thresholds: Thresholds) -> None:
    released = data.release(thresholds)
    behind = members(data, released.clusters)
    used = set(data.assignments["cluster_id"])
    for name, parent in released.clusters.select("cluster_id", "parent_id").iter_rows():
        if not name.startswith("other-"):
            continue
        siblings = data.nodes.filter(pl.col("parent_id").eq_missing(pl.lit(parent)))["cluster_id"]
        merged_nodes = set(siblings) - set(released.clusters["cluster_id"])
        filled = [node for node in merged_nodes if used & _below(data, node)]
        assert len(filled) >= 2
        assert behind[name] == set().union(*(used & _below(data, node) for node in filled))
        assert released.clusters.filter(pl.col("parent_id") == name).is_empty()


def _below(data: Inputs, node: str) -> set[str]:
    children = data.nodes.filter(pl.col("parent_id") == node)["cluster_id"].to_list()
    return {node}.union(*(_below(data, child) for child in children))


@settings(deadline=None, max_examples=40)
@given(inputs)
def test_no_sensitive_row_is_uniform(data: Inputs) -> None:
    released = data.release(SMALL)
    users = dict(released.clusters.select("cluster_id", "users").iter_rows())
    bands = released.cluster_cells.filter(pl.col("dimension") == "concern_band")
    for (name,), part in bands.group_by("cluster_id"):
        assert part.height >= 2
        for value, people in part.select("value", "users").iter_rows():
            hidden = set(BANDS) - set(part["value"])
            harmless = value == "none" or (value == "other" and "none" in hidden)
            assert harmless or users[str(name)] - people >= SMALL.cells.min_diverse_users
