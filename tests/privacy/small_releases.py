"""Small random releases, and what is true of them, worked out again without the code under test."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from hypothesis import strategies as st

from assets.clio.release import ReleaseTables, release_tables
from dagster_project.privacy.thresholds import Thresholds

BANDS = ("none", "low", "elevated", "high")
MONDAY = date(2024, 1, 1)
NODES = {
    "cluster_id": pl.String,
    "level": pl.UInt8,
    "parent_id": pl.String,
    "name": pl.String,
    "summary": pl.String,
}


@dataclass(frozen=True)
class Inputs:
    """The four restricted tables that a release is made from."""

    assignments: pl.DataFrame
    nodes: pl.DataFrame
    facets: pl.DataFrame
    concerns: pl.DataFrame

    def release(self, thresholds: Thresholds) -> ReleaseTables:
        return release_tables(
            self.assignments,
            self.nodes,
            self.facets,
            self.concerns,
            thresholds=thresholds,
            reader="extractive-1",
            embedder="test-1",
            namer="terms-1",
        )

    def without(self, user_key: str) -> Inputs:
        """The same data had one user never been there."""
        return Inputs(
            self.assignments,
            self.nodes,
            self.facets.filter(pl.col("user_key").ne_missing(user_key)),
            self.concerns,
        )

    def shuffled(self, seed: int) -> Inputs:
        tables = (self.assignments, self.nodes, self.facets, self.concerns)
        return Inputs(*(table.sample(fraction=1.0, shuffle=True, seed=seed) for table in tables))

    def rows(self) -> pl.DataFrame:
        """cluster_id, user, language, week, model, concern_band of each conversation."""
        joined = self.facets.join(self.assignments, on="conversation_id").join(
            self.concerns, on="conversation_id"
        )
        return joined.select(
            "cluster_id",
            pl.col("user_key").fill_null("?").alias("user"),
            "language",
            pl.col("week").cast(pl.String),
            "model",
            "concern_band",
        )


def make(
    seed: int,
    conversations: int = 400,
    users: int = 60,
    shape: tuple[int, ...] = (3, 3),
    values: int = 4,
    unevenness: float = 1.0,
    unknown: float = 0.03,
) -> Inputs:
    """Random conversations in a random tree; `shape`: how many children at most, from the top down."""
    rng = np.random.default_rng(seed)
    nodes, leaves = _tree(rng, shape)
    leaf = rng.choice(len(leaves), conversations, p=rng.dirichlet(np.full(len(leaves), unevenness)))
    user = _users(rng, conversations, users)
    ids = [f"c{index:05d}" for index in range(conversations)]
    columns = {
        name: _values(rng, leaf, user, len(leaves), users, values) for name in ("language", "week", "model")
    }
    band = _values(rng, leaf, user, len(leaves), users, 4)
    key = pl.Series("user_key", [f"u{index:04d}" for index in user]).set(
        pl.Series(rng.random(conversations) < unknown), None
    )
    facets = pl.DataFrame(
        {
            "conversation_id": ids,
            "user_key": key,
            "language": [f"l{value}" for value in columns["language"]],
            "week": [MONDAY + timedelta(weeks=int(value)) for value in columns["week"]],
            "model": [f"model-{value}" for value in columns["model"]],
        }
    )
    assignments = pl.DataFrame({"conversation_id": ids, "cluster_id": [leaves[index] for index in leaf]})
    concerns = pl.DataFrame({"conversation_id": ids, "concern_band": [BANDS[value] for value in band]})
    return Inputs(assignments, nodes, facets, concerns)


def _tree(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[pl.DataFrame, list[str]]:
    rows: list[tuple[str, int, str | None, str, str]] = []
    layer: list[str | None] = [None]
    for depth, most in enumerate(shape):
        following: list[str | None] = []
        for parent in layer:
            for _ in range(int(rng.integers(1, most + 1))):
                name = f"n{len(rows):03d}"
                rows.append((name, len(shape) - 1 - depth, parent, f"Name {name}", f"About {name}"))
                following.append(name)
        layer = following
    return pl.DataFrame(rows, schema=NODES, orient="row"), [name for name in layer if name is not None]


def _users(rng: np.random.Generator, conversations: int, users: int) -> np.ndarray:
    if rng.random() < 0.3:
        return rng.permutation(conversations)  # everybody once
    weight = rng.pareto(1.5, users) + 0.2 if rng.random() < 0.6 else np.ones(users)
    return rng.choice(users, conversations, p=weight / weight.sum())


def _values(
    rng: np.random.Generator, leaf: np.ndarray, user: np.ndarray, leaves: int, users: int, values: int
) -> np.ndarray:
    by_leaf = rng.dirichlet(np.full(values, rng.choice([0.3, 1, 3])), leaves).cumsum(axis=1)
    draws = rng.random(leaf.size)
    drawn = np.minimum((draws[:, None] > by_leaf[leaf]).sum(axis=1), values - 1)
    own = rng.integers(0, values, max(users, int(user.max()) + 1))[user]
    return np.where(rng.random(leaf.size) < 0.3, own, drawn)


def members(inputs: Inputs, clusters: pl.DataFrame) -> dict[str, set[str]]:
    """Base clusters behind each published cluster, found by walking the tree by hand."""
    parents = dict(inputs.nodes.select("cluster_id", "parent_id").iter_rows())
    below: dict[str, set[str]] = defaultdict(set)
    for base in inputs.assignments["cluster_id"].unique():
        node: str | None = base
        while node is not None:
            below[node].add(base)
            node = parents[node]
    everything = set(inputs.assignments["cluster_id"].unique())
    found = {name: below[name] for name in clusters["cluster_id"] if name in below}
    for name, parent in clusters.select("cluster_id", "parent_id").iter_rows():
        if name not in below:
            siblings = clusters.filter(pl.col("parent_id").eq_missing(pl.lit(parent)))["cluster_id"]
            named = set().union(*(below[sibling] for sibling in siblings if sibling in below))
            found[name] = (below[parent] if parent is not None else everything) - named
    return found


def true_cells(inputs: Inputs, clusters: pl.DataFrame) -> pl.DataFrame:
    """cluster_id, dimension, value, conversations, users of every cell there is, shown or not."""
    rows = inputs.rows()
    parts = []
    for name, bases in members(inputs, clusters).items():
        inside = rows.filter(pl.col("cluster_id").is_in(list(bases)))
        for dimension in ("language", "week", "model", "concern_band"):
            counted = inside.group_by(pl.col(dimension).alias("value")).agg(
                conversations=pl.len().cast(pl.Int64), users=pl.col("user").n_unique().cast(pl.Int64)
            )
            parts.append(
                counted.select(
                    cluster_id=pl.lit(name),
                    dimension=pl.lit(dimension),
                    value="value",
                    conversations="conversations",
                    users="users",
                )
            )
    return pl.concat(parts)


SMALL = Thresholds(min_users=2, min_conversations=4, max_user_share=0.8, unsafe_below_floor=True)
FLOOR = Thresholds(min_users=5, min_conversations=5, max_user_share=0.5)

inputs = st.builds(
    make,
    seed=st.integers(0, 2**32 - 1),
    conversations=st.integers(20, 160),
    users=st.integers(6, 60),
    shape=st.sampled_from([(3,), (4,), (3, 3), (2, 4), (2, 2, 2)]),
    values=st.integers(2, 4),
    unevenness=st.sampled_from([0.5, 1.0, 4.0]),
)
