"""The tree above the clusters: its levels, that it nests, and what it recovers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.clustering import build_hierarchy, extend_hierarchy, level_sizes, unit
from dagster_project.clustering import hierarchy as hierarchy_module
from dagster_project.clustering.hierarchy import consensus_groups
from dagster_project.clustering.ward import cut, cut_together, ward_tree


def two_levels(tops: int, each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit points [tops * each, 64] in `tops` loose groups, shuffled, and the group of each."""
    random = np.random.default_rng(seed)
    truth = random.permutation(np.repeat(np.arange(tops), each))
    centres = random.standard_normal((tops, 64))
    return unit((centres[truth] + 0.5 * random.standard_normal((tops * each, 64))).astype(np.float32)), truth


@pytest.mark.parametrize(
    ("base", "top", "expected"),
    [
        (150, 10, [150, 39, 10]),
        (1_000, 10, [1_000, 100, 10]),
        (10_000, 10, [10_000, 1_000, 100, 10]),
        (100, 10, [100, 10]),
        (120, 10, [120, 10]),
        (15, 10, [15, 10]),
        (14, 10, [14]),
        (1, 10, [1]),
    ],
)
def test_levels_have_the_papers_ratio(base: int, top: int, expected: list[int]) -> None:
    assert level_sizes(base, top) == expected


@settings(max_examples=200)
@given(base=st.integers(1, 200_000), top=st.integers(2, 50))
def test_levels_always_shrink_to_the_top(base: int, top: int) -> None:
    sizes = level_sizes(base, top)
    assert sizes[0] == base
    assert all(below > above for below, above in itertools.pairwise(sizes))
    assert len(sizes) == 1 or sizes[-1] == top


def test_recovers_the_groups_at_the_top() -> None:
    points, truth = two_levels(10, 15)
    top = build_hierarchy(points, top=10).of_base()[-1]
    assert len(np.unique(np.stack([top, truth]), axis=1).T) == 10


@pytest.mark.parametrize("seed", range(3))
def test_levels_nest_and_have_their_sizes(seed: int) -> None:
    points, _ = two_levels(7, 40, seed)
    hierarchy = build_hierarchy(points, top=10, seed=seed)
    levels = hierarchy.of_base()
    assert [int(level.max()) + 1 for level in levels] == level_sizes(280, 10)
    for below, above in itertools.pairwise(levels):
        pairs = np.unique(np.stack([below, above]), axis=1)
        assert pairs.shape[1] == int(below.max()) + 1, "a node has one parent"
        assert set(above.tolist()) == set(range(int(above.max()) + 1)), "no node is empty"


def test_same_seed_gives_the_same_tree() -> None:
    points, _ = two_levels(9, 20)
    first, second = build_hierarchy(points, seed=4), build_hierarchy(points, seed=4)
    assert all((left == right).all() for left, right in zip(first.parents, second.parents, strict=True))


def test_few_clusters_need_no_levels() -> None:
    points, _ = two_levels(4, 3)
    assert build_hierarchy(points, top=10).of_base() == []
    assert build_hierarchy(points[:1], top=10).parents == ()


def test_equal_points_do_not_break_the_tree() -> None:
    points = np.tile(unit(np.ones((1, 8), np.float32)), (30, 1))
    levels = build_hierarchy(points, top=5).of_base()
    assert levels[-1].max() < 5


def test_many_points_are_reduced_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hierarchy_module, "LARGEST_CONSENSUS", 60)
    points, truth = two_levels(5, 40)
    groups = consensus_groups(points, 5)
    assert len(np.unique(np.stack([groups, truth]), axis=1).T) == 5


def test_extending_keeps_every_known_parent() -> None:
    points, truth = two_levels(10, 15)
    hierarchy = build_hierarchy(points, top=10)
    known = [level.copy() for level in hierarchy.of_base()[1:]]
    new = np.array([3, 77, 120])
    for level in known:
        level[new] = -1
    extended = extend_hierarchy(known, points, 10)
    assert extended is not None
    for before, after in zip(known, extended.of_base()[1:], strict=True):
        pairs = np.unique(np.stack([before, after])[:, before >= 0], axis=1)
        assert pairs.shape[1] == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))
    assert len(np.unique(np.stack([extended.of_base()[-1], truth]), axis=1).T) == 10


@pytest.mark.parametrize("case", ["many new", "other levels", "other top"])
def test_a_tree_that_no_longer_fits_is_built_anew(case: str) -> None:
    points, _ = two_levels(10, 15)
    known = [level.copy() for level in build_hierarchy(points, top=10).of_base()[1:]]
    if case == "many new":
        for level in known:
            level[:40] = -1
    elif case == "other levels":
        known = known[1:]
    assert extend_hierarchy(known, points, 20 if case == "other top" else 10) is None


def test_ward_cut_matches_brute_force() -> None:
    points = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    tree = ward_tree(points)
    labels = np.arange(30)
    for merges in range(30):
        assert len(np.unique(np.stack([cut(tree, merges), labels]), axis=1).T) == 30 - merges
        losses = {}
        for left in np.unique(labels):
            for right in np.unique(labels):
                if left < right:
                    a, b = points[labels == left], points[labels == right]
                    gap = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
                    losses[left, right] = len(a) * len(b) / (len(a) + len(b)) * gap
        if losses:
            left, right = min(losses, key=losses.__getitem__)
            labels = np.where(labels == right, left, labels)


def test_trees_are_cut_at_one_loss() -> None:
    random = np.random.default_rng(0)
    tight, loose = random.standard_normal((40, 4)) * 0.01, random.standard_normal((40, 4))
    trees = [ward_tree(tight.astype(np.float32)), ward_tree(loose.astype(np.float32))]
    labels = cut_together(trees, [1.0, 1.0], 12)
    assert [int(part.max()) + 1 for part in labels] == [1, 11]
