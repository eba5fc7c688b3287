"""Schemas and the Great Expectations suite: a sound release passes, faults fail, no value gets out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from published_sample import LIMITS, published

from schemas import validation
from schemas.expectations import SUITES, validate_published, validate_tables
from schemas.limits import published_schemas
from schemas.published import MODELS

SPENT = {
    "release": pl.Series([1, 1], dtype=pl.UInt32),
    "mechanism": ["names", "counts"],
    "epsilon": [0.5, 0.5],
    "delta": [1e-8, 0.0],
    "l0": pl.Series([3, 3], dtype=pl.UInt32),
    "linf": pl.Series([5, 5], dtype=pl.UInt32),
    "unit": ["user", "user"],
    "epsilon_spent": [1.0, 1.0],
    "delta_spent": [1e-8, 1e-8],
}
FRAMES = published() | {"privacy_ledger": pl.DataFrame(SPENT)}
SECRET = "jo.secret@example.org"


Change = Callable[[pl.DataFrame], pl.DataFrame]


def first(**values: object) -> Change:
    """Change columns of the first row only."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        row = pl.int_range(pl.len()) == 0
        return frame.with_columns(
            pl.when(row).then(pl.lit(value, dtype=frame.schema[name])).otherwise(pl.col(name)).alias(name)
            for name, value in values.items()
        )

    return change


