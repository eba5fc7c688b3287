"""How well clusters kept their identity while topics drifted: releases against the truth of each conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import polars as pl

from assets.clio.usage import PACE_WEEKS, enough_expected
from dagster_project.privacy.thresholds import Limits, Thresholds


@dataclass(frozen=True)
class Release:
    """What one batch led to. meanings: cluster_id, topic, conversations of the published base clusters that mean one."""

    lineage: pl.DataFrame
    meanings: pl.DataFrame
    names: dict[str, str]


def together(figures: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """Counts over several seeds: topics that keep their id, births and deaths found in their batch."""
    births = [birth for figure in figures for birth in figure["births"]]
    deaths = [death for figure in figures for death in figure["deaths"]]
    ways = [figure["keep_id_from_first_to_last"] for figure in figures]
    total, held = (sum(figure[name] for figure in figures) for name in ("persisting_topics", "keep_their_id"))
    return {
        "seeds": len(figures),
        "persisting_topics": total,
        "keep_their_id": held,
        "share_keep_their_id": round(held / total, 4),
        "keep_id_from_first_to_last": {name: sum(way[name] for way in ways) for name in ("topics", "kept")},
        "births": len(births),
        "births_found_in_their_batch": sum(birth["found_in"] == birth["batch"] for birth in births),
        "births_found_when_they_could_be_shown": sum(
            birth["found_in"] == birth["could_be_shown_in"] for birth in births
        ),
        "births_found_one_later": sum(birth["found_in"] == birth["batch"] + 1 for birth in births),
        "deaths": len(deaths),
        "clusters_of_dead_topics": sum(death["clusters"] for death in deaths),
        "dated_to_their_batch": sum(death["quiet_since_that_batch"] for death in deaths),
        "deaths_first_told_in_their_batch": sum(death["first_told_in"] == death["batch"] for death in deaths),
        "deaths_first_told_one_later": sum(death["first_told_in"] == death["batch"] + 1 for death in deaths),
        "deaths_that_one_week_can_tell": sum(death["one_week_can_tell"] for death in deaths),
        "those_told_in_their_batch": sum(
            death["one_week_can_tell"] and death["first_told_in"] == death["batch"] for death in deaths
        ),
        "quiet_though_alive": {
            name: sum(figure["quiet_though_alive"][name] for figure in figures)
            for name in ("clusters", "called_quiet", "called_quiet_at_the_end")
        },
    }


def score(
    releases: Sequence[Release],
    drift: Mapping[str, Sequence[float]],
    facets: pl.DataFrame,
    thresholds: Thresholds,
) -> dict:
    """Topics that keep their id, births and deaths in their batch, and names that stay with their topic.

    In: facets topic, week, user_key of each conversation. Beside the batch of a birth stands the first in which the
    topic's conversations so far could be shown; beside that of a death, how many the week was to have by its pace, and whether
    so many are enough to be told within it.
    """
    weeks = facets["week"].unique().sort().to_list()
    turns = {topic: [factor > 0 for factor in factors] for topic, factors in drift.items()}
    born = {topic: alive.index(True) for topic, alive in turns.items() if not alive[0]}
    dead = {topic: alive.index(False) for topic, alive in turns.items() if alive[0] and not all(alive)}
    kept = [_kept(*pair, set(dead)) for pair in pairwise(releases)]
    total, held, renamed = (sum(part) for part in zip(*kept, strict=True))
    return {
        "releases": len(releases),
        "topics_by_release": [release.meanings["topic"].n_unique() for release in releases],
        "persisting_topics": total,
        "keep_their_id": held,
        "share_keep_their_id": round(held / total, 4),
        "keep_id_from_first_to_last": _whole_way(releases, set(dead)),
        "share_renamed": round(renamed / max(held, 1), 4),
        "births": [
            {**_birth(topic, week, releases), "could_be_shown_in": _shown_in(topic, facets, thresholds.nodes)}
            for topic, week in born.items()
        ],
        "births_of_old_topics_by_release": [_born_otherwise(release, born) for release in releases],
        "births_by_release": [
            release.lineage.filter(pl.col("event") == "born").height for release in releases
        ],
        "deaths": [
            {**_death(topic, week, releases, weeks), **_expected(topic, week, facets, thresholds.cells)}
            for topic, week in dead.items()
        ],
        "quiet_though_alive": _quiet(releases, dead),
    }


def _carriers(release: Release) -> dict[str, str]:
    """Largest cluster of each topic."""
    first = release.meanings.unique("topic", keep="first", maintain_order=True)
    return dict(first.select("topic", "cluster_id").iter_rows())


def _meaning(release: Release) -> dict[str, str]:
    return dict(release.meanings.select("cluster_id", "topic").iter_rows())


def _kept(before: Release, after: Release, dead: set[str]) -> tuple[int, int, int]:
    """Topics with a carrier before; those of them that it still means after; those of them with another name."""
    meaning = _meaning(after)
    carriers = {topic: cluster for topic, cluster in _carriers(before).items() if topic not in dead}
    held = [cluster for topic, cluster in carriers.items() if meaning.get(cluster) == topic]
    renamed = sum(before.names[cluster] != after.names[cluster] for cluster in held)
    return len(carriers), len(held), renamed


def _whole_way(releases: Sequence[Release], dead: set[str]) -> dict[str, int]:
    """Topics by the cluster that carried them first, and those of them that it means at the end."""
    first: dict[str, str] = {}
    for release in releases:
        first = _carriers(release) | first
    first = {topic: cluster for topic, cluster in first.items() if topic not in dead}
    last = _meaning(releases[-1])
    return {"topics": len(first), "kept": sum(last.get(cluster) == topic for topic, cluster in first.items())}


def _birth(topic: str, week: int, releases: Sequence[Release]) -> dict[str, object]:
    """Batch in which the topic's first conversations came, and the one whose release tells of its birth."""
    found = None
    for ordinal, release in enumerate(releases, start=1):
        own = release.meanings.filter(pl.col("topic") == topic)
        told = release.lineage.filter(pl.col("event") == "born").join(own, on="cluster_id")
        if told.height and found is None:
            found = ordinal
    return {"topic": topic, "batch": week + 1, "found_in": found}


