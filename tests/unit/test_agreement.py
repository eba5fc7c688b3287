"""Matching, F1 and intervals on cases that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dagster_project.statistics.agreement import (
    below_whole,
    clustered_share,
    codes,
    macro_f1,
    match_one_to_one,
    match_to_commonest,
)
from dagster_project.statistics.intervals import wilson


def test_codes_number_the_sorted_values() -> None:
    assert codes(["b", "a", "b", "c"]).tolist() == [1, 0, 1, 2]


def test_one_to_one_gives_a_topic_to_one_cluster_only() -> None:
    found, known = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 0, 0, 1])
    # Clusters 0 and 1 both hold topic 0 twice; only one of them may have it, and a third cluster has none left.
    matched = match_one_to_one(found, known)
    assert int((matched == known).sum()) == 3
    assert sorted(set(matched.tolist())) == [-1, 0, 1]
    assert match_to_commonest(found, known).tolist() == [0, 0, 0, 0, 0, 1]


def test_macro_f1_counts_a_group_that_nothing_is_given_as_nothing() -> None:
    known = np.array([0, 0, 1, 2])
    assert macro_f1(known, known) == 1.0
    assert macro_f1(np.array([0, 0, 0, -1]), known) == pytest.approx(0.8 / 3)


def test_users_with_one_conversation_each_give_the_interval_of_a_plain_share() -> None:
    hits = np.arange(400) % 4 > 0
    alone, plain = clustered_share(hits, np.arange(400)), wilson(300, 400)
    assert alone.estimate == 0.75
    assert (alone.low, alone.high) == pytest.approx((plain.low, plain.high), abs=2e-4)


def test_users_who_are_all_right_or_all_wrong_widen_the_interval() -> None:
    hits = np.repeat(np.arange(40) % 4 > 0, 10)
    together = clustered_share(hits, np.repeat(np.arange(40), 10))
    plain = wilson(30, 40)
    assert (together.low, together.high) == pytest.approx((plain.low, plain.high), abs=3e-3)


def test_a_part_that_is_worse_is_told_from_one_that_is_not() -> None:
    users = np.arange(1000)
    worse = users < 100
    hits = np.where(worse, users % 10 < 5, users % 10 < 9)
    assert below_whole(hits, users, worse) < 1e-6
    assert below_whole(hits, users, ~worse) > 0.5
    even = users % 10 < 9
    assert below_whole(even, users, worse) == pytest.approx(0.5, abs=0.01)
