"""From vectors to a named tree: schemas, order, identities that outlive a run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from assets.clio.clusters import Frames, cluster_conversations
from dagster_project.errors import ObservatoryError
from schemas.clio import ClusterAssignment, ClusterCentroid, ClusterNode
from tests.support import TOPICS, HashingEmbedder

SECRET = bytes(range(32))
WORDS = {topic: text.split() for topic, text in TOPICS.items()}


def conversations(count: int, seed: int = 0, topics: list[str] | None = None) -> pl.DataFrame:
    """Facets of conversations that each use some of their topic's words."""
    random = np.random.default_rng(seed)
    chosen = random.choice(topics or list(WORDS), count)
    texts = [" ".join(random.permutation(WORDS[topic])[:6]) for topic in chosen]
    return pl.DataFrame(
        {
            "conversation_id": [f"s{seed}-{number}" for number in range(count)],
            "user_key": [f"user{number}" for number in random.integers(0, count // 2 + 1, count)],
            "language": ["en"] * count,
            "request": texts,
            "task": [""] * count,
            "started_at": [datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=day) for day in range(count)],
            "topic": chosen.tolist(),
        }
    )


def run(facets: pl.DataFrame, previous: Frames | None = None, **options) -> Frames:
    """Returns centroids, nodes, assignments: the order in which they are handed back as `previous`."""
    vectors = HashingEmbedder().encode(facets["request"].to_list())
    options = {"clusters": 16, "top": 4, "min_users": 5, "seed": 0} | options
    assignments, centroids, nodes = cluster_conversations(
        facets["conversation_id"], vectors, facets, previous=previous, secret=SECRET, **options
    )
    return centroids, nodes, assignments


@pytest.fixture(scope="module")
def facets() -> pl.DataFrame:
    return conversations(1_200)


@pytest.fixture(scope="module")
def first(facets: pl.DataFrame) -> Frames:
    return run(facets)


def test_frames_have_the_schemas_of_the_lake(facets: pl.DataFrame, first: Frames) -> None:
    centroids, nodes, assignments = first
    ClusterCentroid.validate(centroids)
    ClusterNode.validate(nodes)
    ClusterAssignment.validate(assignments)
    assert assignments["conversation_id"].equals(facets["conversation_id"])
    assert centroids["size"].sum() == 1_200
    assert nodes.group_by("level").len().sort("level")["len"].to_list() == [16, 4]
    counted = assignments.group_by("cluster_id").len().join(centroids, on="cluster_id")
    assert (counted["len"] == counted["size"]).all()


def test_clusters_are_the_topics_and_names_say_so(facets: pl.DataFrame) -> None:
    _, nodes, assignments = run(facets, clusters=8, top=8)
    joined = assignments.join(facets, on="conversation_id").join(nodes, on="cluster_id")
    purity = (
        joined.group_by("cluster_id", "topic")
        .len()
        .group_by("cluster_id")
        .agg(pl.col("len").max())["len"]
        .sum()
    )
    assert purity > 0.95 * len(facets)
    for cluster, topic in joined.group_by("cluster_id").agg(pl.col("topic").mode().first()).iter_rows():
        name = nodes.filter(pl.col("cluster_id") == cluster)["name"].item()
        assert set(name.lower().replace(":", "").replace(",", "").split()) <= set(WORDS[topic])


def test_same_input_same_bytes(facets: pl.DataFrame, first: Frames) -> None:
    assert all(left.equals(right) for left, right in zip(first, run(facets), strict=True))


def test_facets_may_come_in_any_order(facets: pl.DataFrame, first: Frames) -> None:
    vectors = HashingEmbedder().encode(facets["request"].to_list())
    shuffled = facets.sample(fraction=1.0, shuffle=True, seed=1)
    assignments, _, nodes = cluster_conversations(
        facets["conversation_id"],
        vectors,
        shuffled,
        clusters=16,
        top=4,
        min_users=5,
        seed=0,
        secret=SECRET,
        previous=None,
    )
    assert assignments.equals(first[2])
    assert nodes.equals(first[1])


def test_running_again_changes_nothing(facets: pl.DataFrame, first: Frames) -> None:
    again = run(facets, previous=first, seed=9)
    assert again[1].equals(first[1])
    assert again[2].equals(first[2])


def test_one_percent_more_keeps_ids_names_and_parents(facets: pl.DataFrame) -> None:
    before = run(facets, clusters=8, top=3)
    _, nodes, assignments = run(
        pl.concat([facets, conversations(12, seed=7)]), previous=before, clusters=8, top=3
    )
    assert set(nodes["cluster_id"]) == set(before[1]["cluster_id"])
    joined = nodes.join(before[1], on="cluster_id")
    assert (joined["parent_id"].fill_null("") == joined["parent_id_right"].fill_null("")).all()
    assert (joined["name"] == joined["name_right"]).all()
    old = assignments.join(before[2], on="conversation_id")
    assert (old["cluster_id"] == old["cluster_id_right"]).mean() > 0.98


def test_a_new_topic_is_born_with_a_new_id(facets: pl.DataFrame) -> None:
    known = [topic for topic in WORDS if topic != "guitar"]
    without = facets.filter(pl.col("topic") != "guitar")
    before = run(without, clusters=7)
    after = run(
        pl.concat([without, conversations(150, seed=3, topics=["guitar"])]), previous=before, clusters=8
    )
    assert set(before[0]["cluster_id"]) < set(after[0]["cluster_id"])
    born = after[2].filter(~pl.col("cluster_id").is_in(before[0]["cluster_id"].implode()))
    assert born.height >= 145
    assert born["conversation_id"].str.starts_with("s3-").all()
    assert len(known) == 7


def test_forgotten_conversations_leave_the_rest_in_place(facets: pl.DataFrame, first: Frames) -> None:
    rest = facets.filter(pl.col("user_key") != facets["user_key"][0])
    _, nodes, assignments = run(rest, previous=first)
    assert set(nodes["cluster_id"]) == set(first[1]["cluster_id"])
    assert not set(assignments["conversation_id"]) & set(facets["conversation_id"]) - set(
        rest["conversation_id"]
    )


def test_a_rebuilt_tree_keeps_ids_by_members(facets: pl.DataFrame, first: Frames) -> None:
    nodes = run(facets, previous=first, top=5)[1]
    base = nodes.filter(pl.col("level") == 0)["cluster_id"]
    assert set(base) == set(first[0]["cluster_id"])
    assert nodes.filter(pl.col("level") == 1).height == 5


def turned(vectors: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.roll(vectors, 37, axis=1))


def wider(vectors: np.ndarray) -> np.ndarray:
    return np.concatenate([vectors, np.zeros((len(vectors), 16), np.float32)], axis=1)


@pytest.mark.parametrize("other", [turned, wider])
def test_another_embedder_of_the_same_conversations_keeps_ids_by_members(
    facets: pl.DataFrame, other: Callable[[np.ndarray], np.ndarray]
) -> None:
    before = run(facets, clusters=8, top=8)
    _, centroids, _ = cluster_conversations(
        facets["conversation_id"],
        other(HashingEmbedder().encode(facets["request"].to_list())),
        facets,
        clusters=8,
        top=8,
        min_users=5,
        seed=0,
        secret=SECRET,
        previous=before,
    )
    assert set(centroids["cluster_id"]) == set(before[0]["cluster_id"])


def test_conversations_that_are_all_new_are_clustered_afresh(facets: pl.DataFrame, first: Frames) -> None:
    after = run(conversations(900, seed=8), previous=first)
    assert after[2].height == 900
    assert after[1].filter(pl.col("level") == 0).height == 16
    assert not set(after[2]["conversation_id"]) & set(facets["conversation_id"])


@pytest.mark.parametrize("clusters", [4, 12, 30])
def test_another_number_of_clusters_is_followed(facets: pl.DataFrame, first: Frames, clusters: int) -> None:
    centroids = run(facets, previous=first, clusters=clusters)[0]
    assert clusters - 1 <= centroids.height <= clusters
    assert set(centroids["cluster_id"]) & set(first[0]["cluster_id"])


@pytest.mark.parametrize("count", [1, 2, 7])
def test_few_conversations(count: int) -> None:
    centroids, nodes, assignments = run(conversations(count), clusters=None, top=10)
    assert assignments.height == count
    ClusterNode.validate(nodes)
    assert nodes["level"].max() == 0
    assert centroids.height <= count


def test_what_does_not_belong_together_is_refused(facets: pl.DataFrame) -> None:
    vectors = HashingEmbedder().encode(facets["request"].to_list())
    for ids, part, known in (
        (facets["conversation_id"], vectors[:-1], facets),
        (facets["conversation_id"], vectors, facets[:-1]),
    ):
        with pytest.raises(ObservatoryError, match="out of step"):
            cluster_conversations(
                ids, part, known, clusters=4, top=4, min_users=5, seed=0, secret=SECRET, previous=None
            )
