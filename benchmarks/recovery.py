"""Does the pipeline find groups that are known? CLINC150's test split: 150 intents in 10 domains, 4,500 requests."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import polars as pl

from dagster_project import running
from dagster_project.bench import machine
from dagster_project.home import Home
from dagster_project.settings import Settings

INTENTS, DOMAINS = 150, 10


def main() -> None:
    """Run the benchmark for some seeds and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="observatory-recovery-") as folder:
        figures = measure(arguments.data / "clinc150", Path(folder), range(arguments.seeds))
    arguments.json.write_text(json.dumps({"machine": machine(), "by_seed": figures}, indent=1))
    print(json.dumps(figures, indent=1))


def measure(data: Path, folder: Path, seeds: range) -> list[dict[str, float]]:
    """NMI and ARI of the base level against the intents and of the top level against the domains, for each seed.

    Every request goes through the whole pipeline: ingestion, redaction, facets, embeddings, clusters, release.
    """
    file, truth = write_requests(data, folder)
    home = Home(folder / "home")
    running.add_files(home, [file], format_name="text", privacy_unit="conversation", mapping={})
    figures = []
    for seed in seeds:
        for table in ("cluster_assignments", "cluster_centroids", "cluster_nodes"):
            home.lake.remove("restricted", table, "all")
        home.store_settings(Settings(clusters=INTENTS, top_clusters=DOMAINS, seed=seed))  # type: ignore[call-arg]
        running.materialise(home)
        figures.append({"seed": seed, **score(home, truth)})
    return figures


def write_requests(data: Path, folder: Path) -> tuple[Path, pl.DataFrame]:
    """The test split as a file of requests with ids, and its truth: conversation_id, intent, domain."""
    requests = json.loads((data / "data_full.json").read_text("utf-8"))["test"]
    domains = json.loads((data / "domains.json").read_text("utf-8"))
    domain_of = {intent: domain for domain, intents in domains.items() for intent in intents}
    file = folder / "clinc150.jsonl"
    lines = [json.dumps({"id": f"t{row}", "text": text}) for row, (text, _) in enumerate(requests)]
    file.write_text("\n".join(lines), "utf-8")
    truth = [(f"t{row}", intent, domain_of[intent]) for row, (_, intent) in enumerate(requests)]
    return file, pl.DataFrame(truth, schema=["conversation_id", "intent", "domain"], orient="row")


def score(home: Home, truth: pl.DataFrame) -> dict[str, float]:
    """Agreement of the clusters that a home holds with the truth."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    nodes = home.lake.scan("restricted", "cluster_nodes").collect()
    parents = dict(nodes.select("cluster_id", "parent_id").iter_rows())
    found = truth.join(home.lake.scan("restricted", "cluster_assignments").collect(), on="conversation_id")
    top = [_topmost(cluster, parents) for cluster in found["cluster_id"]]
    return {
        "base_nmi": round(float(normalized_mutual_info_score(found["intent"], found["cluster_id"])), 4),
        "base_ari": round(float(adjusted_rand_score(found["intent"], found["cluster_id"])), 4),
        "top_clusters": len(set(top)),
        "top_nmi": round(float(normalized_mutual_info_score(found["domain"], top)), 4),
        "requests": found.height,
    }


def _topmost(cluster: str, parents: dict[str, str | None]) -> str:
    while (parent := parents[cluster]) is not None:
        cluster = parent
    return cluster


if __name__ == "__main__":
    main()
