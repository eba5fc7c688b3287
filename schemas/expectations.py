"""The Great Expectations suite of the published tables: blocking, and shown to people as Data Docs.

Results and pages never hold a value of a row: the result format is BOOLEAN_ONLY, and what a rule needs beyond
its own column (sums, siblings) is brought into a helper column before validation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from schemas import (
    collective_expectations,
    comparison_rules,
    evaluation_expectations,
    model_written_expectations,
    opinion_expectations,
)
from schemas.audit import LAYERS
from schemas.lineage import BANDS, EVENTS, GONE
from schemas.published import DIMENSIONS, NAME_LENGTH, SUMMARY_LENGTH
from schemas.rules import (
    BETWEEN,
    GIVEN,
    ONE_OF,
    PAIR,
    TOGETHER_UNIQUE,
    UNIQUE,
    Rules,
    at_least,
    close,
    sizes,
    strings,
)
from schemas.runs import SPENDING
from schemas.validation import run_suites

TABLES = ("clusters", "cluster_cells", "language_contrasts", "privacy_report")
FLOOR = 5
ROUNDING = 5e-3


@dataclass(frozen=True)
class GxResult:
    """Whether the suite holds, and the names of the expectations that failed; no values."""

    success: bool
    failed: tuple[str, ...]


def validate_published(
    frames: Mapping[str, pl.DataFrame], docs_folder: Path, names: Collection[str] | None = None
) -> GxResult:
    """Validate the published tables, or those of them in `names`, and rewrite the Data Docs in `docs_folder`.

    `frames` holds the tables by name; those of the release may not be absent, for the others lean on them. The limits are
    those that the privacy report states, and never under the floor of 5 unless it states that too.
    """
    missing = [name for name in TABLES if name not in frames]
    if missing:
        return GxResult(False, tuple(f"{name}: is published" for name in missing))
    limits = _limits(frames["privacy_report"])
    unknown = [name for name in LIMITS if limits.get(name) is None]
    if unknown:
        return GxResult(False, tuple(f"privacy_report: states {name}" for name in unknown))
    tables = {name: frame for name, frame in _with_helpers(frames).items() if names is None or name in names}
    return _told(run_suites(tables, _rules(limits), docs_folder))


def validate_tables(frames: Mapping[str, pl.DataFrame], docs_folder: Path) -> GxResult:
    """Validate tables whose rules lean on no other table and no limit, and rewrite their Data Docs."""
    return _told(run_suites(frames, {name: SUITES[name]({}) for name in frames}, docs_folder))


def _told(outcomes: Mapping[str, bool]) -> GxResult:
    failed = tuple(sorted(name for name, success in outcomes.items() if not success))
    return GxResult(not failed, failed)


LIMITS = ("min_users", "min_conversations", "cell_min_users", "cell_min_conversations", "unsafe_below_floor")


def _limits(report: pl.DataFrame) -> dict[str, float]:
    stated = report.filter(pl.col("scope") == "thresholds").select("measure", "value")
    limits = dict(stated.iter_rows())
    if not limits.get("unsafe_below_floor"):
        limits.update({name: max(limits[name], FLOOR) for name in LIMITS[:4] if limits.get(name) is not None})
    return limits


def _with_helpers(frames: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Tables with the columns that rules about several rows need."""
    clusters, cells = frames["clusters"], frames["cluster_cells"]
    children = clusters.group_by("parent_id").agg(below=pl.col("conversations").cast(pl.Int64).sum())
    known = clusters.select(parent_id="cluster_id", parent_level="level")
    top = clusters.filter(pl.col("parent_id").is_null())["share"].sum()
    sizes = clusters.select("cluster_id", cluster_size="conversations")
    added = cells.group_by("cluster_id", "dimension").agg(total=pl.col("conversations").cast(pl.Int64).sum())
    gap = added.join(sizes, on="cluster_id", how="left").with_columns(
        gap=(pl.col("total") - pl.col("cluster_size").cast(pl.Int64)).fill_null(-1)
    )
    return {
        **{name: frame for name, frame in frames.items() if name in SUITES},
        "clusters": clusters.join(children, left_on="cluster_id", right_on="parent_id", how="left")
        .join(known, on="parent_id", how="left")
        .with_columns(
            gap=(pl.col("below") - pl.col("conversations").cast(pl.Int64)).fill_null(0),
            rise=pl.when(pl.col("parent_id").is_null())
            .then(1)
            .otherwise(pl.col("parent_level").cast(pl.Int32) - pl.col("level").cast(pl.Int32))
            .fill_null(-1),
            top_share=pl.lit(top),
            sibling_key=pl.concat_str(
                pl.col("parent_id").fill_null(""), pl.col("name").str.to_lowercase(), separator="|"
            ),
        )
        .drop("below", "parent_level"),
        "cluster_cells": cells.join(gap, on=["cluster_id", "dimension"], how="left").drop(
            "total", "cluster_size"
        ),
        "language_contrasts": frames["language_contrasts"].with_columns(
            gap=(pl.col("share_in_cluster") / pl.col("base_rate") - pl.col("ratio")).abs()
            / (1 + pl.col("ratio")),
            ratio_up=pl.col("ratio") * (1 + ROUNDING),
            ratio_down=pl.col("ratio") * (1 - ROUNDING),
        ),
        **{name: _lineage_helpers(frame) for name, frame in frames.items() if name == "cluster_lineage"},
    }


