"""Great Expectations rules of the evaluations: seeds of real usage, metrics, suites, reach and coverage."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.evaluation import LOST, PROTOCOLS, WEIGHTINGS
from schemas.identifiers import HIDDEN
from schemas.published import NAME_LENGTH, SUMMARY_LENGTH
from schemas.rules import (
    BETWEEN,
    GIVEN,
    NO_MATCH,
    ONE_OF,
    PAIR,
    TOGETHER_UNIQUE,
    UNIQUE,
    Rules,
    at_least,
    sizes,
    strings,
)


def seed_rules(limits: Mapping[str, float]) -> Rules:
    """Seeds; without limits stated they are held to those of the clusters that they come from."""
    return [
        *sizes(limits.get("min_users", 1), limits.get("min_conversations", 1)),
        *strings("name", NAME_LENGTH),
        *strings("summary", SUMMARY_LENGTH, 0),
        ("one row per cluster", UNIQUE, {"column": "seed_cluster_id"}),
        ("a cluster is given", GIVEN, {"column": "seed_cluster_id"}),
        ("weight is a share of usage", BETWEEN, _share("weight") | {"strict_min": True}),
        ("concerning is a share", BETWEEN, _share("concerning")),
    ]


def metric_rules(_: Mapping[str, float]) -> Rules:
    """Estimates with their intervals."""
    key = ["suite", "metric", "subject", "dataset", "condition", "group", "level", "weighting"]
    return [
        *_visible("suite", "metric", "subject", "dataset", "condition", "group", "level", "method"),
        ("one row per metric, subject and part", TOGETHER_UNIQUE, {"column_list": key}),
        ("weighting is known", ONE_OF, {"column": "weighting", "value_set": list(WEIGHTINGS)}),
        ("interval has its ends in order", PAIR, at_least("ci_high", "ci_low")),
        ("no more units than answers", PAIR, at_least("n", "units")),
    ]


def suite_rules(_: Mapping[str, float]) -> Rules:
    """What subjects were asked and what came of it."""
    key = ["suite", "subject", "dataset", "condition", "protocol"]
    parts = ("answered", "refused", "unparseable", "faults", "low_mass")
    return [
        *_visible("suite", "subject", "dataset", "condition"),
        ("one row per subject, part and protocol", TOGETHER_UNIQUE, {"column_list": key}),
        ("protocol is known", ONE_OF, {"column": "protocol", "value_set": list(PROTOCOLS)}),
        *((f"no more {name} than answers", PAIR, at_least("answers", name)) for name in parts),
        *((f"no more {name} than items", PAIR, at_least("items", name)) for name in ("seeded", "unasked")),
        ("missing mass is a share", BETWEEN, _share("missing_mass")),
    ]


def loss_rules(_: Mapping[str, float]) -> Rules:
    """Why answers cannot be scored."""
    key = ["suite", "subject", "dataset", "condition", "reason"]
    return [
        *_visible("suite", "subject", "dataset", "condition"),
        ("one row per subject, part and reason", TOGETHER_UNIQUE, {"column_list": key}),
        ("reason is known", ONE_OF, {"column": "reason", "value_set": list(LOST)}),
        ("no reason without answers", BETWEEN, {"column": "answers", "min_value": 1}),
    ]


def reach_rules(_: Mapping[str, float]) -> Rules:
    """Suites against clusters of real usage."""
    return [
        *_visible("suite", "seed_cluster_id"),
        ("one row per suite and cluster", TOGETHER_UNIQUE, {"column_list": ["suite", "seed_cluster_id"]}),
        ("share is a share of usage", BETWEEN, _share("share") | {"strict_min": True}),
        ("similarity is a cosine", BETWEEN, _cosine("similarity")),
        ("threshold is a cosine", BETWEEN, _cosine("threshold")),
    ]


def coverage_rules(_: Mapping[str, float]) -> Rules:
    """Share of usage that each suite covers."""
    shares = ("share", "ci_low", "ci_high", "baseline", "p_value", "unpublished")
    shares += ("share_with_drafted", "ci_low_with_drafted", "ci_high_with_drafted")
    return [
        *_visible("suite"),
        ("one row per suite", UNIQUE, {"column": "suite"}),
        *((f"{name} is a share", BETWEEN, _share(name)) for name in shares),
        ("threshold is a cosine", BETWEEN, _cosine("threshold")),
        ("interval holds the share from below", PAIR, at_least("share", "ci_low")),
        ("interval holds the share from above", PAIR, at_least("ci_high", "share")),
        ("no more clusters are covered than there are", PAIR, at_least("clusters", "covered_with_drafted")),
        ("drafted items cover more", PAIR, at_least("share_with_drafted", "share")),
        ("drafted items cover more clusters", PAIR, at_least("covered_with_drafted", "covered_clusters")),
    ]


def _share(column: str) -> dict[str, object]:
    return {"column": column, "min_value": 0, "max_value": 1}


def _cosine(column: str) -> dict[str, object]:
    return {"column": column, "min_value": -1.0001, "max_value": 1.0001}


def _visible(*columns: str) -> Rules:
    """Strings that a suite or its files name: they hide no character."""
    return [
        (f"{column} hides no character", NO_MATCH, {"column": column, "regex": HIDDEN}) for column in columns
    ]