STATED = pl.col("scope") == "thresholds"
FAULTS: list[tuple[str, Change, str]] = [
    ("clusters", first(users=4), "enough users"),
    ("clusters", first(conversations=7), "enough conversations"),
    ("clusters", first(users=8888777), "no more users than conversations"),
    ("clusters", first(conversations=8888777), "children add up to their parent"),
    ("clusters", first(name=f"write to {SECRET}"), "name holds no identifier"),
    ("clusters", first(summary="card 4111 1111 1111 1111"), "summary holds no identifier"),
    ("clusters", first(name=""), "name has a fit length"),
    ("clusters", first(name="x" * 200), "name has a fit length"),
    ("clusters", first(name="a\u202eb"), "name hides no character"),
    ("clusters", first(share=0.9), "shares of the top sum to one"),
    ("clusters", lambda frame: frame.with_columns(name=pl.lit("Same")), "siblings have different names"),
    ("clusters", lambda frame: frame.with_columns(cluster_id=pl.lit("same")), "cluster_id is unique"),
    (
        "clusters",
        lambda frame: frame.filter(pl.col("cluster_id") != "m0"),
        "parents exist, at a higher level",
    ),
    ("cluster_cells", first(users=4), "enough users"),
    ("cluster_cells", first(conversations=7), "enough conversations"),
    ("cluster_cells", lambda frame: frame.slice(1), "cells add up to their cluster"),
    ("cluster_cells", first(cluster_id="nowhere"), "cells add up to their cluster"),
    ("cluster_cells", first(dimension="country"), "dimension is known"),
    ("cluster_cells", first(value=SECRET), "value holds no identifier"),
    ("cluster_cells", lambda frame: pl.concat([frame, frame.head(1)]), "one row per cell"),
    ("language_contrasts", first(users=4), "enough users"),
    ("language_contrasts", first(ratio=50.0), "ratio follows from the shares"),
    ("language_contrasts", first(ci_low=50.0), "interval holds the ratio from below"),
    ("language_contrasts", first(ci_high=0.001), "interval holds the ratio from above"),
    ("cluster_lineage", first(event="torn"), "event is known"),
    ("cluster_lineage", first(cluster_id=None), "every row is about a cluster"),
    ("cluster_lineage", first(name=f"about {SECRET}"), "name holds no identifier"),
    ("cluster_lineage", first(name="a\u200bb"), "name hides no character"),
    ("cluster_lineage", lambda frame: pl.concat([frame, frame.head(1)]), "one row per cluster and release"),
    ("cluster_lineage", first(band=0.07), "band is known"),
    ("cluster_lineage", first(overlap=1.5), "overlap is a share"),
    ("cluster_weeks", first(users=4), "enough users"),
    ("cluster_weeks", first(week_conversations=1), "no more conversations than the week has"),
    ("cluster_trends", first(direction="sideways"), "direction is known"),
    ("cluster_trends", first(q_value=0.0, p_value=0.5), "adjusted for many tests"),
    ("facet_contrasts", first(conversations=7), "enough conversations"),
    ("facet_contrasts", first(value_b=SECRET), "value_b holds no identifier"),
    ("concern_quadrants", first(quadrant="fifth"), "quadrant is known"),
    ("comparison_report", first(explanation=f"about {SECRET}"), "explanation holds no identifier"),
    ("privacy_report", first(explanation=f"about {SECRET}"), "explanation holds no identifier"),
    ("audit_report", first(layer="people"), "layer is known"),
    ("audit_report", first(ci_high=0.01), "the interval is one"),
    ("audit_report", first(auditor=SECRET), "auditor holds no identifier"),
    ("privacy_ledger", first(epsilon=0.0), "epsilon was spent"),
    ("privacy_ledger", first(epsilon_spent=0.25), "what was spent by then holds its epsilon"),
    ("privacy_ledger", first(mechanism=f"for {SECRET}"), "mechanism holds no identifier"),
    ("run_log", first(seconds=-1.0), "seconds are not negative"),
    ("usage_seeds", first(users=4), "enough users"),
    ("usage_seeds", first(summary=f"about {SECRET}"), "summary holds no identifier"),
    ("usage_seeds", first(weight=0.0), "weight is a share of usage"),
    ("usage_seeds", lambda frame: pl.concat([frame, frame.head(1)]), "one row per cluster"),
    ("eval_metrics", first(weighting="both"), "weighting is known"),
    ("eval_metrics", first(ci_low=0.9), "interval has its ends in order"),
    ("eval_metrics", lambda frame: pl.concat([frame, frame.head(1)]), "one row per metric, subject and part"),
    ("eval_metrics", first(level="a\u202eb"), "level hides no character"),
    ("eval_metrics", first(units=8888777), "no more units than answers"),
    ("eval_suites", first(refused=8888777), "no more refused than answers"),
    ("eval_suites", first(protocol="guessed"), "protocol is known"),
    ("eval_suites", first(missing_mass=1.5), "missing mass is a share"),
    (
        "eval_suites",
        lambda frame: pl.concat([frame, frame.tail(1)]),
        "one row per subject, part and protocol",
    ),
    ("eval_losses", first(reason="guessed"), "reason is known"),
    ("eval_losses", first(answers=0), "no reason without answers"),
    ("usage_reach", first(similarity=1.5), "similarity is a cosine"),
    ("usage_reach", lambda frame: pl.concat([frame, frame.head(1)]), "one row per suite and cluster"),
    ("usage_coverage", first(share=1.5), "share is a share"),
    ("collective_steps", first(step="guessed"), "step is known"),
    ("opinion_splits", first(silhouette=1.5), "silhouette is one"),
    ("opinion_groups", first(participants=4), "enough participants"),
    ("opinion_map", first(participants=4), "enough participants"),
    ("opinion_map", first(column=200), "column is inside the grid"),
    ("statement_consensus", first(voters=4), "enough voters"),
    ("statement_consensus", first(agreement=0.0), "the mean is no lower than the product"),
    ("statement_consensus", first(text=SECRET), "text holds no identifier"),
    ("statement_groups", first(voters=4), "enough voters"),
    ("statement_groups", first(side="neither"), "side is known"),
    ("constitution_principles", first(editor="nobody"), "editor is known"),
    ("constitution_principles", first(text="a\u202eb"), "text hides no character"),
    ("principle_sources", lambda frame: pl.concat([frame, frame.head(1)]), "one row per statement"),
    ("constitution_matches", first(nearest_text=SECRET), "nearest_text holds no identifier"),
    ("usage_coverage", first(ci_low=0.9), "interval holds the share from below"),
    ("usage_coverage", first(covered_with_drafted=8888777), "no more clusters are covered than there are"),
    (
        "usage_coverage",
        lambda frame: frame.with_columns(share_with_drafted=pl.lit(0.0)),
        "drafted items cover more",
    ),
    ("usage_coverage", first(covered_clusters=8888777), "drafted items cover more clusters"),
]


def test_a_sound_release_passes_and_leaves_pages(tmp_path: Path) -> None:
    result = validate_published(FRAMES, tmp_path / "docs")
    assert (result.success, result.failed) == (True, ())
    assert (tmp_path / "docs" / "index.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["docs"], "nothing is left beside the site"
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "docs").rglob("*"))