def _lineage_helpers(lineage: pl.DataFrame) -> pl.DataFrame:
    """The cluster that each row is about, and whether it is gone."""
    gone = pl.col("event").is_in(GONE)
    subject = pl.when(gone).then("previous_id").otherwise("cluster_id")
    return lineage.with_columns(
        gone=gone.cast(pl.UInt8), subject=subject, quiet_since=pl.col("quiet_since").cast(pl.String)
    )


def _rules(limits: Mapping[str, float]) -> dict[str, Rules]:
    """Expectations by table, each with its name."""
    return {name: suite(limits) for name, suite in SUITES.items()}


def _cluster_rules(limits: Mapping[str, float]) -> Rules:
    return [
        *sizes(limits["min_users"], limits["min_conversations"]),
        *strings("name", NAME_LENGTH),
        *strings("summary", SUMMARY_LENGTH, 0),
        ("cluster_id is unique", UNIQUE, {"column": "cluster_id"}),
        ("cluster_id is given", GIVEN, {"column": "cluster_id"}),
        ("share is a share", BETWEEN, {"column": "share", "min_value": 0, "max_value": 1}),
        ("shares of the top sum to one", BETWEEN, close("top_share", 1.0)),
        ("children add up to their parent", BETWEEN, close("gap", 0.0)),
        ("parents exist, at a higher level", BETWEEN, {"column": "rise", "min_value": 1}),
        ("siblings have different names", UNIQUE, {"column": "sibling_key"}),
    ]


def _cell_rules(limits: Mapping[str, float]) -> Rules:
    return [
        *sizes(limits["cell_min_users"], limits["cell_min_conversations"]),
        *strings("value", NAME_LENGTH),
        ("one row per cell", TOGETHER_UNIQUE, {"column_list": ["cluster_id", "dimension", "value"]}),
        ("dimension is known", ONE_OF, {"column": "dimension", "value_set": list(DIMENSIONS)}),
        ("cells add up to their cluster", BETWEEN, close("gap", 0.0)),
        ("share is a share", BETWEEN, {"column": "share", "min_value": 0, "max_value": 1}),
    ]


def _contrast_rules(limits: Mapping[str, float]) -> Rules:
    return [
        *sizes(limits["cell_min_users"], limits["cell_min_conversations"]),
        ("one row per cluster and language", TOGETHER_UNIQUE, {"column_list": ["cluster_id", "language"]}),
        ("ratio follows from the shares", BETWEEN, close("gap", 0.0)),
        ("interval holds the ratio from below", PAIR, at_least("ratio_up", "ci_low")),
        ("interval holds the ratio from above", PAIR, at_least("ci_high", "ratio_down")),
    ]


