"""Found clusters against the topics that are known: accuracy by group beside chance, and agreement by level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from dagster_project.statistics.agreement import (
    Codes,
    Hits,
    below_whole,
    clustered_share,
    codes,
    macro_f1,
    match_one_to_one,
    match_to_commonest,
)

SIGNIFICANT = 0.05
DIGITS = 4


@dataclass(frozen=True)
class Level:
    """One way to compare: which clusters, against which truth, matched how."""

    name: str
    meaning: str
    found: str
    known: str
    matched: str


LEVELS = (
    Level("top", "top clusters, one for each topic", "top", "topic", "one"),
    Level("given", "base clusters, each assigned to the topic of the nearest subtopic name", "given", "topic", "name"),
    Level("leaf", "base clusters, each counted for its commonest topic: the most a tree can reach", "base", "topic", "commonest"),
    Level("fine", "base clusters, each counted for its commonest subtopic", "base", "subtopic", "commonest"),
)  # fmt: skip


def compare(rows: pl.DataFrame) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Levels and figures of conversations with user, topic, subtopic, language, concerning, base, top, given.

    Each level: level, meaning, clusters, groups, nmi, ari, macro_f1. Each figure: level, group (all, ordinary,
    concerning, or a language), conversations, users, accuracy with low and high (95 %, clustered by user), chance_even
    (one over the number of topics), chance_commonest (who always answers with the commonest topic), and p_below (languages:
    one-sided, Holm-adjusted over the languages) with below, whether it lies significantly below all.
    """
    users = codes(rows["user"].to_numpy())
    levels, figures = [], []
    for level in LEVELS:
        found, known = codes(rows[level.found].to_numpy()), codes(rows[level.known].to_numpy())
        predicted = _predicted(level, rows, found, known)
        levels.append(_agreement(level, found, known, predicted))
        figures += _figures(level.name, rows, users, known, predicted == known)
    return levels, figures


def _predicted(level: Level, rows: pl.DataFrame, found: Codes, known: Codes) -> Codes:
    if level.matched == "one":
        return match_one_to_one(found, known)
    if level.matched == "commonest":
        return match_to_commonest(found, known)
    order = np.unique(rows[level.known].to_numpy())
    return np.searchsorted(order, rows[level.found].to_numpy()).astype(np.int64)


def _agreement(level: Level, found: Codes, known: Codes, predicted: Codes) -> dict[str, Any]:
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    return {
        "level": level.name,
        "meaning": level.meaning,
        "clusters": int(found.max()) + 1,
        "groups": int(known.max()) + 1,
        "nmi": round(float(normalized_mutual_info_score(known, found)), DIGITS),
        "ari": round(float(adjusted_rand_score(known, found)), DIGITS),
        "macro_f1": round(macro_f1(predicted, known), DIGITS),
    }


def _figures(level: str, rows: pl.DataFrame, users: Codes, known: Codes, hits: Hits) -> list[dict[str, Any]]:
    from statsmodels.stats.multitest import multipletests

    languages, concerning = rows["language"].to_numpy(), rows["concerning"].to_numpy()
    whole = np.ones(rows.height, dtype=bool)
    parts = {"all": whole, "ordinary": ~concerning, "concerning": concerning}
    figures = [_figure(level, name, part, users, known, hits) for name, part in parts.items() if part.any()]
    spoken = rows["language"].value_counts(sort=True).sort("count", "language", descending=[True, False])
    parts = {language: languages == language for language in spoken["language"]}
    values = [below_whole(hits, users, part) for part in parts.values()]
    adjusted = np.asarray(multipletests(values, alpha=SIGNIFICANT, method="holm")[1])
    for (name, part), p_value in zip(parts.items(), adjusted.tolist(), strict=True):
        figure = _figure(level, name, part, users, known, hits)
        figures.append(figure | {"p_below": round(p_value, DIGITS), "below": p_value < SIGNIFICANT})
    return figures


def _figure(level: str, group: str, part: Hits, users: Codes, known: Codes, hits: Hits) -> dict[str, Any]:
    interval = clustered_share(hits[part], users[part])
    commonest = np.bincount(known).argmax()
    return {
        "level": level,
        "group": group,
        "conversations": int(part.sum()),
        "users": len(np.unique(users[part])),
        "accuracy": round(interval.estimate, DIGITS),
        "low": round(interval.low, DIGITS),
        "high": round(interval.high, DIGITS),
        "chance_even": round(1.0 / (int(known.max()) + 1), DIGITS),
        "chance_commonest": round(float((known[part] == commonest).mean()), DIGITS),
    }
