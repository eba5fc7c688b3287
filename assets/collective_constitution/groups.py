"""Opinion groups of participants: base clusters on a plane, and groups of these, in two variants. Source: spec 1.4."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.collective_constitution.matrix import Floats, VoteMatrix
from assets.collective_constitution.projections import Plane, ccai_plane, polis_plane
from schemas.collective import CCAI, POLIS

Labels = NDArray[np.int64]

BASE_CLUSTERS = 100
RESTARTS = 10
MOST_GROUPS = 5
LEAST_VOTES = 7
LEAST_PARTICIPANTS = 15
BASE_PER_GROUP = 12
OTHER_SEEDS = (1, 2, 3, 4)
NOBODY = -1
"""Label of a participant in no group."""


@dataclass(frozen=True)
class Split:
    """labels: (P,), the group of each participant, 0 the largest, NOBODY for who voted too rarely.

    silhouettes: mean silhouette by number of groups. chosen: the number. stability: mean adjusted Rand index with the
    groups of other seeds, NaN where none was tried.
    """

    variant: str
    plane: Plane
    labels: Labels
    silhouettes: dict[int, float] = field(default_factory=dict)
    chosen: int = 1
    stability: float = float("nan")


def split(variant: str, matrix: VoteMatrix, *, seed: int = 0, hidden: np.ndarray | None = None) -> Split:
    """The opinion groups of a variant. Rows of the matrix are in the order of ids, and labels are by participant.

    hidden: (P,), votes of each participant on statements that moderators took out; Polis counts them.
    """
    import sklearn.cluster  # noqa: F401
    from threadpoolctl import threadpool_limits

    # The points are few: threads would wait for each other more than they work, ten times more on a busy machine.
    # Only libraries that are loaded can be held to one.
    with threadpool_limits(1):
        return _split(variant, matrix, seed, hidden)


def _split(variant: str, matrix: VoteMatrix, seed: int, hidden: np.ndarray | None) -> Split:
    plane, members = _polis(matrix, hidden) if variant == POLIS else _ccai(matrix)
    if members.sum() < 3 or len(np.unique(plane.places[members], axis=0)) < 3:
        return Split(variant, plane, np.where(members, 0, NOBODY))
    labels, silhouettes = _grouped(variant, plane.places[members], seed)
    others = [_grouped(variant, plane.places[members], other)[0] for other in OTHER_SEEDS]
    placed = np.full(len(members), NOBODY)
    placed[members] = by_size(labels)
    chosen = len(np.unique(labels))
    return Split(
        variant, plane, placed, silhouettes, chosen, float(np.mean([rand(labels, one) for one in others]))
    )


def by_size(labels: Labels) -> Labels:
    """Labels from 0 for the largest; of equal ones the one that comes first."""
    names, first, places, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(names))
    return rank[places]


def rand(one: Labels, other: Labels) -> float:
    """Adjusted Rand index of two groupings of the same things: 1 the same, 0 as by chance."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(one, other))


def _polis(matrix: VoteMatrix, hidden: np.ndarray | None) -> tuple[Plane, NDArray[np.bool_]]:
    voted = matrix.seen.sum(axis=1) + (0 if hidden is None else hidden)
    members = voted >= min(LEAST_VOTES, matrix.votes.shape[1])
    if members.sum() < LEAST_PARTICIPANTS:
        members[np.argsort(-voted, kind="stable")[:LEAST_PARTICIPANTS]] = True
    return polis_plane(matrix.votes, voted), members


def _ccai(matrix: VoteMatrix) -> tuple[Plane, NDArray[np.bool_]]:
    return ccai_plane(matrix.votes), np.ones(len(matrix.votes), dtype=bool)


def _grouped(variant: str, places: Floats, seed: int) -> tuple[Labels, dict[int, float]]:
    """Groups of participants by their places, for the number of groups with the highest silhouette."""
    base = _k_means(places, min(BASE_CLUSTERS, len(np.unique(places, axis=0))), seed)
    sizes = np.bincount(base.labels_).astype(float)
    weights = sizes if variant == POLIS else None
    most = min(MOST_GROUPS, 2 + len(sizes) // BASE_PER_GROUP) if variant == POLIS else MOST_GROUPS
    tried = {
        count: _k_means(base.cluster_centers_, count, seed, weights).labels_
        for count in range(2, min(most, len(sizes) - 1) + 1)
    }
    silhouettes = {count: silhouette(base.cluster_centers_, labels) for count, labels in tried.items()}
    best = max(silhouettes.values())
    equal = [count for count, value in silhouettes.items() if value == best]
    return tried[equal[-1] if variant == CCAI else equal[0]][base.labels_], silhouettes


def _k_means(points: Floats, count: int, seed: int, weights: Floats | None = None) -> Any:
    from sklearn.cluster import KMeans

    model = KMeans(count, n_init=RESTARTS, random_state=seed)  # pyright: ignore[reportArgumentType]
    return model.fit(points, sample_weight=weights)


def silhouette(points: Floats, labels: Labels) -> float:
    """Mean silhouette over points, each counted once; a group of one point counts 0."""
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(points, labels)) if 1 < len(np.unique(labels)) < len(points) else 0.0