def _lineage_rules(_: Mapping[str, float]) -> Rules:
    names = [rule for column in ("name", "previous_name") for rule in strings(column, NAME_LENGTH)[1:]]
    shares = ("overlap", "share_of_previous", "share_of_cluster")
    return [
        *names,
        ("event is known", ONE_OF, {"column": "event", "value_set": list(EVENTS)}),
        ("every row is about a cluster", GIVEN, {"column": "subject"}),
        ("one row per cluster and release", TOGETHER_UNIQUE, {"column_list": ["release", "gone", "subject"]}),
        ("band is known", ONE_OF, {"column": "band", "value_set": list(BANDS)}),
        *(
            (f"{name} is a share", BETWEEN, {"column": name, "min_value": 0, "max_value": 1})
            for name in shares
        ),
    ]


def _report_rules(_: Mapping[str, float]) -> Rules:
    return [
        ("one row per scope and measure", TOGETHER_UNIQUE, {"column_list": ["scope", "measure"]}),
        *strings("explanation", SUMMARY_LENGTH),
    ]


def _log_rules(_: Mapping[str, float]) -> Rules:
    return [
        ("seconds are not negative", BETWEEN, {"column": "seconds", "min_value": 0}),
        *((f"{name} are not negative", BETWEEN, {"column": name, "min_value": 0}) for name in SPENDING),
        ("cost is not negative", BETWEEN, {"column": "cost", "min_value": 0}),
        *strings("stage", NAME_LENGTH),
        *strings("code_version", NAME_LENGTH),
    ]


def _audit_rules(_: Mapping[str, float]) -> Rules:
    shares = ("share_private", "ci_low", "ci_high")
    return [
        ("one row per layer", UNIQUE, {"column": "layer"}),
        ("layer is known", ONE_OF, {"column": "layer", "value_set": list(LAYERS)}),
        *(
            (f"{name} is a share", BETWEEN, {"column": name, "min_value": 0, "max_value": 1})
            for name in shares
        ),
        ("the interval is one", PAIR, at_least("ci_high", "ci_low")),
        *strings("auditor", NAME_LENGTH),
    ]


def _ledger_rules(_: Mapping[str, float]) -> Rules:
    return [
        ("one row per release and mechanism", TOGETHER_UNIQUE, {"column_list": ["release", "mechanism"]}),
        ("epsilon was spent", BETWEEN, {"column": "epsilon", "min_value": 0, "strict_min": True}),
        ("delta is a chance", BETWEEN, {"column": "delta", "min_value": 0, "max_value": 1}),
        ("what was spent by then holds its epsilon", PAIR, at_least("epsilon_spent", "epsilon")),
        ("what was spent by then holds its delta", PAIR, at_least("delta_spent", "delta")),
        *strings("mechanism", SUMMARY_LENGTH),
    ]


SUITES = {
    "clusters": _cluster_rules,
    "cluster_cells": _cell_rules,
    "language_contrasts": _contrast_rules,
    "cluster_lineage": _lineage_rules,
    "privacy_report": _report_rules,
    "cluster_weeks": comparison_rules.week_rules,
    "cluster_trends": comparison_rules.trend_rules,
    "facet_contrasts": comparison_rules.facet_rules,
    "concern_quadrants": comparison_rules.quadrant_rules,
    "comparison_report": _report_rules,
    "audit_report": _audit_rules,
    "privacy_ledger": _ledger_rules,
    "usage_seeds": evaluation_expectations.seed_rules,
    "eval_metrics": evaluation_expectations.metric_rules,
    "eval_suites": evaluation_expectations.suite_rules,
    "eval_losses": evaluation_expectations.loss_rules,
    "usage_reach": evaluation_expectations.reach_rules,
    "usage_coverage": evaluation_expectations.coverage_rules,
    "model_written_funnel": model_written_expectations.funnel_rules,
    "model_written_diversity": model_written_expectations.diversity_rules,
    "collective_steps": collective_expectations.step_rules,
    "opinion_splits": collective_expectations.split_rules,
    "opinion_groups": collective_expectations.opinion_group_rules,
    "opinion_map": collective_expectations.tile_rules,
    "statement_consensus": collective_expectations.consensus_rules,
    "statement_groups": collective_expectations.statement_group_rules,
    "constitution_principles": collective_expectations.principle_rules,
    "principle_sources": collective_expectations.source_rules,
    "constitution_matches": collective_expectations.match_rules,
    "opinion_questions": opinion_expectations.question_rules,
    "run_log": _log_rules,
}
