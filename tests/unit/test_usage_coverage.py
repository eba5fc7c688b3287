"""Which usage a suite covers: links of items to clusters, shares with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from assets.evaluation import coverage as coverage_module
from assets.evaluation.calibration import UNCALIBRATED
from assets.evaluation.coverage import coverage
from assets.evaluation.linking import Embed, Link, link
from schemas.usage import ItemUsage, UsageCoverage, UsageReach, UsageSeed

WIDTH = 64


def seeds_of(weights: Sequence[float], users: Sequence[int] | None = None, total: int = 1000) -> pl.DataFrame:
    conversations = [round(weight * total) for weight in weights]
    return UsageSeed.validate(
        pl.DataFrame(
            {
                "seed_cluster_id": [f"c{index}" for index in range(len(weights))],
                "name": [f"name {index}" for index in range(len(weights))],
                "summary": "",
                "weight": [float(weight) for weight in weights],
                "users": pl.Series(users or conversations, dtype=pl.UInt32),
                "conversations": pl.Series(conversations, dtype=pl.UInt32),
                "concerning": pl.Series([None] * len(weights), dtype=pl.Float64),
            }
        )
    )


def tree(seeds: pl.DataFrame, tops: int = 4) -> pl.DataFrame:
    ids = seeds["seed_cluster_id"].to_list()
    return pl.DataFrame(
        {
            "cluster_id": [*ids, *(f"t{top}" for top in range(tops))],
            "parent_id": [*(f"t{index % tops}" for index in range(len(ids))), *[None] * tops],
        },
        schema={"cluster_id": pl.String, "parent_id": pl.String},
    )


def items_of(
    topics: Sequence[str | None],
    drafted: Sequence[str | None] | None = None,
    parts: Sequence[str] | None = None,
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "item_id": [f"i{index}" for index in range(len(topics))],
            "dataset": list(parts or ["all"] * len(topics)),
            "condition": ["default"] * len(topics),
            "topic": list(topics),
            "seed_cluster_id": list(drafted or [None] * len(topics)),
        },
        schema=dict.fromkeys(("item_id", "dataset", "condition", "topic", "seed_cluster_id"), pl.String),
    )


def angle_embedder(cosines: dict[str, dict[str, float]]) -> Embed:
    """Clusters `name N` on an axis each; a topic has the cosines that it is given, the rest on an axis of its own."""

    def embed(texts: Sequence[str]) -> np.ndarray:
        vectors = np.zeros((len(texts), WIDTH), np.float32)
        for row, text in enumerate(texts):
            if text.startswith("name "):
                vectors[row, int(text.split()[1])] = 1
                continue
            for cluster, cosine in cosines[text].items():
                vectors[row, int(cluster.removeprefix("c"))] = cosine
            vectors[row, WIDTH - 1] = np.sqrt(max(0.0, 1 - (vectors[row] ** 2).sum()))
        return vectors

    return embed


def never(texts: Sequence[str]) -> np.ndarray:
    raise AssertionError("nothing is there to embed")


SEEDS = seeds_of([0.4, 0.3, 0.2])
TREE = tree(SEEDS)
NEAR = {"both": {"c0": 0.6, "c1": 0.55}, "first": {"c0": 0.7}, "none": {"c2": 0.3}}


def linked(items: pl.DataFrame, seeds: pl.DataFrame = SEEDS) -> Link:
    found = link("suite", items, seeds, tree(seeds), angle_embedder(NEAR))
    ItemUsage.validate(found.usage)
    UsageReach.validate(found.reach)
    return found


def test_items_are_linked_to_the_most_similar_cluster_and_cover_all_that_they_are_near() -> None:
    usage, reach = linked(items_of(["both", "first", "none"]))
    assert usage["seed_cluster_id"].to_list() == ["c0", "c0", "c2"]
    assert usage["similarity"].to_list() == pytest.approx([0.6, 0.7, 0.3], abs=1e-6)
    assert usage["near"].to_list() == [True, True, False]
    assert usage["weight"].to_list() == pytest.approx([0.2 + 0.3, 0.2, 0.0])
    assert reach["items"].to_list() == [2, 1, 0]
    assert reach["covered"].to_list() == [True, True, False]
    assert reach["similarity"].to_list() == pytest.approx([0.7, 0.55, 0.3], abs=1e-6)
    assert reach["threshold"].to_list() == [UNCALIBRATED] * 3


def test_an_item_is_near_the_cluster_that_it_was_drafted_from_whatever_its_topic() -> None:
    usage, reach = linked(items_of(["none", None, "first"], ["c1", "c1", "gone"]))
    assert usage["seed_cluster_id"].to_list() == ["c1", "c1", "c0"], "a cluster no longer published is none"
    assert usage["similarity"].to_list() == pytest.approx([0.0, None, 0.7], abs=1e-6)
    assert usage["weight"].to_list() == pytest.approx([0.15, 0.15, 0.4])
    assert usage["near"].all()
    assert reach["items"].to_list() == [0, 0, 0] and reach["drafted"].to_list() == [1, 2, 0]
    assert not reach["covered"].any(), "where an item comes from covers nothing"


def test_coverage_is_of_items_that_were_not_drafted_from_usage_whatever_the_others_are_near() -> None:
    drafted = items_of(["first", "both", "both"], ["c0", "c1", None])
    reach = linked(drafted).reach
    assert reach.select("items", "drafted", "covered").rows() == [(1, 2, True), (1, 1, True), (0, 0, False)]
    alone = linked(drafted.head(2)).reach
    assert alone["similarity"].null_count() == 3 and not alone["covered"].any()
    row = UsageCoverage.validate(coverage(alone, SEEDS, ["suite"])).row(0, named=True)
    assert (row["share"], row["covered_clusters"], row["covered_with_drafted"]) == (0, 0, 2)
    assert row["share_with_drafted"] == pytest.approx(0.7)
    assert row["ci_low_with_drafted"] < 0.7 < row["ci_high_with_drafted"] and row["baseline"] is None


def test_weights_sum_to_the_share_that_each_part_reaches() -> None:
    items = items_of(["both", "first", "first", "none"], parts=["a", "a", "b", "c"])
    weights = items.join(linked(items).usage, on="item_id").group_by("dataset").agg(pl.col("weight").sum())
    assert dict(weights.iter_rows()) == pytest.approx({"a": 0.7, "b": 0.4, "c": 0.0})


def test_what_has_no_topic_or_meets_no_cluster_is_kept_and_nothing_is_embedded() -> None:
    unsaid = items_of([None, " "], [None, "c2"])
    usage, reach = link("suite", unsaid, SEEDS, TREE, never)
    assert usage["near"].to_list() == [False, True]
    assert usage["similarity"].null_count() == 2
    assert reach["similarity"].null_count() == reach["threshold"].null_count() == 3
    assert reach["drafted"].to_list() == [0, 0, 1] and not reach["covered"].any()
    usage, reach = link("suite", items_of(["first"]), SEEDS.clear(), TREE.clear(), never)
    assert ItemUsage.validate(usage).rows() == [("i0", None, None, False, 0.0)]
    assert UsageReach.validate(reach).is_empty()
    usage, reach = link("suite", items_of([]), SEEDS, TREE, never)
    assert ItemUsage.validate(usage).is_empty()
    assert UsageReach.validate(reach)["covered"].to_list() == [False] * 3


def test_each_topic_is_embedded_once_and_slices_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    embed = angle_embedder(NEAR)

    def counted(texts: Sequence[str]) -> np.ndarray:
        asked.extend(texts)
        return embed(texts)

    items = items_of(["both", "first", "none"] * 50)
    whole = link("suite", items, SEEDS, TREE, counted)
    assert sorted(asked) == ["both", "first", "name 0", "name 1", "name 2", "none"]
    monkeypatch.setattr("assets.evaluation.linking.SLICE", 2)
    sliced = link("suite", items, SEEDS, TREE, embed)
    assert sliced.usage.equals(whole.usage)
    assert sliced.reach.equals(whole.reach)


def reach_of(suite: str, seeds: pl.DataFrame, covered: Sequence[str]) -> pl.DataFrame:
    return seeds.select(
        "seed_cluster_id",
        suite=pl.lit(suite),
        share="weight",
        similarity=pl.lit(0.5),
        threshold=pl.lit(0.4),
        items=pl.col("seed_cluster_id").is_in(covered).cast(pl.UInt32),
        drafted=pl.lit(0, pl.UInt32),
        covered=pl.col("seed_cluster_id").is_in(covered),
    )


def test_coverage_is_the_share_of_covered_clusters_beside_draws_of_as_many() -> None:
    reach = pl.concat([reach_of("one", SEEDS, ["c0"]), reach_of("two", SEEDS, ["c1", "c2"])])
    found = UsageCoverage.validate(coverage(reach, SEEDS, ["one", "two", "none"]))
    assert found["suite"].to_list() == ["one", "two", "none"]
    assert found["share"].to_list() == pytest.approx([0.4, 0.5, 0.0])
    assert found["baseline"].to_list() == pytest.approx([0.3, 0.6, None])
    assert found["p_value"].to_list() == pytest.approx([1 / 3, 1.0, None], abs=0.02)
    assert found["threshold"].to_list() == [0.4, 0.4, None]
    assert found["covered_clusters"].to_list() == [1, 2, 0]
    assert found["clusters"].to_list() == [3, 3, 3]
    assert found["unpublished"].to_list() == pytest.approx([0.1] * 3)
    assert found["ci_low"][2] == 0.0
    assert 0 < found["ci_high"][2] < 0.01


def test_draws_are_the_same_in_blocks_and_a_suite_that_covers_all_is_no_surprise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reach = reach_of("one", SEEDS, ["c0", "c1"])
    whole = coverage(reach, SEEDS, ["one"], seed=3)
    monkeypatch.setattr(coverage_module, "CELLS", 100)
    assert coverage(reach, SEEDS, ["one"], seed=3).equals(whole)
    every = coverage(reach_of("one", SEEDS, ["c0", "c1", "c2"]), SEEDS, ["one"])
    assert every.select("share", "baseline", "p_value").row(0) == pytest.approx((0.9, 0.9, 1.0))


def test_a_suite_that_covers_the_heaviest_of_many_clusters_beats_chance() -> None:
    weights = [0.05, 0.04, 0.03, *[0.01] * 60]
    seeds = seeds_of(weights, total=10_000)
    row = coverage(reach_of("one", seeds, ["c0", "c1", "c2"]), seeds, ["one"]).row(0, named=True)
    assert row["p_value"] < 0.001
    assert row["baseline"] == pytest.approx(3 * sum(weights) / 63)
    light = coverage(reach_of("one", seeds, ["c9"]), seeds, ["one"]).row(0, named=True)
    assert light["p_value"] > 0.9


def test_without_seeds_nothing_is_known_but_that_nothing_is_covered() -> None:
    row = coverage(reach_of("one", SEEDS.clear(), []), SEEDS.clear(), ["one"])
    assert UsageCoverage.validate(row).row(0) == (
        "one", None, 0.0, 0.0, 1.0, None, None, 0, 0, 0.0, 0.0, 1.0, 0, 1.0
    )  # fmt: skip


def test_fewer_people_behind_the_same_conversations_widen_the_interval() -> None:
    def width(seeds: pl.DataFrame, users: int | None = None) -> float:
        row = coverage(reach_of("one", seeds, ["c0"]), seeds, ["one"], users=users).row(0, named=True)
        assert row["ci_low"] < row["share"] < row["ci_high"]
        return row["ci_high"] - row["ci_low"]

    many, few = seeds_of([0.4, 0.3, 0.2]), seeds_of([0.4, 0.3, 0.2], [40, 30, 20])
    assert width(many) == pytest.approx(2 * 1.96 * np.sqrt(0.4 * 0.6 / 1000), rel=0.02)
    assert width(few) > 3 * width(many)
    assert width(many, users=100) == pytest.approx(width(few), rel=0.05)


@pytest.mark.parametrize("interests", [1, 3, 40])
def test_the_interval_holds_the_share_of_the_people_that_users_were_drawn_from(interests: int) -> None:
    rng = np.random.default_rng(interests)
    taste, reached = rng.dirichlet(np.full(40, 2.0)), rng.random(40) < 0.3
    held = [_held(rng, taste, reached, interests) for _ in range(60)]
    assert np.mean(held) >= 0.88


def _held(rng: np.random.Generator, taste: np.ndarray, reached: np.ndarray, interests: int) -> bool:
    """Whether the interval of one sample of 300 users of skewed activity, each with some interests, holds the truth."""
    activity = np.ceil(rng.lognormal(1, 1, 300)).astype(int)
    liked = rng.choice(40, (300, interests), p=taste)
    user = np.repeat(np.arange(300), activity)
    cluster = liked[user, rng.integers(0, interests, len(user))]
    conversations = np.bincount(cluster, minlength=40)
    users = np.bincount(np.unique(np.stack([user, cluster]), axis=1)[1], minlength=40)
    shown = np.flatnonzero(conversations)
    seeds = seeds_of([1.0]).clear()
    seeds = pl.DataFrame(
        {
            "seed_cluster_id": [f"c{index}" for index in shown],
            "name": "name",
            "summary": "",
            "weight": conversations[shown] / len(user),
            "users": users[shown],
            "conversations": conversations[shown],
            "concerning": None,
        },
        schema=seeds.schema,
    )
    covered = [f"c{index}" for index in shown[reached[shown]]]
    row = coverage(reach_of("one", seeds, covered), seeds, ["one"], users=300, draws=1).row(0, named=True)
    return row["ci_low"] <= taste[reached].sum() <= row["ci_high"]
