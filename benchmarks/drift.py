"""Do clusters keep their identity while the topics drift? Ten weekly batches of the sample, clustered one after another.

The truth is the sample's: its subtopics, two of which appear and two of which vanish in the inner weeks. A published
base cluster means a topic when at least half of its conversations are of it; the largest such cluster carries it. Texts
are embedded by the packaged model; the sample plants no identifiers, so redaction is left out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

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
from benchmarks.drift_scores import Release, score, together
from dagster_project.bench import machine
from dagster_project.embedding import Embedder, default_embedder
from dagster_project.privacy.thresholds import Thresholds
from dagster_project.sample import drift_schedule, generate_sample

WEEKS = 10
MEANS = 0.5
MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))


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
        releases = run(facets, vectors, Thresholds())
        found[seed] = score(releases, drift_schedule(WEEKS, seed), facets, Thresholds())
    figures = {"together": together(list(found.values())), "by_seed": found}
    head = {"machine": machine(), "conversations": arguments.conversations}
    arguments.json.write_text(json.dumps({**head, **figures}, indent=1))
    print(json.dumps(figures, indent=1))


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


if __name__ == "__main__":
    main()