def _shown_in(topic: str, facets: pl.DataFrame, limits: Limits) -> int | None:
    """First batch in which all conversations of the topic so far would pass the limits of a cluster by size."""
    own = facets.filter(pl.col("topic") == topic).sort("week")
    sizes = own.select(
        "week",
        conversations=pl.int_range(1, pl.len() + 1),
        users=pl.col("user_key").is_first_distinct().cum_sum(),
    )
    large = (pl.col("conversations") >= limits.min_conversations) & (pl.col("users") >= limits.min_users)
    first = sizes.filter(large)["week"].min()
    return None if first is None else facets["week"].unique().sort().to_list().index(first) + 1


def _expected(topic: str, week: int, facets: pl.DataFrame, limits: Limits) -> dict[str, object]:
    """Conversations that the first week without the topic was to have of it, and whether one such week can tell."""
    weeks = facets.group_by("week").agg(n=pl.len(), own=(pl.col("topic") == topic).sum()).sort("week")
    before = weeks[max(week - PACE_WEEKS, 0) : week]
    expected = float(before.select(pl.col("own").sum() / pl.col("n").sum()).item()) * weeks["n"][week]
    enough = expected >= enough_expected(limits.min_conversations - 1)
    return {"expected_that_week": round(expected, 1), "one_week_can_tell": enough}


def _born_otherwise(release: Release, born: Mapping[str, int]) -> int:
    """Births told of clusters that mean a topic which was there from the start."""
    told = release.lineage.filter(pl.col("event") == "born").join(release.meanings, on="cluster_id")
    return told.filter(~pl.col("topic").is_in(list(born))).height


def _death(topic: str, week: int, releases: Sequence[Release], weeks: Sequence[date]) -> dict[str, object]:
    """First batch without the topic; of its clusters those that say so; the release that first says it."""
    own = releases[week - 1].meanings.filter(pl.col("topic") == topic)
    last = releases[-1].lineage.join(own, on="cluster_id")
    dated = last.filter(pl.col("quiet_since") == weeks[week])
    sizes = [int(part["conversations"].sum()) for part in (dated, own)]
    told = [
        ordinal
        for ordinal, release in enumerate(releases, start=1)
        if release.lineage.filter(pl.col("event") == "dormant").join(own, on="cluster_id").height
    ]
    return {
        "topic": topic,
        "batch": week + 1,
        "clusters": own.height,
        "quiet_since_that_batch": dated.height,
        "quiet_since_another": last.drop_nulls("quiet_since").height - dated.height,
        "share_of_conversations_right": round(sizes[0] / max(sizes[1], 1), 3),
        "first_told_in": min(told, default=None),
    }


def _quiet(releases: Sequence[Release], dead: Mapping[str, int]) -> dict[str, int]:
    """Clusters that mean a topic which never ends, over all releases, and those of them that are called quiet."""
    alive = [release.meanings.filter(~pl.col("topic").is_in(list(dead))) for release in releases]
    quiet = [
        release.lineage.drop_nulls("quiet_since").join(part, on="cluster_id").height
        for release, part in zip(releases, alive, strict=True)
    ]
    told = {"clusters": sum(part.height for part in alive), "called_quiet": sum(quiet)}
    return {**told, "called_quiet_at_the_end": quiet[-1]}
