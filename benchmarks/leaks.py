"""Do planted identifiers get out? 4,680 canaries in 20,000 conversations, and every attack of the plan among them.

The conversations are the generated sample, with each type, disguise, place and language of canary crossed, and the hostile
world of the tests (500 conversations of one person in it). They go through the command line with every library's logging at
DEBUG; then two scanners that share no code search everything outside the restricted zone. No leak among m canaries bounds
the rate of leaks by 3 / m at 95 %: it does not say that there is none. Specification: privacy, section 1.4.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.membership import membership
from dagster_project.bench import machine
from dagster_project.home import Home
from dagster_project.privacy import leaks
from dagster_project.sample.canaries import Canary
from dagster_project.sample.generate import SampleSettings
from tests.privacy.adversarial_matcher import Matcher, fold
from tests.privacy.adversarial_world import World, hostile_world

CANARY_SHARE, SEED, BUSY = 0.234, 7, 500
RULE_OF_THREE = 3.0
"""Upper 95 % bound of a rate after no event in m independent trials, times m."""
LOUD = (
    "import logging; logging.basicConfig(level=logging.DEBUG)\n"
    "from tests.support import NGramEmbedder\n"
    "from dagster_project import cli, embedding\n"
    "embedding.default_embedder = NGramEmbedder\n"
    "cli.main()\n"
)


def main() -> None:
    """Run the benchmark and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=200, help="Pairs of worlds of the membership test.")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="observatory-leaks-") as folder:
        figures = measure(Path(folder), arguments.conversations)
    figures["membership"] = membership(arguments.pairs)
    arguments.json.write_text(json.dumps({"machine": machine(), **figures}, indent=1))
    print(json.dumps(figures, indent=1))


def measure(folder: Path, conversations: int) -> dict[str, Any]:
    """Run the pipeline and count leaks by scanner, what redaction kept of each type and language, and the clusters."""
    records, canaries = _sample(conversations)
    world = _populated(records)
    values = [canary.value for canary in canaries] + world.canaries
    (folder / "canaries.txt").write_text("\n".join(values), "utf-8")
    file, home = world.write(folder / "conversations.jsonl"), folder / "home"
    started = time.monotonic()
    printed = _run(file, folder / "canaries.txt", home)
    seconds = round(time.monotonic() - started, 1)
    opened = Home(home)
    sinks = [
        path for path in sorted(home.rglob("*")) if path.is_file() and opened.restricted not in path.parents
    ]
    gates = leaks.scan_canaries([*sinks, leaks.NamedText("terminal", printed)], values)
    second = Matcher(values).leaks([*sinks, ("terminal", printed)])
    leaked = {leak.index for leak in gates} | {int(line.rsplit(" ", 1)[1]) for line in second}
    return {
        "conversations": len(world.records),
        "canaries": len(values),
        "combinations": _combinations(canaries),
        "sinks": {
            "files": len(sinks),
            "bytes": sum(path.stat().st_size for path in sinks),
            "terminal": len(printed),
        },
        "leaked": len(leaked),
        "leaks_by_scanner": {"gates": len(gates), "second": len(second)},
        "upper_bound_95": upper_bound(len(leaked), len(values)),
        "restricted_recall": _recall(opened, canaries),
        "clusters": _clusters(opened, records),
        "run_seconds": seconds,
    }


def upper_bound(leaked: int, planted: int) -> float:
    """Upper end of the one-sided 95 % interval of the share of leaked canaries (3 / m for none, else Clopper-Pearson)."""
    from scipy.stats import beta

    if leaked == 0:
        return RULE_OF_THREE / planted
    return float(beta.ppf(0.95, leaked + 1, planted - leaked)) if leaked < planted else 1.0


def _sample(conversations: int) -> tuple[list[dict], list[Canary]]:
    settings = SampleSettings(
        conversations=conversations, seed=SEED, canary_share=CANARY_SHARE, all_languages=True
    )
    slices = list(settings.slices())
    return [record for records, _ in slices for record in records], [
        c for _, canaries in slices for c in canaries
    ]


def _populated(records: list[dict]) -> World:
    """The hostile world among the records of the sample."""
    world = hostile_world(busy=BUSY)
    world.people |= {record["id"]: record["user"] for record in records}
    world.records += records
    return world


def _run(file: Path, canaries: Path, home: Path) -> str:
    arguments = ["run", str(file), "--home", str(home), "--canaries", str(canaries)]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("OBSERVATORY", "DAGSTER"))
    }
    ran = subprocess.run(  # noqa: S603 this interpreter, our own module
        [sys.executable, "-c", LOUD, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise SystemExit(f"the run failed: {ran.stderr.splitlines()[-1]}")
    return ran.stdout + ran.stderr


def _combinations(canaries: list[Canary]) -> dict[str, int]:
    rows = {(c.kind, c.language, c.disguise, c.place) for c in canaries}
    names = ("types", "languages", "disguises", "places")
    return {"all": len(rows), **{name: len({row[at] for row in rows}) for at, name in enumerate(names)}}


def _recall(home: Home, canaries: list[Canary]) -> dict[str, dict[str, float]]:
    """Share of the canaries in messages that stand in no redacted message any more, by type, and by type and language.

    Canaries in titles are left out (nothing reads them), and so are those split over two turns or in Base64. A value counts
    as gone when it no longer stands there whole: of a name with a date of birth, the name alone may be left.
    """
    frames = home.lake.scan_batches("restricted", "redacted_conversations", [b.key for b in home.batches()])
    contents = pl.col("messages").list.eval(pl.element().struct.field("content")).list.join("\n")
    text = fold("\n".join(frames.select(contents).collect().to_series()))
    rows = [
        (canary.kind, canary.language, fold(canary.parts[0]) not in text)
        for canary in canaries
        if canary.place != "title" and canary.disguise not in ("split_turns", "base64")
    ]
    frame = pl.DataFrame(rows, schema=["type", "language", "gone"], orient="row")
    every = frame.with_columns(language=pl.lit("all"))
    shares = pl.concat([every, frame]).group_by("type", "language").agg(pl.col("gone").mean().round(3))
    found: dict[str, dict[str, float]] = {}
    for kind, language, share in shares.sort("type", "language").iter_rows():
        found.setdefault(kind, {})[language] = share
    return found


def _clusters(home: Home, records: list[dict]) -> dict[str, float]:
    """Agreement of the base clusters with the sample's languages and subtopics: whether they mean anything."""
    from sklearn.metrics import normalized_mutual_info_score

    truth = [record["metadata"]["truth"] for record in records]
    schema = {
        "conversation_id": [r["id"] for r in records],
        "topic": [f"{t['language']} {t['subtopic']}" for t in truth],
    }
    joined = pl.DataFrame(schema).join(
        home.lake.scan("restricted", "cluster_assignments").collect(), on="conversation_id"
    )
    published = home.lake.scan("published", "clusters").collect()
    return {
        "nmi_language_and_subtopic": round(
            float(normalized_mutual_info_score(joined["topic"], joined["cluster_id"])), 3
        ),
        "base_clusters": joined["cluster_id"].n_unique(),
        "published": published.height,
    }


if __name__ == "__main__":
    main()
