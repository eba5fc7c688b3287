"""Two-way tables of facets: alone and together they give no withheld cell away, and would without protection."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from scipy.optimize import linprog

from dagster_project.privacy import tables
from dagster_project.privacy.crossing import Crossing, Facet, cross, crossed_tree, public_values
from dagster_project.privacy.joint import acceptable, given_away, joint_bounds
from dagster_project.privacy.thresholds import Limits

LIMITS = Limits(min_users=4, min_conversations=6, max_user_share=0.8)
LEAST = 4
NAMES = ("language", "model", "week")
Pair = tuple[str, str]


def conversations(seed: int, size: int = 300, users: int = 120, tied: float = 0.6) -> pl.DataFrame:
    """Conversations whose language, model and week hang together, so that one table tells of another."""
    rng = np.random.default_rng(seed)
    user = rng.choice(users, size, p=rng.dirichlet(np.full(users, 1.0)))
    kind = rng.choice(4, size, p=rng.dirichlet(np.full(4, 1.5)))
    data: dict[str, object] = {"user": user}
    for name in NAMES:
        own = np.where(rng.random(size) < tied, kind, rng.integers(0, 4, size))
        data[name] = [f"{name[0]}{value}" for value in own]
    return pl.DataFrame(data)


def facets(data: pl.DataFrame) -> dict[str, Facet]:
    entries = {name: data.group_by(value=name, user="user").agg(n=pl.len().cast(pl.Int64)) for name in NAMES}
    return {name: Facet(public_values(part, LIMITS, 2, None)) for name, part in entries.items()}


def crossings(data: pl.DataFrame) -> dict[Pair, Crossing]:
    known = facets(data)
    return {
        (a, b): cross(
            data.group_by(row=a, column=b, user="user").agg(n=pl.len().cast(pl.Int64)),
            known[a], known[b], LIMITS, 2,
        )
        for a, b in combinations(NAMES, 2)
    }  # fmt: skip


def true_counts(data: pl.DataFrame, known: dict[str, Facet]) -> np.ndarray:
    """Conversations by all three facets, the rest of each last."""
    codes = []
    for name in NAMES:
        values = {value: place for place, value in enumerate(known[name].values)}
        codes.append(np.array([values.get(value, len(values)) for value in data[name]]))
    cube = np.zeros([len(known[name].values) + 1 for name in NAMES])
    np.add.at(cube, tuple(codes), 1)
    return cube


def exact_ranges(found: dict[Pair, Crossing], cube: np.ndarray) -> dict[tuple[Pair, int, int], float]:
    """How far each withheld, non-empty cell can vary in any table of all three facets that fits what is public.

    The attacker at full strength: a linear programme over the cube, written without the code under test.
    """
    rows, right = [], []

    def add(mask: np.ndarray) -> None:
        rows.append(mask.ravel().astype(float))
        right.append(cube[mask].sum())

    for axis in range(3):
        for value in range(cube.shape[axis]):
            add(_plane(cube, {axis: value}))
    withheld = []
    for pair, table in found.items():
        axes = [NAMES.index(name) for name in pair]
        for row, column in np.ndindex(cube.shape[axes[0]], cube.shape[axes[1]]):
            plane = _plane(cube, {axes[0]: row, axes[1]: column})
            if table.public.known[row + 1, column]:
                add(plane)
            elif cube[plane].sum() > 0 and row < cube.shape[axes[0]] - 1 and column < cube.shape[axes[1]] - 1:
                withheld.append((pair, row, column, plane))
    ends = {}
    for pair, row, column, plane in withheld:
        goal = plane.ravel().astype(float)
        low, high = (
            sign * linprog(sign * goal, A_eq=np.array(rows), b_eq=right, method="highs").fun
            for sign in (1, -1)
        )
        ends[pair, row, column] = high - low
    return ends


def _plane(cube: np.ndarray, fixed: dict[int, int]) -> np.ndarray:
    place: list[object] = [slice(None)] * 3
    for axis, value in fixed.items():
        place[axis] = value
    mask = np.zeros(cube.shape, dtype=bool)
    mask[tuple(place)] = True  # type: ignore[index]
    return mask


@pytest.mark.parametrize("seed", range(12))
def test_every_cell_passes_the_limits_and_has_its_true_size(seed: int) -> None:
    data = conversations(seed)
    for (a, b), table in crossings(data).items():
        by_user = data.group_by(row=a, column=b, user="user").len()
        cells = by_user.group_by("row", "column").agg(
            n=pl.col("len").sum(), people=pl.len(), top=pl.col("len").max()
        )
        shown = table.shown.join(cells, on=["row", "column"], how="left")
        right = (pl.col("n") == pl.col("conversations")) & (pl.col("people") == pl.col("users"))
        enough = (pl.col("n") >= 6) & (pl.col("people") >= 4) & (pl.col("top") <= 0.8 * pl.col("n"))
        assert shown.select((right & enough).all()).item()


def test_tables_together_give_nothing_away_even_to_the_exact_attack() -> None:
    shown, narrow, cells = 0, 0, 0
    for seed in range(25):
        data = conversations(seed)
        accepted = acceptable(crossings(data), {}, LEAST)
        ranges = exact_ranges(accepted, true_counts(data, facets(data)))
        shown += sum(table.shown.height for table in accepted.values())
        cells += len(ranges)
        narrow += sum(width < LEAST - 1e-6 for width in ranges.values())
    assert shown > 300 and cells > 50, "an attack on nothing proves nothing"
    assert narrow == 0


def test_without_complementary_suppression_the_attack_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables.Table, "protect", lambda self: self.shown)
    won = 0
    for seed in range(10):
        data = conversations(seed)
        ranges = exact_ranges(crossings(data), true_counts(data, facets(data)))
        won += any(width < LEAST - 1e-6 for width in ranges.values())
    assert won >= 5


def test_bounds_hold_the_truth_and_tables_tell_of_each_other() -> None:
    tighter = 0
    for seed in range(15):
        data = conversations(seed, tied=0.9)
        found, cube = crossings(data), true_counts(data, facets(data))
        together = joint_bounds(found)
        for pair, bounds in together.items():
            third = next(axis for axis, name in enumerate(NAMES) if name not in pair)
            truth = cube.sum(axis=third)
            assert (bounds.low[1:] <= truth + 1e-6).all() and (truth <= bounds.high[1:] + 1e-6).all()
            alone = joint_bounds({pair: found[pair]})[pair]
            assert (bounds.width() <= alone.width() + 1e-6).all()
            tighter += int((bounds.width() < alone.width() - 0.5).sum())
    assert tighter > 20, "else a third facet would not matter"


def test_a_table_that_gives_another_away_is_left_out() -> None:
    """French comes with model m, model m in week 1: the third table withholds in vain what these two tell."""
    rows = [("fr", "m", "1")] * 40 + [("en", "x", "2")] * 60
    data = pl.DataFrame(rows, schema=list(NAMES), orient="row").with_row_index("user")
    found = crossings(data)
    entries = data.group_by(row="language", column="week", user="user").len("n")
    strict = Limits(min_users=1000, min_conversations=1000, max_user_share=0.8)
    found["language", "week"] = cross(entries, Facet(["en", "fr"]), Facet(["1", "2"]), strict, 2)
    assert all(given_away({pair: table}, LEAST) == set() for pair, table in found.items())
    assert {pair for pair, _, _ in given_away(found, LEAST)} == {("language", "week")}
    accepted = acceptable(found, {}, LEAST)
    assert list(accepted) == [("language", "model"), ("language", "week")]
    assert acceptable({("model", "week"): found["model", "week"]}, accepted, LEAST) == {}


def test_the_attack_would_repair_unprotected_tables_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables.Table, "protect", lambda self: self.shown)
    dropped = 0
    for seed in range(10):
        data = conversations(seed)
        found = crossings(data)
        accepted = acceptable(found, {}, LEAST)
        dropped += len(found) - len(accepted)
        ranges = exact_ranges(accepted, true_counts(data, facets(data)))
        assert all(width >= LEAST - 1e-6 for width in ranges.values())
    assert dropped >= 10


def test_a_harmful_value_that_nearly_all_of_a_row_have_is_not_shown() -> None:
    rows = [("a", "high", user) for user in range(30)] + [("a", "none", user) for user in range(8)]
    rows += [("b", "high", user) for user in range(100, 120)] + [
        ("b", "none", user) for user in range(120, 200)
    ]
    data = pl.DataFrame(rows, schema=["row", "column", "user"], orient="row")
    entries = data.group_by("row", "column", "user").agg(n=pl.len().cast(pl.Int64))
    plain, sensitive = (Facet(["high", "none"], harmless) for harmless in (None, "none"))
    shown = [cross(entries, Facet(["a", "b"]), columns, LIMITS, 2).shown for columns in (plain, sensitive)]
    assert ("a", "high") in set(shown[0].select("row", "column").iter_rows())
    assert ("a", "high") not in set(shown[1].select("row", "column").iter_rows())


def test_values_that_are_not_public_elsewhere_stay_in_the_rest() -> None:
    entries = pl.DataFrame(
        {"value": ["a"] * 30 + ["b"] * 20 + ["c"] * 9 + ["d"] * 2, "user": range(61), "n": 1}
    )
    assert public_values(entries, LIMITS, 2, None) == ["a", "b"], "d alone would be the difference"
    assert public_values(entries, LIMITS, 2, ["a"]) == ["a"]
    assert public_values(entries.filter(pl.col("value") != "d"), LIMITS, 2, None) == ["a", "b", "c"]


def test_a_tree_counts_for_the_attack_below_its_top_too() -> None:
    data = conversations(3)
    known = facets(data)
    node = {"l0": 1, "l1": 1, "l2": 2, "l3": 2}
    leaf = {"l0": 3, "l1": 4, "l2": 5, "l3": 6}
    parts = [
        data.group_by(
            node=pl.col("language").replace_strict(place, return_dtype=pl.UInt32), value="week", user="user"
        ).len("n")
        for place in (dict.fromkeys(node, 0), node, leaf)
    ]
    entries = pl.concat(parts)
    parents = np.array([-1, 0, 0, 1, 1, 2, 2])
    shown = entries.select("node", "value").unique().filter(pl.col("node") == 1)
    tree = crossed_tree(entries, parents, known["week"], shown)
    tables_ = {("cluster", "week"): tree, ("model", "week"): crossings(data)["model", "week"]}
    top = cross(
        data.select(row=pl.col("language").replace_strict(node).cast(pl.String), column="model", user="user")
        .group_by("row", "column", "user").agg(n=pl.len().cast(pl.Int64)),
        Facet(["1", "2"]), known["model"], LIMITS, 2,
    )  # fmt: skip
    bounds = joint_bounds({**tables_, ("cluster", "model"): top})["cluster", "week"]
    truth = np.zeros(tree.public.known.shape)
    order = {value: place for place, value in enumerate(known["week"].values)}
    for at, value, _, n in entries.iter_rows():
        truth[at, order.get(value, len(order))] += n
    assert (bounds.low <= truth + 1e-6).all() and (truth <= bounds.high + 1e-6).all()
