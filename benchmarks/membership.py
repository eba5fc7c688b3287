"""Can released tables tell whether somebody is in them? An attacker trained on worlds with and without a user.

Small releases are made in pairs that differ by one person who is under every threshold: a topic of too few users. The first
attacker knows nothing of the others (each pair has its own crowd); the second has seen the release without the person too,
and subtracts. Specification: privacy, section 1.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from assets.clio.release import release_tables
from dagster_project.privacy.thresholds import Thresholds

TOPICS, CROWD, CONVERSATIONS, FEW = 6, 60, 400, (3, 9)
RESAMPLES = 1_000
MEASURES = ("conversations", "users", "clusters")


def membership(pairs: int) -> dict[str, Any]:
    """AUC of both attackers with 95 % intervals (bootstrap over pairs)."""
    worlds = [(features(seed, present=False), features(seed, present=True)) for seed in range(pairs)]
    without, present = (np.array(side) for side in zip(*worlds, strict=True))
    scores = _crossed(without, present)
    changed = (without != present).any(axis=1)
    return {
        "pairs": pairs,
        "knows_nobody_else": _interval(*scores),
        "has_both_releases": _interval(np.zeros(pairs), changed.astype(float)),
    }


def features(seed: int, present: bool) -> list[float]:
    """What a release shows: totals, and users and conversations of each topic, of `other`, and cells shown."""
    rng = np.random.default_rng(seed)
    crowd = CROWD + int(rng.integers(0, 10))
    count = CONVERSATIONS + int(rng.integers(0, 40))
    rows = [
        (f"u{rng.integers(crowd)}", f"t{rng.integers(TOPICS)}", f"w{rng.integers(4)}") for _ in range(count)
    ]
    for topic in ("rare", "less"):
        for user in range(rng.integers(*FEW)):
            rows += [(f"{topic}{user}", topic, f"w{rng.integers(4)}") for _ in range(rng.integers(1, 5))]
    rows += [("target", "rare", "w1"), ("target", "rare", "w2")] * present
    released = _release(rows)
    report = dict(
        released.privacy_report.filter(pl.col("scope") == "release").select("measure", "value").iter_rows()
    )
    clusters = {row["cluster_id"]: row for row in released.clusters.iter_rows(named=True)}
    numbers = [float(report[name] or 0) for name in MEASURES]
    for cluster in [*(f"t{topic}" for topic in range(TOPICS)), "rare", "less", "other-top"]:
        row = clusters.get(cluster, {"users": 0, "conversations": 0})
        numbers += [float(row["users"]), float(row["conversations"])]
    return [*numbers, float(released.cluster_cells.height)]


def _release(rows: Sequence[tuple[str, str, str]]) -> Any:
    ids = [f"c{number}" for number in range(len(rows))]
    users, topics, weeks = zip(*rows, strict=True)
    facets = pl.DataFrame(
        {"conversation_id": ids, "user_key": users, "language": "en", "model": weeks}
    ).with_columns(week=pl.lit(None, pl.Date))
    nodes = pl.DataFrame({"cluster_id": sorted(set(topics))}).with_columns(
        level=pl.lit(0, pl.UInt8), parent_id=pl.lit(None, pl.String), name="cluster_id", summary=pl.lit("")
    )
    return release_tables(
        pl.DataFrame({"conversation_id": ids, "cluster_id": topics}),
        nodes,
        facets,
        pl.DataFrame({"conversation_id": ids, "concern_band": "none"}),
        thresholds=Thresholds(),
        reader="r",
        embedder="e",
        namer="n",
    )


def _crossed(without: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores of both sides of each pair by a classifier trained on the other pairs (five folds)."""
    from sklearn.ensemble import RandomForestClassifier

    scores = np.zeros((2, len(without)))
    folds = np.arange(len(without)) % 5
    for fold in range(5):
        train, test = folds != fold, folds == fold
        model = RandomForestClassifier(200, min_samples_leaf=5, random_state=0, n_jobs=1)
        model.fit(np.concatenate([without[train], present[train]]), np.repeat([0, 1], train.sum()))
        scores[:, test] = [np.asarray(model.predict_proba(side[test]))[:, 1] for side in (without, present)]
    return scores[0], scores[1]


def _interval(negative: np.ndarray, positive: np.ndarray) -> dict[str, float]:
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(negative), (RESAMPLES, len(negative)))
    resampled = [_auc(negative[rows], positive[rows]) for rows in drawn]
    low, high = np.quantile(resampled, [0.025, 0.975])
    return {
        "auc": round(_auc(negative, positive), 3),
        "low": round(float(low), 3),
        "high": round(float(high), 3),
    }


def _auc(negative: np.ndarray, positive: np.ndarray) -> float:
    wins = (positive[:, None] > negative[None]).mean() + 0.5 * (positive[:, None] == negative[None]).mean()
    return float(wins)
