"""New topics among new rows, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from dagster_project.clustering import Centroids, fit_clusters, unit
from dagster_project.clustering.novelty import new_topics
from dagster_project.clustering.rows import Rows
from tests.backends import BACKENDS

RANDOM = np.random.default_rng(0)
CENTRES = unit(RANDOM.standard_normal((12, 32)).astype(np.float32))


def around(centre: int, count: int) -> np.ndarray:
    return unit(CENTRES[centre] + 0.12 * RANDOM.standard_normal((count, 32)).astype(np.float32))


def found(old: list[tuple[int, int]], new: list[tuple[int, int]], most: int = 5) -> list[int]:
    """Centres nearest to the new topics, from (centre, rows) of old and new rows."""
    vectors = np.concatenate([around(*part) for part in [*old, *new]])
    known = sum(count for _, count in old)
    fresh = np.arange(known, len(vectors))
    topics = new_topics(Rows.of(vectors), fresh, CENTRES[:9], most, np.random.default_rng(1))
    assert np.allclose(np.linalg.norm(topics, axis=1), 1, atol=1e-5)
    return (topics @ CENTRES.T).argmax(axis=1).tolist()


OLD = [(centre, 150) for centre in range(8)]


def test_topics_without_old_rows_are_found_largest_first() -> None:
    assert found(OLD, [(9, 30), (10, 60), (0, 100), (1, 100)]) == [10, 9]


def test_more_of_the_same_is_nothing_new() -> None:
    assert found(OLD, [(centre, 40) for centre in range(8)]) == []


def test_a_small_topic_is_found_but_no_group_that_may_never_be_shown() -> None:
    assert found(OLD, [(9, 8), (0, 100)]) == [9]
    assert found(OLD, [(9, 4), (0, 100)]) == []


@pytest.mark.parametrize(
    ("rows", "beside", "topics"), [(8, [], 1), (40, [], 2), (8, [11], 2)], ids=["small", "large", "known"]
)
def test_a_small_group_belongs_to_the_nearest_one_unless_a_known_cluster_is_nearer(
    rows: int, beside: list[int], topics: int
) -> None:
    kin = unit((CENTRES[[9]] + 1.3 * CENTRES[[11]]).astype(np.float32))
    old = np.concatenate([around(centre, 150) for centre in range(8)])
    groups = [np.repeat(CENTRES[[9]], 40, axis=0), np.repeat(kin, rows, axis=0)]
    noise = 0.05 * RANDOM.standard_normal((40 + rows, 32))
    vectors = np.concatenate([old, unit((np.concatenate(groups) + noise).astype(np.float32))])
    known, fresh = CENTRES[[*range(8), *beside]], np.arange(len(old), len(vectors))
    assert len(new_topics(Rows.of(vectors), fresh, known, 5, np.random.default_rng(0))) == topics


def test_there_are_no_more_than_there_is_room_for() -> None:
    assert found(OLD, [(9, 30), (10, 60)], most=1) == [10]
    assert found(OLD, [(9, 30)], most=0) == []


def test_where_most_is_new_nothing_can_be_told() -> None:
    assert found([(0, 50)], [(9, 200)]) == []


def test_equal_rows_are_counted_once_each() -> None:
    vectors = np.concatenate(
        [around(centre, 150) for centre in range(4)] + [np.repeat(CENTRES[[9]], 40, axis=0)]
    )
    topics = new_topics(Rows.of(vectors), np.arange(600, 640), CENTRES[:4], 3, np.random.default_rng(0))
    assert (topics @ CENTRES.T).argmax(axis=1).tolist() == [9]


@pytest.mark.parametrize("device", BACKENDS)
@pytest.mark.parametrize("seed", range(3))
def test_a_continued_clustering_gives_a_new_topic_its_cluster(seed: int, device: str) -> None:
    old, new = np.concatenate([around(centre, 150) for centre in range(8)]), around(9, 40)
    before = fit_clusters(old, 12, seed=seed, device=device)
    labels = np.concatenate([before.labels, np.full(40, -1, np.int32)])
    after = fit_clusters(
        np.concatenate([old, new]), 13, previous=Centroids(before.centroids, labels), seed=seed, device=device
    )
    own = np.unique(after.labels[1200:])
    assert len(own) == 1 and not np.isin(own, after.labels[:1200]).any()
    assert (after.labels[:1200] == before.labels).mean() > 0.99
