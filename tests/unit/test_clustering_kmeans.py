"""k-means: quality, odd inputs, determinism, and how a previous clustering is continued."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.clustering import Centroids, default_clusters, fit_clusters
from dagster_project.clustering import kmeans as kmeans_module
from dagster_project.errors import ObservatoryError
from tests.backends import BACKENDS


def blobs(
    groups: int, each: int, dimension: int = 32, noise: float = 0.05, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around `groups` directions, shuffled, and the group of each."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((groups, dimension))
    truth = random.permutation(np.repeat(np.arange(groups), each))
    points = centres[truth] / np.linalg.norm(centres[truth], axis=1, keepdims=True)
    points = points + noise * random.standard_normal(points.shape)
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), truth


def same_partition(left: np.ndarray, right: np.ndarray) -> bool:
    pairs = np.unique(np.stack([left, right]), axis=1).shape[1]
    return pairs == len(np.unique(left)) == len(np.unique(right))


@pytest.mark.parametrize("groups", [1, 3, 40, 150])
@pytest.mark.parametrize("device", BACKENDS)
def test_recovers_separate_groups_exactly(groups: int, device: str) -> None:
    vectors, truth = blobs(groups, 30)
    assert same_partition(fit_clusters(vectors, groups, device=device).labels, truth)


@pytest.mark.parametrize("device", BACKENDS)
def test_neighbour_lists_find_nearly_every_one_of_many_groups(device: str) -> None:
    vectors, truth = blobs(300, 30)
    labels = fit_clusters(vectors, 300, device=device).labels
    assert kmeans_module.EXACT_CLUSTERS < 300
    joint = np.unique(np.stack([labels, truth]), axis=1, return_counts=True)
    assert joint[1][joint[1] == 30].sum() > 0.97 * len(vectors), "whole groups in one cluster"


@pytest.mark.parametrize("device", BACKENDS)
def test_grouped_start_recovers_separate_groups_too(device: str) -> None:
    vectors, truth = blobs(100, 100)
    assert len(vectors) > kmeans_module.LARGEST_TREE
    assert same_partition(fit_clusters(vectors, 100, device=device).labels, truth)


def test_default_number_of_clusters_follows_the_rows() -> None:
    assert [default_clusters(rows) for rows in (1, 800, 1_000, 100_000)] == [8, 8, 10, 1_000]
    assert len(fit_clusters(blobs(20, 60)[0]).centroids) == 12


@pytest.mark.parametrize("device", BACKENDS)
def test_centroids_are_unit_means_and_inertia_is_their_squared_distance(device: str) -> None:
    vectors, _ = blobs(10, 40, noise=0.3)
    result = fit_clusters(vectors, 7, device=device)
    for cluster in range(7):
        mean = vectors[result.labels == cluster].mean(axis=0)
        np.testing.assert_allclose(result.centroids[cluster], mean / np.linalg.norm(mean), atol=1e-5)
    expected = np.square(vectors - result.centroids[result.labels]).sum()
    assert result.inertia == pytest.approx(expected, rel=1e-5)
    assert result.labels.dtype == np.int32
    assert result.centroids.dtype == np.float32


@pytest.mark.parametrize("device", BACKENDS)
def test_every_row_is_in_the_cluster_whose_centroid_is_nearest(device: str) -> None:
    vectors, _ = blobs(30, 50, noise=0.2)
    result = fit_clusters(vectors, 30, device=device)
    assert (result.labels == (vectors @ result.centroids.T).argmax(axis=1)).mean() > 0.99


@pytest.mark.parametrize("device", BACKENDS)
def test_length_of_a_vector_does_not_matter(device: str) -> None:
    vectors, _ = blobs(6, 30, noise=0.2)
    lengths = np.random.default_rng(1).uniform(0.1, 10, (len(vectors), 1)).astype(np.float32)
    assert same_partition(
        fit_clusters(vectors, 6, device=device).labels,
        fit_clusters(vectors * lengths, 6, device=device).labels,
    )


def test_memory_map_gives_the_same_as_an_array(tmp_path: Path) -> None:
    vectors, _ = blobs(50, 120, noise=0.2)
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    plain, from_disk = fit_clusters(vectors, 60, seed=3), fit_clusters(mapped, 60, seed=3)
    np.testing.assert_array_equal(plain.labels, from_disk.labels)
    np.testing.assert_array_equal(plain.centroids, from_disk.centroids)


def test_same_seed_same_bytes_with_one_thread_and_with_two() -> None:
    code = (
        "import hashlib, numpy as np\n"
        "from dagster_project.clustering import fit_clusters\n"
        "v = np.random.default_rng(0).standard_normal((9000, 64)).astype(np.float32)\n"
        "r = fit_clusters(v, 90, seed=5)\n"
        "print(hashlib.sha256(r.labels.tobytes() + r.centroids.tobytes()).hexdigest())\n"
    )
    outputs = []
    for threads in ("1", "2"):
        environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1] != ""


@pytest.mark.parametrize("device", BACKENDS)
def test_large_fit_is_as_tight_as_plain_kmeans(device: str) -> None:
    import faiss

    vectors, _ = blobs(150, 80, dimension=48, noise=0.12)
    plain = faiss.Kmeans(48, 300, niter=20, seed=1, spherical=True, min_points_per_centroid=1)
    plain.train(vectors)
    nearest = plain.centroids[plain.index.search(vectors, 1)[1][:, 0]]
    assert fit_clusters(vectors, 300, device=device).inertia <= 1.01 * float(
        np.square(vectors - nearest).sum()
    )


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40),
    dimension=st.integers(1, 6),
    k=st.one_of(st.none(), st.integers(1, 60)),
    distinct=st.integers(1, 40),
    zeros=st.integers(0, 5),
    seed=st.integers(0, 1_000),
)
@pytest.mark.parametrize("device", BACKENDS)
def test_odd_inputs_give_defined_results(
    rows: int, dimension: int, k: int | None, distinct: int, zeros: int, seed: int, device: str
) -> None:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((distinct, dimension)).astype(np.float32)[
        random.integers(0, distinct, rows)
    ]
    vectors[:zeros] = 0.0
    result = fit_clusters(vectors, k, seed=seed, device=device)
    count = len(result.centroids)
    assert result.labels.shape == (rows,)
    assert 1 <= count <= min(k or 8, rows)
    assert set(result.labels.tolist()) == set(range(count)), "no cluster is empty"
    np.testing.assert_allclose(np.linalg.norm(result.centroids, axis=1), 1.0, atol=1e-4)
    assert np.isfinite(result.inertia)
    assert result.inertia >= 0


@pytest.mark.parametrize("device", BACKENDS)
def test_equal_vectors_are_one_cluster_and_k_is_reached_where_rows_differ(device: str) -> None:
    assert len(fit_clusters(np.ones((50, 8), np.float32), 8, device=device).centroids) == 1
    vectors, _ = blobs(5, 20, noise=0.01)
    assert len(fit_clusters(vectors, 60, device=device).centroids) == 60
    assert len(fit_clusters(vectors[:3], 8, device=device).centroids) == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("device", BACKENDS)
def test_values_that_are_not_finite_are_refused(bad: float, device: str) -> None:
    vectors, _ = blobs(3, 10)
    vectors[4, 2] = bad
    with pytest.raises(ObservatoryError, match="not finite"):
        fit_clusters(vectors, 3, device=device)


@pytest.mark.parametrize("device", BACKENDS)
def test_no_rows_and_no_clusters_are_refused(device: str) -> None:
    with pytest.raises(ObservatoryError, match="nothing to cluster"):
        fit_clusters(np.empty((0, 4), np.float32), device=device)
    with pytest.raises(ObservatoryError, match="at least 1"):
        fit_clusters(np.ones((3, 4), np.float32), 0, device=device)


def known_rows(labels: np.ndarray, new: int) -> np.ndarray:
    return np.concatenate([labels, np.full(new, -1, np.int32)])


@pytest.mark.parametrize("device", BACKENDS)
def test_a_few_new_rows_leave_the_others_alone(device: str) -> None:
    vectors, _ = blobs(60, 80, noise=0.12)
    first = fit_clusters(vectors[:4_752], 60, device=device)
    second = fit_clusters(
        vectors, 60, previous=Centroids(first.centroids, known_rows(first.labels, 48)), device=device
    )
    assert (second.labels[:4_752] != first.labels).mean() < 0.01
    assert (np.einsum("kd,kd->k", first.centroids, second.centroids) > 0.99).all()


@pytest.mark.parametrize("device", BACKENDS)
def test_continuing_on_the_same_rows_changes_nothing(device: str) -> None:
    vectors, _ = blobs(20, 60, noise=0.3)
    first = fit_clusters(vectors, 20, device=device)
    second = fit_clusters(vectors, 20, previous=Centroids(first.centroids, first.labels), device=device)
    np.testing.assert_array_equal(first.labels, second.labels)


@pytest.mark.parametrize("device", BACKENDS)
def test_a_new_group_gets_a_cluster_of_its_own_when_k_grows(device: str) -> None:
    vectors, truth = blobs(11, 100, noise=0.08)
    old = truth < 10
    first = fit_clusters(vectors[old], 10, device=device)
    labels = np.full(len(vectors), -1, np.int32)
    labels[old] = first.labels
    second = fit_clusters(vectors, 11, previous=Centroids(first.centroids, labels), device=device)
    assert same_partition(second.labels, truth)
    np.testing.assert_array_equal(second.labels[old], first.labels)


@pytest.mark.parametrize("device", BACKENDS)
def test_centroids_alone_are_enough_to_continue(device: str) -> None:
    vectors, truth = blobs(12, 50)
    first = fit_clusters(vectors, 12, device=device)
    second = fit_clusters(vectors, 12, previous=Centroids(first.centroids), device=device)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert same_partition(second.labels, truth)


@pytest.mark.parametrize("device", BACKENDS)
def test_many_small_steps_end_as_good_as_one_fit(device: str) -> None:
    vectors, _ = blobs(30, 100, noise=0.2)
    result = fit_clusters(vectors[:1_500], 15, device=device)
    for rows in range(1_600, 3_001, 100):
        previous = Centroids(result.centroids, known_rows(result.labels, 100))
        result = fit_clusters(vectors[:rows], previous=previous, device=device)
    assert len(result.centroids) == 30
    assert result.inertia <= 1.05 * fit_clusters(vectors, 30, device=device).inertia


@pytest.mark.parametrize("case", ["dimension", "empty", "mostly new", "fewer wanted"])
@pytest.mark.parametrize("device", BACKENDS)
def test_a_previous_clustering_that_does_not_fit_is_not_continued(case: str, device: str) -> None:
    vectors, truth = blobs(8, 40)
    first = fit_clusters(vectors, 8, device=device)
    labels, wanted, centroids = first.labels.copy(), 8, first.centroids
    if case == "dimension":
        centroids = np.ones((8, 5), np.float32)
    elif case == "empty":
        centroids = np.empty((0, vectors.shape[1]), np.float32)
    elif case == "mostly new":
        labels[: int(0.7 * len(labels))] = -1
    else:
        wanted = 4
    result = fit_clusters(vectors, wanted, previous=Centroids(centroids, labels), device=device)
    fresh = fit_clusters(vectors, wanted, device=device)
    np.testing.assert_array_equal(result.labels, fresh.labels)
    assert case == "fewer wanted" or same_partition(result.labels, truth)


@pytest.mark.parametrize("device", BACKENDS)
def test_rows_that_went_take_their_empty_cluster_with_them(device: str) -> None:
    vectors, truth = blobs(9, 60)
    first = fit_clusters(vectors, 9, device=device)
    kept = truth != 4
    result = fit_clusters(
        vectors[kept], previous=Centroids(first.centroids, first.labels[kept]), device=device
    )
    assert same_partition(result.labels, truth[kept])