def rounds() -> list[list[tuple[str, Change, str]]]:
    """Faults in rounds with at most one fault a table, since one validation takes a while."""
    by_table = [[fault for fault in FAULTS if fault[0] == table] for table in SUITES]
    return [
        [faults[index] for faults in by_table if index < len(faults)]
        for index in range(max(map(len, by_table)))
    ]


@pytest.mark.parametrize("faults", rounds(), ids=[faults[0][2] for faults in rounds()])
def test_each_fault_fails_by_name_and_by_name_only(
    tmp_path: Path, faults: list[tuple[str, Change, str]]
) -> None:
    broken = {table: change(FRAMES[table]) for table, change, _ in faults}
    result = validate_published(FRAMES | broken, tmp_path / "docs")
    assert not result.success
    assert {f"{table}: {rule}" for table, _, rule in faults} <= set(result.failed)
    written = b"".join(path.read_bytes() for path in (tmp_path / "docs").rglob("*") if path.is_file())
    for told in (SECRET, "8888777", "4111 1111"):
        assert told.encode() not in written
        assert told not in str(result)


def test_pages_hold_no_row_and_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    validate_published(FRAMES, tmp_path / "docs")
    pages = list((tmp_path / "docs").rglob("*.html"))
    assert len(pages) == 1 + 2 * len(SUITES)
    text = "\n".join(
        path.read_text() for path in (tmp_path / "docs").rglob("*") if path.suffix in {".html", ".css"}
    )
    assert not any(name in text for name in FRAMES["clusters"]["name"])
    assert not any(f">{name}<" in text for name in FRAMES["clusters"]["cluster_id"])
    assert "http://" not in text and "https://" not in text
    assert "<script" not in text
    assert all("Content-Security-Policy" in page.read_text() for page in pages)


def test_an_older_site_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "old.html").write_text("old")
    validate_published(FRAMES, tmp_path / "docs")
    assert not (tmp_path / "docs" / "old.html").exists()


def test_missing_tables_or_limits_fail(tmp_path: Path) -> None:
    parts = {name: frame for name, frame in FRAMES.items() if name != "cluster_cells"}
    assert validate_published(parts, tmp_path).failed == ("cluster_cells: is published",)
    report = FRAMES["privacy_report"].filter(~(STATED & (pl.col("measure") == "min_users")))
    assert validate_published(FRAMES | {"privacy_report": report}, tmp_path).failed == (
        "privacy_report: states min_users",
    )


def test_a_report_cannot_lower_the_floor_in_silence(tmp_path: Path) -> None:
    low = FRAMES["privacy_report"].with_columns(
        value=pl.when(STATED & pl.col("measure").is_in(["min_users", "min_conversations"]))
        .then(1.0)
        .otherwise("value")
    )
    small = FRAMES | {"clusters": first(users=4)(FRAMES["clusters"]), "privacy_report": low}
    assert "clusters: enough users" in validate_published(small, tmp_path / "docs").failed
    unsafe = low.with_columns(
        value=pl.when(pl.col("measure") == "unsafe_below_floor").then(1.0).otherwise("value")
    )
    assert (
        "clusters: enough users"
        not in validate_published(small | {"privacy_report": unsafe}, tmp_path / "docs").failed
    )


def test_the_run_log_may_come_later_and_an_empty_release_passes(tmp_path: Path) -> None:
    parts = {name: frame for name, frame in FRAMES.items() if name != "run_log"}
    assert validate_published(parts, tmp_path / "docs").success
    empty = {name: frame.clear() for name, frame in parts.items()} | {
        "privacy_report": parts["privacy_report"]
    }
    assert validate_published(empty, tmp_path / "docs").success


def test_a_table_that_leans_on_no_other_is_validated_alone(tmp_path: Path) -> None:
    evaluated = ("usage_seeds", "eval_metrics", "eval_suites", "eval_losses", "usage_reach", "usage_coverage")
    for name in ("audit_report", "privacy_ledger", "run_log", *evaluated):
        assert validate_tables({name: FRAMES[name]}, tmp_path / name).success
        assert validate_tables({name: FRAMES[name].clear()}, tmp_path / name).success
        assert (tmp_path / name / "index.html").exists()
    wrong = validate_tables({"run_log": first(seconds=-1.0)(FRAMES["run_log"])}, tmp_path / "run_log")
    assert wrong.failed == ("run_log: seconds are not negative",)


