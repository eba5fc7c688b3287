"""Which clusters are counted together: similar ones, nested, of those that may be counted."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assets.clio import kin
from assets.clio.kin import kin_groups

ANGLES = {"a": 0.0, "b": 0.1, "c": 0.25, "d": 2.0, "e": 2.1}
NODES = pl.DataFrame(
    [*((name, 0, "x" if name in "ad" else "y") for name in ANGLES), ("x", 1, None), ("y", 1, None)],
    schema={"cluster_id": pl.String, "level": pl.UInt8, "parent_id": pl.String},
    orient="row",
)


def groups(*clusters: str) -> set[str]:
    centroids = pl.DataFrame(
        {
            "cluster_id": list(ANGLES),
            "centroid": np.array([[np.cos(angle), np.sin(angle)] for angle in ANGLES.values()], np.float32),
        }
    )
    found = kin_groups(centroids, NODES, pl.Series(clusters, dtype=pl.String))
    members = found.group_by("group").agg(pl.col("cluster_id").sort()).sort("group")
    assert members["group"].to_list() == list(range(members.height))
    return {"".join(part) for part in members["cluster_id"]}


def test_groups_are_the_merges_of_similar_clusters_over_all_branches_of_the_tree() -> None:
    assert groups(*ANGLES) == {"ab", "abc", "de", "abcde"}


def test_only_clusters_that_may_be_counted_are_in_a_group() -> None:
    assert groups("a", "c", "d", "x") == {"ac", "acd"}
    assert groups("a") == groups() == groups("x", "y") == set()


def test_groups_are_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kin, "LARGEST", 3)
    assert groups(*ANGLES) == {"ab", "abc", "de"}


def test_many_clusters_are_compared_below_one_top_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kin, "TOGETHER", 4)
    assert groups(*ANGLES) == {"ad", "bc", "bce"}
