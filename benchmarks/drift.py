"""Do clusters keep their identity while the topics drift? Ten weekly batches of the sample, clustered one after another.

The truth is the sample's: its subtopics, two of which appear and two of which vanish in the inner weeks. A published
base cluster means a topic when at least half of its conversations are of it; the largest such cluster carries it. Texts
are embedded by the packaged model; the sample plants no identifiers, so redaction is left out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assets.clio.changes import next_release
from assets.clio.clusters import cluster_conversations
from assets.clio.facets import read_facets
from assets.clio.kin import kin_groups
from assets.clio.lineage import SCHEMA, lineage_rows
from assets.clio.reader.gloss import text_to_embed
from assets.clio.release import release_tables
from assets.clio.usage import quiet_clusters, weekly_use
from dagster_project.bench import machine
from dagster_project.embedding import Embedder, default_embedder
from dagster_project.privacy.thresholds import Thresholds
from dagster_project.sample import drift_schedule, generate_sample

WEEKS = 10
MEANS = 0.5
MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))


@dataclass(frozen=True)
class Release:
    """What one batch led to. meanings: cluster_id, topic, conversations of the published base clusters that mean one."""

    lineage: pl.DataFrame
    meanings: pl.DataFrame
    names: dict[str, str]


def main() -> None:
    """Run the benchmark and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=15_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7])
    parser.add_argument("--cache", type=Path, help="folder that keeps the embeddings for another run")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    found = {}
    for seed in arguments.seeds:
        facets, vectors = sample(arguments.conversations, seed, default_embedder(), arguments.cache)
        weeks = facets["week"].unique().sort().to_list()
        found[seed] = score(run(facets, vectors, Thresholds()), drift_schedule(WEEKS, seed), weeks)
    figures = {"together": together(list(found.values())), "by_seed": found}
    head = {"machine": machine(), "conversations": arguments.conversations}
    arguments.json.write_text(json.dumps({**head, **figures}, indent=1))
    print(json.dumps(figures, indent=1))


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
        "births_found_one_later": sum(birth["found_in"] == birth["batch"] + 1 for birth in births),
        "deaths": len(deaths),
        "clusters_of_dead_topics": sum(death["clusters"] for death in deaths),
        "dated_to_their_batch": sum(death["quiet_since_that_batch"] for death in deaths),
        "deaths_first_told_in_their_batch": sum(death["first_told_in"] == death["batch"] for death in deaths),
        "deaths_first_told_one_later": sum(death["first_told_in"] == death["batch"] + 1 for death in deaths),
    }


def sample(
    conversations: int, seed: int, embedder: Embedder, cache: Path | None = None
) -> tuple[pl.DataFrame, np.ndarray]:
    """Facets of a drifting sample with the true `topic` of each conversation, and vectors as the pipeline makes them."""
    drift = drift_schedule(WEEKS, seed)
    slices = generate_sample(conversations, seed, weeks=WEEKS, canary_share=0.0, drift=drift)
    records = [record for part in slices for record in part]
    said = [[(turn["role"], turn["content"] or "") for turn in record["messages"]] for record in records]
    messages = [[{"role": role, "content": text} for role, text in turns] for turns in said]
    users = [hashlib.sha256(record["user"].encode()).hexdigest()[:32] for record in records]
    context = pl.DataFrame({"conversation_id": [record["id"] for record in records], "user_key": users})
    started = pl.Series([record["created_at"] for record in records])
    context = context.with_columns(
        started_at=started.str.to_datetime("%+", time_unit="us", time_zone="UTC"),
        model=pl.Series([record["model"] for record in records]),
        flagged=pl.lit(None, dtype=pl.Boolean),
    )
    redacted = context.select("conversation_id", messages=pl.Series(messages, dtype=MESSAGES))
    facets = read_facets(context, redacted).with_columns(
        topic=pl.Series([record["metadata"]["truth"]["subtopic"] for record in records])
    )
    texts = facets.select(text_to_embed("request")).to_series()
    return facets, _embedded(texts, embedder, cache)


def _embedded(facet: pl.Series, embedder: Embedder, cache: Path | None) -> np.ndarray:
    texts = facet.unique().sort()
    digest = hashlib.sha256("\n".join([embedder.name, *texts]).encode()).hexdigest()[:16]
    kept = None if cache is None else cache / f"{digest}.npy"
    if kept is not None and kept.exists():
        vectors = np.load(kept)
    else:
        vectors = embedder.encode(texts.to_list())
        if kept is not None:
            np.save(kept, vectors)
    return vectors[texts.search_sorted(facet).to_numpy()]


def run(
    facets: pl.DataFrame, vectors: np.ndarray, thresholds: Thresholds, **options: int | None
) -> list[Release]:
    """Cluster and release week by week, each time all conversations so far. `options` as of cluster_conversations."""
    options = {"clusters": None, "top": 10, "seed": 0} | options
    before = changes = members = None
    lineage, releases = pl.DataFrame(schema=SCHEMA), []
    for week in facets["week"].unique().sort():
        rows = np.flatnonzero((facets["week"] <= week).to_numpy())
        read = facets[rows]
        assignments, centroids, nodes = cluster_conversations(
            read["conversation_id"],
            vectors[rows],
            read,
            clusters=None,
            min_users=thresholds.min_users,
            seed=0,
            secret=bytes(32),
            previous=before,
        )
        before = centroids, nodes, assignments
        changes, members = next_release(assignments, nodes, members, changes)
        counted = read.join(assignments, on="conversation_id")
        concerns = read.select("conversation_id", concern_band=pl.lit("none"))
        shown = release_tables(
            assignments, nodes, read, concerns, thresholds=thresholds, reader="", embedder="", namer=""
        ).clusters
        kin = kin_groups(centroids, nodes, shown["cluster_id"])
        quiet = quiet_clusters(*weekly_use(counted, nodes, shown["cluster_id"]), thresholds.cells, kin)
        newest = changes.filter(pl.col("release") == pl.col("release").max())
        told = lineage_rows(newest, shown, quiet, lineage, thresholds.cells)
        lineage = pl.concat([lineage, told])
        releases.append(_release(told, shown, assignments.join(read, on="conversation_id")))
    return releases


def _release(told: pl.DataFrame, shown: pl.DataFrame, read: pl.DataFrame) -> Release:
    counted = read.group_by("cluster_id", "topic").agg(conversations=pl.len())
    share = pl.col("conversations") / pl.col("conversations").sum().over("cluster_id")
    meant = counted.filter(share >= MEANS).join(shown, on="cluster_id", how="semi")
    meant = meant.unique("cluster_id", keep="any").sort(
        "conversations", "cluster_id", descending=[True, False]
    )
    base = told.filter(pl.col("level") == 0)
    names = dict(base.drop_nulls("cluster_id").select("cluster_id", "name").iter_rows())
    return Release(base, meant, names)


def score(releases: Sequence[Release], drift: Mapping[str, Sequence[float]], weeks: Sequence[date]) -> dict:
    """Topics that keep their id, births and deaths in their batch, and names that stay with their topic."""
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
        "births": [_birth(topic, week, releases) for topic, week in born.items()],
        "births_of_old_topics_by_release": [_born_otherwise(release, born) for release in releases],
        "births_by_release": [
            release.lineage.filter(pl.col("event") == "born").height for release in releases
        ],
        "deaths": [_death(topic, week, releases, weeks) for topic, week in dead.items()],
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


if __name__ == "__main__":
    main()