SCHEMA_FAULTS = [
    ("clusters", first(name="a\u202eb"), "strings_are_visible"),
    ("clusters", first(name=f"write to {SECRET}"), "strings_name_nobody"),
    ("clusters", first(name="x" * 200), "str_length"),
    ("clusters", first(share=0.9), "shares_of_the_top_sum_to_one"),
    ("clusters", first(conversations=8888777), "children_add_up"),
    ("clusters", first(users=8888777), "fewer_users_than_conversations"),
    ("clusters", lambda frame: frame.filter(pl.col("cluster_id") != "m0"), "parent_exists"),
    ("clusters", lambda frame: frame.with_columns(name=pl.lit("Same")), "sibling_names_differ"),
    ("clusters", first(users=4), "large_enough"),
    ("cluster_cells", lambda frame: frame.slice(1), "shares_sum_to_one"),
    ("cluster_cells", first(value="a\u200bb"), "strings_are_visible"),
    ("cluster_cells", first(value=SECRET), "strings_name_nobody"),
    ("cluster_cells", first(dimension="country"), "isin"),
    ("cluster_cells", first(conversations=7), "large_enough"),
    ("language_contrasts", first(ratio=50.0), "ratio_is_of_the_shares"),
    ("language_contrasts", first(ci_low=50.0), "interval_holds_the_ratio"),
    ("cluster_lineage", first(event="continued"), "columns_fit_the_event"),
    ("cluster_lineage", lambda frame: frame.with_columns(band=0.25, overlap=0.3), "shares_come_in_bands"),
    ("cluster_lineage", lambda frame: frame.with_columns(quiet_since=None), "quiet_fits_the_event"),
    ("cluster_lineage", lambda frame: pl.concat([frame, frame.head(1)]), "one_row_per_cluster"),
    ("cluster_lineage", first(name="a\u200bb"), "strings_are_visible"),
    ("cluster_lineage", first(name=f"about {SECRET}"), "strings_name_nobody"),
    ("run_log", first(stage="a\u200bb"), "strings_are_visible"),
    ("usage_seeds", first(users=4), "large_enough"),
    ("usage_seeds", first(concerning=1.5), "less_than_or_equal_to"),
    ("usage_coverage", first(share=-0.5), "greater_than_or_equal_to"),
    ("usage_reach", lambda frame: pl.concat([frame, frame.head(1)]), "unique"),
]


@pytest.mark.parametrize(
    ("table", "change", "rule"), SCHEMA_FAULTS, ids=[f"{table}-{rule}" for table, _, rule in SCHEMA_FAULTS]
)
def test_each_fault_breaks_its_schema(table: str, change: Change, rule: str) -> None:
    from pandera.errors import SchemaErrors

    with pytest.raises(SchemaErrors) as refusal:
        published_schemas(LIMITS.nodes, LIMITS.cells)[table].validate(change(FRAMES[table]), lazy=True)
    broken = {str(getattr(error.check, "name", error.check)) for error in refusal.value.schema_errors}
    assert any(rule in name for name in broken), broken


def test_every_sound_table_passes_its_schema() -> None:
    for name, frame in FRAMES.items():
        MODELS[name].validate(frame, lazy=True)


def test_a_validator_that_was_killed_answers_nothing_and_the_next_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, ends_at_once = validation.COMMAND, [sys.executable, "-c", "import sys; sys.stdin.buffer.read(1)"]
    monkeypatch.setattr(validation, "COMMAND", ends_at_once)
    monkeypatch.setattr(validation, "_process", cache(lambda parent: validation._Process()))
    with pytest.raises(validation.ValidationFailedError, match="ended with"):
        validate_published(FRAMES, tmp_path / "docs")
    monkeypatch.setattr(validation, "COMMAND", command)
    assert validate_published(FRAMES, tmp_path / "docs").success


def test_what_the_validator_raises_is_told_by_its_kind_alone(tmp_path: Path) -> None:
    rules = {"clusters": [("no such rule", "ExpectNothing", {"column": SECRET})]}
    with pytest.raises(validation.ValidationFailedError) as raised:
        validation.run_suites({"clusters": FRAMES["clusters"]}, rules, tmp_path / "docs")
    assert str(raised.value) == "Great Expectations raised AttributeError"
