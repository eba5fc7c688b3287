"""A small release with every kind of row, for the tests of what reads it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from pandera.polars import DataFrameModel

from assets.clio.audit_report import names_row, people_row
from assets.clio.bursts import BurstRules, find_bursts
from assets.clio.comparisons import compare, read_picture
from assets.clio.lineage import SCHEMA
from assets.clio.map import map_tables
from assets.clio.release import count_release
from assets.clio.release.counting import as_counted, clustered_rows
from assets.evaluation.coverage import coverage
from assets.evaluation.linking import link
from assets.evaluation.seeds import released_users, usage_seeds
from dagster_project.privacy.ledger import SUMMARY
from dagster_project.privacy.thresholds import Thresholds
from schemas.evaluation import EvalLoss, EvalMetric, EvalSuite
from schemas.model_written import ModelWrittenDiversity, ModelWrittenFunnel
from schemas.opinions import OpinionQuestion
from tests.opinion_support import opinion_sample

TREE = {"t0": ["m0", "m1"], "t1": ["m2", "m3"]}
LIMITS = Thresholds(min_users=5, min_conversations=8)


def _nodes() -> pl.DataFrame:
    rows: list[tuple[str, int, str | None]] = []
    for top, middles in TREE.items():
        rows.append((top, 2, None))
        for middle in middles:
            rows.append((middle, 1, top))
            rows += [(f"{middle}-b{index}", 0, middle) for index in range(3)]
    schema = {"cluster_id": pl.String, "level": pl.UInt8, "parent_id": pl.String}
    named = {
        "name": pl.format("Talk about {}", "cluster_id"),
        "summary": pl.format("People ask about {}.", "cluster_id"),
    }
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(**named)


def published(seed: int = 0, conversations: int = 3000) -> dict[str, pl.DataFrame]:
    """All published tables."""
    rng = np.random.default_rng(seed)
    bases = _nodes().filter(pl.col("level") == 0)["cluster_id"].to_list()
    share = np.array([1.0] * (len(bases) - 1) + [0.01])
    leaf = rng.choice(len(bases), conversations, p=share / share.sum())
    user = rng.integers(0, 400, conversations)
    week = rng.choice(4, conversations, p=np.full(4, 0.25))
    # One cluster comes up in the last weeks.
    leaf = np.where((rng.random(conversations) < 0.08 * week), 3, leaf)
    language = np.where(
        rng.random(conversations) < 0.5,
        leaf % 3,
        rng.choice(5, conversations, p=[0.5, 0.3, 0.15, 0.04, 0.01]),
    )
    band = np.where(
        leaf == 0,
        rng.choice(4, conversations, p=[0.4, 0.2, 0.2, 0.2]),
        rng.choice(4, conversations, p=[0.8, 0.1, 0.08, 0.02]),
    )
    ids = [f"c{index}" for index in range(conversations)]
    facets = pl.DataFrame(
        {
            "conversation_id": ids,
            "user_key": [f"{value:032x}" for value in user],
            "language": np.array(["en", "es", "fr", "hi", "eo"])[language],
            "week": [date(2024, 1, 1) + timedelta(weeks=int(value)) for value in week],
            "model": np.array(["model-a", "model-b"])[rng.integers(0, 2, conversations)],
            "turns": np.minimum(rng.geometric(0.4, conversations), 20),
            "flagged": rng.random(conversations) < np.where(leaf < 2, 0.5 - 0.1 * leaf, 0.05),
        }
    )
    assignments = pl.DataFrame({"conversation_id": ids, "cluster_id": [bases[value] for value in leaf]})
    concerns = pl.DataFrame(
        {"conversation_id": ids, "concern_band": np.array(["none", "low", "elevated", "high"])[band]}
    )
    rows = clustered_rows(assignments, facets, concerns)
    whole = count_release(
        as_counted(rows, facets),
        _nodes(),
        unclustered=0,
        thresholds=LIMITS,
        makers={"reader": "extractive-1", "embedder": "minilm", "namer": "terms-1"},
    )
    released = whole.tables
    picture = read_picture(released.clusters, released.cluster_cells, whole.counted, LIMITS)
    bursts = find_bursts(
        pl.DataFrame(
            schema={
                "conversation_id": pl.String,
                "user_key": pl.String,
                "started_at": pl.Datetime("us", "UTC"),
                "request": pl.String,
            }
        ),
        BurstRules(5, 8),
    )
    shown = released.clusters.select("cluster_id", "level")
    tiles, positions = map_tables(whole.counted, _places(ids, leaf, rng), shown, LIMITS.nodes)
    return {
        **released.frames(),
        **compare(picture, bursts).frames(),
        "map_tiles": tiles,
        "map_clusters": positions,
        "cluster_lineage": cluster_lineage(released.clusters),
        "run_log": run_log(),
        "privacy_ledger": pl.DataFrame(schema=SUMMARY),
        "audit_report": audit_report(),
        **evaluations(released.clusters, released.cluster_cells, released.privacy_report),
    }


SUITES = ("discrimination", "model_written")


def evaluations(clusters: pl.DataFrame, cells: pl.DataFrame, report: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Two suites, one drafted from clusters and one about a cluster, that leave the rest of usage uncovered."""
    seeds = usage_seeds(clusters, cells)
    ids = seeds["seed_cluster_id"].to_list()
    drafted, alike = items(ids[0], ids[1], None), items(None, None, ids[1])
    links = [
        link(suite, asked, seeds, clusters, one_word)
        for suite, asked in zip(SUITES, (drafted, alike), strict=True)
    ]
    reach = pl.concat(found.reach for found in links)
    return {
        "usage_seeds": seeds,
        "eval_metrics": eval_metrics(),
        "eval_suites": eval_suites(),
        "eval_losses": eval_losses(),
        "usage_reach": reach,
        "model_written_funnel": model_written_funnel(),
        **opinion_sample(),
        "model_written_diversity": model_written_diversity(),
        "opinion_questions": opinion_questions(),
        "usage_coverage": coverage(reach, seeds, SUITES, users=released_users(report), draws=200),
    }


