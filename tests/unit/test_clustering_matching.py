"""Identities: which cluster continues which, and ids of the newly born."""

from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.clustering import Overlap, birth_id, match_identities, unit

SECRET = bytes(range(32))


def directions(count: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((count, 64)).astype(np.float32))


def moved(points: np.ndarray, amount: float, seed: int = 1) -> np.ndarray:
    return unit(points + amount * directions(len(points), seed))


def test_each_id_goes_to_the_cluster_that_moved_a_little() -> None:
    old = directions(50)
    order = np.random.default_rng(2).permutation(50)
    ids = [f"id{number}" for number in range(50)]
    assert match_identities(ids, old, moved(old, 0.2)[order]) == [ids[place] for place in order]


def test_what_moved_far_is_new() -> None:
    old = directions(5)
    new = np.concatenate([moved(old[:4], 0.1), moved(old[4:], 2.0)])
    assert match_identities(list("abcde"), old, new) == ["a", "b", "c", "d", None]


def test_shared_members_outweigh_a_centroid_that_moved() -> None:
    old, new = directions(3), directions(3, seed=9)
    rows_old = np.repeat([0, 1, 2], 10)
    rows_new = np.concatenate([np.repeat(2, 10), np.repeat(0, 10), [1, 0, 0, 0, 0, 0, 2, 2, 2, 2]])
    assert match_identities(list("abc"), old, new, Overlap.of(rows_old, rows_new)) == ["b", None, "a"]


def test_another_embedder_keeps_ids_by_members() -> None:
    labels = np.repeat([0, 1, 2], 5)
    other = unit(np.eye(3, 7, dtype=np.float32))
    assert match_identities(list("abc"), directions(3), other, Overlap.of(labels, 2 - labels)) == [
        "c",
        "b",
        "a",
    ]


def test_the_sum_decides_not_the_first_come() -> None:
    base = directions(1)[0]
    step = directions(2, seed=3)
    old = unit(np.stack([base, base + 0.2 * step[0]]))
    new = unit(np.stack([base + 0.1 * step[0], base - 0.25 * step[0]]))
    assert match_identities(["a", "b"], old, new) == ["b", "a"]


def test_halves_of_a_split_do_not_share_an_id() -> None:
    old = directions(1)
    new = np.concatenate([moved(old, 0.05), moved(old, 0.2, seed=5)])
    assert match_identities(["a"], old, new) == ["a", None]


def test_nothing_to_match() -> None:
    assert match_identities([], np.empty((0, 4), np.float32), directions(2)) == [None, None]
    assert match_identities(["a"], directions(1), np.empty((0, 64), np.float32)) == []


@settings(max_examples=50, deadline=None)
@given(old=st.integers(1, 30), new=st.integers(1, 30), seed=st.integers(0, 99))
def test_no_id_is_given_twice(old: int, new: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    pool = directions(6, seed)
    found = match_identities(
        [str(number) for number in range(old)],
        moved(pool[random.integers(0, 6, old)], 0.1),
        moved(pool[random.integers(0, 6, new)], 0.1, seed=7),
        Overlap.of(random.integers(-1, old, 200), random.integers(-1, new, 200)),
    )
    given_ids = [identity for identity in found if identity is not None]
    assert len(found) == new
    assert len(set(given_ids)) == len(given_ids)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 5)), max_size=60))
def test_overlap_is_the_jaccard_index(pairs: list[tuple[int, int]]) -> None:
    old = np.array([left for left, _ in pairs], dtype=np.int64)
    new = np.array([right for _, right in pairs], dtype=np.int64)
    overlap = Overlap.of(old, new)
    for i, j, shared in zip(overlap.old, overlap.new, overlap.shared, strict=True):
        left, right = set(np.flatnonzero(old == i)), set(np.flatnonzero(new == j))
        assert shared == len(left & right) / len(left | right) > 0


def test_ids_depend_on_level_and_members_alone() -> None:
    first = birth_id(SECRET, 0, ["c2", "c1"])
    assert first == birth_id(SECRET, 0, ["c1", "c2"])
    others = [(1, ["c1", "c2"]), (0, ["c1"]), (0, ["c1c2"])]
    assert len({first, *(birth_id(SECRET, level, members) for level, members in others)}) == 4
    assert len(first) == 12
    assert set(first) <= set("0123456789abcdef")
    assert birth_id(SECRET, 0, ["c1", "c2"], {first}) != first


def test_who_knows_all_members_cannot_make_the_id_without_the_secret() -> None:
    """An attacker tests candidates for the one member that is unknown: with a key of another home, or with none."""
    members = ["c1", "c2", "c3"]
    published = birth_id(SECRET, 0, members)
    plain = hashlib.sha256(b"0" + b"".join(b"\n" + member.encode() for member in members)).hexdigest()
    assert published not in {birth_id(bytes(32), 0, members), birth_id(b"", 0, members), plain[:12]}