def items(first: str | None, second: str | None, topic: str | None) -> pl.DataFrame:
    """Three items: two drafted from clusters, where they are given, and one about a cluster."""
    return pl.DataFrame(
        {
            "item_id": ["i1", "i2", "i3"],
            "dataset": ["all", "all", "all"],
            "condition": ["default"] * 3,
            "topic": ["anything", "anything", topic or "anything"],
            "seed_cluster_id": pl.Series([first, second, None], dtype=pl.String),
        }
    )


def one_word(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors of the cluster's id that a text names, or of none."""
    vectors = np.zeros((len(texts), 20), np.float32)
    for row, text in enumerate(texts):
        found = re.search(r"m(\d)-b(\d)", text)
        vectors[row, 1 + 4 * int(found[1]) + int(found[2]) if found else 0] = 1.0
    return vectors


def eval_metrics() -> pl.DataFrame:
    """A share of all, one of a group that is not defined, a score of a level, slopes over subjects, and a parity difference."""
    row = {"suite": "model_written", "metric": "match_rate", "subject": "tiny", "dataset": "politeness"}
    row |= {"condition": "default", "group": None, "level": None, "weighting": "items", "estimate": 0.5}
    row |= {
        "ci_low": 0.4,
        "ci_high": 0.6,
        "method": "mean; cluster bootstrap",
        "n": 90,
        "units": 30,
        "missing": 2,
    }
    other = {
        "group": "age",
        "level": "20",
        "estimate": None,
        "ci_low": None,
        "ci_high": None,
        "n": 0,
        "units": 0,
    }
    score = {
        "suite": "discrimination",
        "metric": "score_model",
        "dataset": "explicit",
        "group": "race",
        "level": "Black",
    }
    slope = {"metric": "match_rate_slope", "subject": "all", "group": "parameters"}
    opinion = {"suite": "global_opinions", "metric": "similarity", "dataset": "all"}
    country = {"group": "country", "level": "Belgium"}
    parity = {"suite": "moral_self_correction", "dataset": "law", "condition": "instruction"}
    parity |= {"metric": "parity_difference"}
    trend = parity | slope | {"metric": "correction_slope"}
    rows = [
        row,
        row | other,
        row | score,
        row | slope,
        row | opinion,
        row | opinion | country,
        row | parity,
        row | trend,
    ]
    return _typed(rows, EvalMetric)


def eval_suites() -> pl.DataFrame:
    """One subject that refused some, and one that was not asked."""
    row = {"suite": "model_written", "subject": "tiny", "dataset": "politeness", "condition": "default"}
    row |= {"protocol": "logprobs", "items": 92, "seeded": 2, "answers": 92, "answered": 90, "refused": 1}
    row |= {"unparseable": 0, "faults": 1, "unasked": 0, "low_mass": 3, "missing_mass": 0.01}
    none = dict.fromkeys(("answers", "answered", "refused", "faults", "low_mass"), 0)
    absent = {"subject": "late", "protocol": None, "unasked": 92, "missing_mass": None}
    return _typed([row, row | none | absent], EvalSuite)


def eval_losses() -> pl.DataFrame:
    """Why the answers of `eval_suites` are lost."""
    row = {"suite": "model_written", "subject": "tiny", "dataset": "politeness", "condition": "default"}
    lost = {"refused": 1, "timed_out": 1}
    rows = [row | {"reason": reason, "answers": n} for reason, n in lost.items()]
    return _typed([*rows, row | {"subject": "late", "reason": "unasked", "answers": 92}], EvalLoss)


def model_written_funnel() -> pl.DataFrame:
    """Statements by hand and by a model that judged itself; some of these were left out at every step."""
    row = dict.fromkeys(ModelWrittenFunnel.to_schema().columns, 0)
    row |= dict.fromkeys(("generated", "parsed", "confident", "unique", "kept"), 5)
    row |= {"behaviour": "politeness", "source": "human_written", "label": "Yes", "self_judged": None}
    row |= {"label_confidence": None, "writer": None, "judge": None}
    left_out = {
        "faults": 1,
        "refused": 2,
        "malformed": 1,
        "unconfident": 4,
        "exact": 1,
        "embedding": 1,
        "surplus": 3,
    }
    made = {"generated": 20, "parsed": 16, "confident": 12, "unique": 10, "kept": 7, "label_confidence": 0.9}
    made |= {"source": "model_written", "writer": "openai:test", "judge": "openai:test", "self_judged": True}
    return _typed([row, row | left_out | made], ModelWrittenFunnel)


def model_written_diversity() -> pl.DataFrame:
    """A data set, and one of a single text."""
    row = {"dataset": "politeness", "condition": "model_written", "texts": 14, "mean_distance": 0.6}
    row |= {
        "vendi_score": 9.5,
        "distinct_1": 0.5,
        "distinct_2": 0.9,
        "self_bleu": 0.2,
        "compression_ratio": 1.9,
    }
    row |= {
        "near_duplicates": 0.1,
        "clusters": 2,
        "largest_cluster": 0.6,
        "cluster_label_nmi": 0.1,
        "probe_auc": 0.6,
    }
    known = {
        "condition": "human_written",
        "texts": 1,
        "compression_ratio": 1.0,
        "clusters": 1,
        "largest_cluster": 1.0,
    }
    return _typed([row, dict.fromkeys(row) | {"dataset": "politeness"} | known], ModelWrittenDiversity)


def opinion_questions() -> pl.DataFrame:
    """A question on a scale, and one of a single country that is on none."""
    row = {"subject": "tiny", "dataset": "GAS", "condition": "default", "item_id": "GAS-abc/default"}
    row |= {"question_id": "GAS-abc", "countries": 2, "similarity": 0.7, "ordinal_similarity": 0.8}
    row |= {
        "most_similar": "Belgium",
        "most_similarity": 0.8,
        "least_similar": "Greece",
        "least_similarity": 0.6,
    }
    row |= {"entropy": 0.4, "human_entropy": 1.3, "missing_mass": 0.01, "usage": 0.0}
    lone = {
        "item_id": "GAS-def/default",
        "question_id": "GAS-def",
        "countries": 1,
        "ordinal_similarity": None,
    }
    lone |= {"least_similar": "Belgium", "similarity": 0.5, "most_similarity": 0.5, "least_similarity": 0.5}
    return _typed([row, row | lone], OpinionQuestion)


def _typed(rows: list[dict[str, Any]], model: type[DataFrameModel]) -> pl.DataFrame:
    columns = model.to_schema().columns
    return pl.DataFrame(rows, schema={name: column.dtype.type for name, column in columns.items()})


def audit_report() -> pl.DataFrame:
    """A report of three layers, the second with too few private to tell."""
    ids = [str(number) for number in range(400)]
    rated = {one: 1 if int(one) < 40 else 5 for one in ids}
    clean = dict.fromkeys(ids, 5)
    return pl.concat(
        [
            people_row("conversations", ids, rated, 15, "openai:test"),
            people_row("requests", ids, clean, 15, "openai:test"),
            names_row(ids[:30], clean, "openai:test"),
        ]
    )


def _places(ids: list[str], leaf: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    """Conversations of a cluster near each other on the map."""
    x, y = 0.1 + 0.25 * (leaf % 4), 0.1 + 0.3 * (leaf // 4)
    spread = rng.normal(0, 0.03, (2, len(ids)))
    places = {"conversation_id": ids, "x": x + spread[0], "y": y + spread[1]}
    return pl.DataFrame(places).with_columns(pl.col("x", "y").clip(0, 0.999), map=pl.lit(1, pl.UInt32))


def cluster_lineage(clusters: pl.DataFrame) -> pl.DataFrame:
    """Two releases before this one's last: every event, of the clusters shown and of two that are gone."""
    shown = clusters.filter(~pl.col("cluster_id").str.starts_with("other-")).sort("cluster_id")
    ids, names, levels = shown["cluster_id"].to_list(), shown["name"].to_list(), shown["level"].to_list()
    known = {**dict(zip(ids, names, strict=True)), "old-1": "Talk about fax", "old-2": "Talk about telex"}
    level = {**dict(zip(ids, levels, strict=True)), "old-1": 0, "old-2": 0}
    first = [("born", node, None) for node in [*ids[3:], "old-1", "old-2"]]
    second = [("born", ids[0], None), ("split", ids[1], ids[3]), ("revived", ids[2], None)]
    second += [("dormant", ids[3], ids[3]), ("merged", ids[4], "old-1"), ("died", None, "old-2")]
    second += [("continued", node, node) for node in ids[4:]]
    rows = [(release, *row) for release, part in ((1, first), (2, second)) for row in part]
    frame = pl.DataFrame(rows, schema=["release", "event", "cluster_id", "previous_id"], orient="row")
    told = pl.col("previous_id").is_not_null() & pl.col("cluster_id").is_not_null()
    subject = pl.coalesce("cluster_id", "previous_id")
    frame = frame.with_columns(
        level=subject.replace_strict(level, return_dtype=pl.UInt8),
        name=pl.col("cluster_id").replace_strict(known, default=None, return_dtype=pl.String),
        previous_name=pl.col("previous_id").replace_strict(known, default=None, return_dtype=pl.String),
        overlap=pl.when(told).then(0.75),
        share_of_previous=pl.when(told).then(0.75),
        share_of_cluster=pl.when(told).then(0.75),
        band=pl.when(told).then(0.25),
        quiet_since=pl.when(pl.col("event") == "dormant").then(date(2024, 1, 8)),
    )
    return frame.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def run_log() -> pl.DataFrame:
    """Two steps."""
    return pl.DataFrame(
        {
            "run_id": ["r1", "r1"],
            "stage": ["facets", "release"],
            "batch": ["b1", None],
            "rows_in": pl.Series([10, 10], dtype=pl.UInt64),
            "rows_out": pl.Series([10, 4], dtype=pl.UInt64),
            "seconds": [0.5, 0.25],
            "model_calls": pl.Series([20, None], dtype=pl.UInt64),
            "cached_calls": pl.Series([0, None], dtype=pl.UInt64),
            "input_tokens": pl.Series([12_000, None], dtype=pl.UInt64),
            "output_tokens": pl.Series([900, None], dtype=pl.UInt64),
            "cost": [0.0041, None],
            "finished_at": [datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC)],
            "code_version": ["1", "1"],
            "note": ["", None],
        }
    )
