"""The SQL of the warehouse: views answer, everything is described, each check finds its fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
from published_sample import published

import sql
from schemas.catalogue import PUBLISHED
from schemas.comments import comment_script
from schemas.identifiers import HIDDEN, IDENTIFIERS
from schemas.published import MODELS

FRAMES = published()


def connect(frames: dict[str, pl.DataFrame]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for name, frame in frames.items():
        connection.register("frame", frame)
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")
        connection.unregister("frame")
    for statement in (*sql.view_statements(), *sql.comment_statements()):
        connection.execute(statement)
    return connection


@pytest.fixture(scope="module")
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(FRAMES) as connection:
        yield connection


def ask(warehouse: duckdb.DuckDBPyConnection, query: str) -> pl.DataFrame:
    return warehouse.execute(query).pl()


def test_views_come_after_what_they_read() -> None:
    names = sql.view_names()
    assert names.index("cluster_languages") < names.index("language_specialities")
    assert set(names) == {path.stem for path in (Path(sql.__file__).parent / "views").glob("*.sql")}
    assert len(sql.view_statements()) == len(names)


@pytest.mark.parametrize("view", sql.view_names())
def test_every_view_answers(warehouse: duckdb.DuckDBPyConnection, view: str) -> None:
    assert ask(warehouse, f"SELECT * FROM {view}").height > 0


def test_every_table_view_and_column_is_described(warehouse: duckdb.DuckDBPyConnection) -> None:
    columns = ask(
        warehouse, "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal"
    )
    assert columns.filter(pl.col("comment").is_null() | (pl.col("comment") == "")).is_empty()
    tables = ask(warehouse, "SELECT table_name AS name, comment FROM duckdb_tables() WHERE NOT internal")
    views = ask(warehouse, "SELECT view_name AS name, comment FROM duckdb_views() WHERE NOT internal")
    described = pl.concat([tables, views])
    assert (
        set(described["name"])
        == {*MODELS, *sql.view_names()}
        == {*(table.name for table in PUBLISHED), *sql.view_names()}
    )
    assert described["comment"].null_count() == 0


def test_comments_are_those_of_the_schemas() -> None:
    assert sql.comment_statements() == [comment_script()], "run `python -m schemas.comments`"
    for model in MODELS.values():
        assert all(column.description for column in model.to_schema().columns.values())


def test_the_tree_lists_every_cluster_once_below_its_parent(warehouse: duckdb.DuckDBPyConnection) -> None:
    tree = ask(warehouse, "SELECT * FROM cluster_tree")
    assert sorted(tree["cluster_id"]) == sorted(FRAMES["clusters"]["cluster_id"])
    place = {name: index for index, name in enumerate(tree["cluster_id"])}
    depth = dict(tree.select("cluster_id", "depth").iter_rows())
    path = dict(tree.select("cluster_id", "path").iter_rows())
    for name, parent, own in tree.select("cluster_id", "parent_id", "name").iter_rows():
        if parent is None:
            assert (depth[name], path[name]) == (0, own)
        else:
            assert place[name] > place[parent]
            assert depth[name] == depth[parent] + 1
            assert path[name] == f"{path[parent]} > {own}"
    children = (
        tree.filter(pl.col("parent_id").is_not_null())
        .group_by("parent_id")
        .agg(pl.col("share_of_parent").sum())
    )
    assert children["share_of_parent"].to_list() == pytest.approx([1.0] * children.height)


def test_top_clusters_are_the_top_largest_first(warehouse: duckdb.DuckDBPyConnection) -> None:
    top = ask(warehouse, "SELECT * FROM top_clusters")
    expected = FRAMES["clusters"].filter(pl.col("parent_id").is_null()).sort("conversations", descending=True)
    assert top["conversations"].to_list() == expected["conversations"].to_list()
    assert top["percent"].sum() == pytest.approx(100, abs=0.2)


def test_languages_carry_their_contrasts(warehouse: duckdb.DuckDBPyConnection) -> None:
    languages = ask(warehouse, "SELECT * FROM cluster_languages WHERE ratio IS NOT NULL")
    assert languages.height == FRAMES["language_contrasts"].height
    special = ask(warehouse, "SELECT * FROM language_specialities")
    assert special.height > 0
    assert special.select(((pl.col("ratio") > 1) & (pl.col("q_value") <= 0.05)).all()).item()


def test_trends_and_contrasts_are_those_of_the_tests(warehouse: duckdb.DuckDBPyConnection) -> None:
    trends = ask(warehouse, "SELECT * FROM trends")
    assert trends.height == FRAMES["cluster_trends"].height
    assert trends.select((pl.col("significant") == (pl.col("direction") != "undecided")).all()).item()
    grown = trends.filter(pl.col("direction") == "growing")
    assert grown.select((pl.col("percent_per_week") > 0).all()).item()
    contrasts = ask(warehouse, "SELECT * FROM significant_contrasts")
    assert contrasts.height == FRAMES["facet_contrasts"].filter(pl.col("q_value") <= 0.05).height
    assert contrasts.filter(pl.col("facet_a") == "cluster")["cluster_id"].null_count() == 0
    assert contrasts.select(((pl.col("together") == "more") == (pl.col("ratio") > 1)).all()).item()


def test_uncovered_usage_is_what_no_suite_reaches_most_common_first(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    covered = FRAMES["usage_reach"].filter("covered")["seed_cluster_id"].unique()
    rest = FRAMES["usage_seeds"].filter(~pl.col("seed_cluster_id").is_in(covered.implode()))
    uncovered = ask(warehouse, "SELECT * FROM uncovered_usage")
    assert rest.height == FRAMES["usage_seeds"].height - 1
    assert uncovered["drafted"].to_list() == [1, *[0] * (rest.height - 1)], "a drafted item covers nothing"
    assert uncovered["seed_cluster_id"].to_list() == rest["seed_cluster_id"].to_list()
    assert uncovered["rank"].to_list() == list(range(1, rest.height + 1))
    assert uncovered["conversations"].is_sorted(descending=True)
    assert uncovered.select((pl.col("similarity") < pl.col("threshold")).all()).item()


def test_without_suites_all_usage_is_uncovered() -> None:
    without = {name: FRAMES[name].clear() for name in ("usage_reach", "usage_coverage")}
    with connect(FRAMES | without) as connection:
        uncovered = ask(connection, "SELECT * FROM uncovered_usage")
        assert uncovered["seed_cluster_id"].to_list() == FRAMES["usage_seeds"]["seed_cluster_id"].to_list()
        assert uncovered["nearest_suite"].null_count() == uncovered.height
        assert all(not connection.execute(query).fetchall() for query in sql.check_statements().values())


def test_suite_usage_adds_up_to_its_coverage(warehouse: duckdb.DuckDBPyConnection) -> None:
    usage = ask(warehouse, "SELECT * FROM suite_usage")
    added = usage.group_by("suite").agg(
        pl.col("percent").sum(), pl.col("percent_of_covered").sum(), pl.len().alias("listed")
    )
    told = FRAMES["usage_coverage"].join(added, on="suite", how="left", maintain_order="left")
    assert told.height == 2
    assert told["percent"].fill_null(0).to_list() == pytest.approx((100 * told["share"]).to_list(), abs=0.02)
    assert told["percent_of_covered"].to_list() == [None, pytest.approx(100, abs=0.02)]
    assert told["listed"].fill_null(0).to_list() == told["covered_clusters"].to_list() == [0, 1]


def test_the_bulletin_names_the_planted_things_most_important_first(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    bulletin = ask(warehouse, "SELECT * FROM bulletin")
    assert bulletin["importance"].is_sorted(descending=True)
    found = set(bulletin.select("kind", "cluster_id").iter_rows())
    assert {("growing", "m1-b0"), ("concerning", "m0-b0")} <= found
    assert {row for row in found if row[0] == "over_trigger"} == set(
        ask(warehouse, "SELECT quadrant, cluster_id FROM classifier_disagreements").iter_rows()
    )
    told = FRAMES["cluster_lineage"].filter(
        (pl.col("release") == 2) & pl.col("event").is_in(["born", "revived", "dormant"])
    )
    events = set(told.select("event", "cluster_id").iter_rows())
    assert len({kind for kind, _ in events}) == 3 and events <= found
    shown = r"%|^new$|^back$|^quiet since 2|^flagged more|^of more concern|^\d+ bursts$"
    assert bulletin["headline"].str.contains(shown).all()
    named = bulletin.filter(pl.col("kind") != "bursts")
    assert named["cluster_id"].null_count() == 0


STANDING = ("concerning", "over_trigger", "under_trigger")
NEWEST_WEEK = pl.col("week") == pl.col("week").max()


def bulletin_of(**changed: pl.DataFrame) -> pl.DataFrame:
    with connect(FRAMES | changed) as connection:
        return ask(connection, "SELECT * FROM bulletin")


def test_what_stands_for_long_is_told_with_its_weeks_and_only_while_the_cluster_is_in_use() -> None:
    weeks = FRAMES["cluster_weeks"]
    standing = bulletin_of().filter(pl.col("kind").is_in(STANDING))
    assert set(standing["kind"]) >= {"concerning", "over_trigger"}
    first, newest = weeks["week"].min(), weeks["week"].max()
    assert standing["why"].str.contains(f"from the week of {first} to that of {newest}").all()
    assert standing["why"].str.contains(r"^\d+ conversations in the week of 2024-01-\d\d; of all").all()
    gone = weeks.filter(
        (pl.col("cluster_id") != "m0-b0") | (pl.col("week") < pl.lit(newest).dt.offset_by("-1w"))
    )
    left = bulletin_of(cluster_weeks=gone).filter(pl.col("kind").is_in(STANDING))
    assert left.rows() == standing.filter(pl.col("cluster_id") != "m0-b0").rows() != standing.rows()
    undated = bulletin_of(cluster_weeks=weeks.clear()).filter(pl.col("kind").is_in(STANDING))
    assert set(undated["cluster_id"]) >= set(standing["cluster_id"])
    assert undated["why"].str.starts_with("of all conversations, of no known week,").all()


def test_busier_weeks_make_what_stands_for_long_more_important() -> None:
    weeks = FRAMES["cluster_weeks"]
    busier = weeks.with_columns(
        conversations=pl.when(NEWEST_WEEK).then(pl.col("conversations") * 10).otherwise("conversations")
    )
    one, two = (
        frame.filter(pl.col("kind") == "concerning", pl.col("cluster_id") == "m0-b0")["importance"].item()
        for frame in (bulletin_of(), bulletin_of(cluster_weeks=busier))
    )
    assert two > one


@pytest.mark.parametrize(("bursts", "told"), [(3.0, ["3 bursts"]), (0.0, []), (None, [])])
def test_bursts_are_told_by_their_number_alone(bursts: float | None, told: list[str]) -> None:
    figures = {"bursts": bursts, "conversations": bursts and 120.0, "users": bursts and 80.0}
    report = FRAMES["comparison_report"].with_columns(
        value=pl.when(pl.col("scope") == "bursts")
        .then(pl.col("measure").replace_strict(figures, default=None, return_dtype=pl.Float64))
        .otherwise("value")
    )
    rows = bulletin_of(comparison_report=report).filter(pl.col("kind") == "bursts")
    assert rows["headline"].to_list() == told
    if told:
        row = rows.row(0, named=True)
        assert (row["cluster_id"], row["users"], row["conversations"]) == (None, 80, 120)
        assert "120 by 80 users" in row["why"] and "to that of 2024-" in row["why"]


def test_weeks_and_concern_are_shares_of_what_is_shown(warehouse: duckdb.DuckDBPyConnection) -> None:
    weeks = ask(warehouse, "SELECT * FROM weekly_shares")
    assert weeks.schema["week"] == pl.Date
    assert set(weeks["week"].dt.weekday()) == {1}
    totals = weeks.group_by("level", "week").agg(pl.col("share_of_week").sum())["share_of_week"]
    assert totals.to_list() == pytest.approx([1.0] * totals.len())
    concern = ask(warehouse, "SELECT * FROM concerning_clusters WHERE level = 0")
    assert concern["cluster_id"][0] == "m0-b0"


def test_the_history_tells_each_event_in_words(warehouse: duckdb.DuckDBPyConnection) -> None:
    history = ask(warehouse, "SELECT event, story FROM cluster_history WHERE release = 2")
    assert history.height == FRAMES["cluster_lineage"].filter(NEWEST).height
    assert history["story"].null_count() == 0
    stories = dict(history.filter(pl.col("event") != "continued").iter_rows())
    assert stories["died"] == "Talk about telex is no longer shown"
    assert stories["merged"].startswith("Talk about fax merged into Talk about ")
    assert stories["dormant"].endswith("since the week of 2024-01-08")
    assert history["event"].to_list()[-1] == "continued"


def test_the_summary_adds_up(warehouse: duckdb.DuckDBPyConnection) -> None:
    rows = ask(warehouse, "SELECT * FROM suppression_summary")
    assert rows.select(
        (pl.col("clusters_published") + pl.col("clusters_withheld") == pl.col("clusters_considered")).all()
    ).item()
    assert rows["level"].to_list() == [2, 1, 0]
    assert rows["clusters_withheld"].sum() > 0
    runs = ask(warehouse, "SELECT * FROM run_summary")
    assert runs["stage"].to_list() == ["facets", "release"]


def test_the_finest_tiles_hold_every_conversation_once(warehouse: duckdb.DuckDBPyConnection) -> None:
    tiles = ask(warehouse, "SELECT * FROM density_map")
    total = ask(warehouse, "SELECT sum(conversations) FROM clusters WHERE parent_id IS NULL").item()
    assert tiles["conversations"].sum() == total and tiles["zoom"].max() >= 2
    assert abs(tiles["share"].sum() - 1) < 1e-9
    assert (tiles["side"] ** 2).sum() <= 1
    labels = ask(warehouse, "SELECT * FROM cluster_map")
    assert set(labels["cluster_id"]) <= set(FRAMES["clusters"]["cluster_id"]) and labels.height > 5


def test_the_views_of_an_empty_release_answer_too() -> None:
    empty = {name: frame.clear() for name, frame in FRAMES.items()} | {
        "privacy_report": FRAMES["privacy_report"]
    }
    with connect(empty) as connection:
        for view in sql.view_names():
            connection.execute(f"SELECT * FROM {view}").fetchall()


def test_a_sound_release_has_no_failing_row(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert {
        name: len(warehouse.execute(query).fetchall()) for name, query in sql.check_statements().items()
    } == dict.fromkeys(sql.check_statements(), 0)


def test_checks_use_the_patterns_of_the_other_gates() -> None:
    checks = sql.check_statements()
    for pattern in IDENTIFIERS.values():
        assert f"'{pattern}'" in checks["identifiers_in_strings"]
    assert f"'{HIDDEN}'" in checks["hidden_characters"]


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


def without(*predicates: pl.Expr) -> Change:
    return lambda frame: frame.remove(*predicates)


STATED = pl.col("scope") == "thresholds"
NEWEST = pl.col("release") == pl.col("release").max()


def where(condition: pl.Expr, **values: object) -> Change:
    """Change columns of the rows that meet a condition."""
    return lambda frame: frame.with_columns(
        pl.when(condition).then(pl.lit(value, dtype=frame.schema[name])).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


def of(event: str) -> pl.Expr:
    return pl.col("event") == event


FAULTS: dict[str, list[tuple[str, Change]]] = {
    "limits_are_known": [
        ("privacy_report", without(STATED, pl.col("measure") == "min_users")),
        (
            "privacy_report",
            lambda frame: frame.with_columns(value=pl.when(STATED).then(0.0).otherwise("value")),
        ),
    ],
    "trends_follow_weeks": [
        ("cluster_weeks", first(conversations=9999)),
        ("cluster_weeks", first(cluster_id="nowhere")),
        ("cluster_trends", first(users=9999)),
        ("cluster_trends", first(q_value=0.9, direction="growing")),
        ("cluster_trends", first(q_value=0.01, growth=0.5, direction="growing")),
    ],
    "comparisons_meet_limits": [
        ("cluster_weeks", first(users=4)),
        ("facet_contrasts", first(conversations=7)),
        ("concern_quadrants", first(conversations=7)),
    ],
    "clusters_meet_limits": [
        ("clusters", first(users=4)),
        ("clusters", first(conversations=7)),
        ("clusters", first(users=9999)),
    ],
    "cells_meet_limits": [("cluster_cells", first(users=4)), ("cluster_cells", first(conversations=7))],
    "contrasts_are_cells": [
        ("language_contrasts", first(language="xx")),
        ("language_contrasts", first(ratio=9.0)),
        ("language_contrasts", first(conversations=9)),
    ],
    "children_add_up": [("clusters", without(pl.col("level") == 0, pl.col("name").str.ends_with("b1")))],
    "cells_add_up": [
        ("cluster_cells", lambda frame: frame.slice(1)),
        ("cluster_cells", first(cluster_id="nowhere")),
    ],
    "cells_are_nested": [
        ("cluster_cells", without(pl.col("cluster_id") == "m0", pl.col("dimension") == "week"))
    ],
    "shares_follow_counts": [("clusters", first(share=0.9)), ("cluster_cells", first(share=0.9))],
    "orphan_parents": [
        ("clusters", without(pl.col("cluster_id") == "m0")),
        ("clusters", lambda frame: frame.with_columns(level=pl.lit(0, dtype=pl.UInt8))),
    ],
    "lineage_covers_clusters": [
        ("cluster_lineage", without(NEWEST, of("split"))),
        ("cluster_lineage", lambda frame: pl.concat([frame, frame.filter(NEWEST, of("born"))])),
        ("cluster_lineage", where(NEWEST & of("born"), cluster_id="nowhere")),
    ],
    "lineage_fits_events": [
        ("cluster_lineage", where(of("continued"), previous_id="m0")),
        ("cluster_lineage", where(of("dormant"), quiet_since=None)),
        ("cluster_lineage", where(of("born"), previous_id="m0")),
        ("cluster_lineage", where(of("died"), overlap=0.5)),
        ("cluster_lineage", where(of("merged"), band=None)),
        ("cluster_lineage", where(of("split"), name=None)),
        ("cluster_lineage", where(of("split"), event="torn")),
    ],
    "lineage_names_what_was_shown": [
        ("cluster_lineage", where(of("died"), previous_id="never-shown")),
        ("cluster_lineage", where(of("merged"), previous_name="Another")),
        ("cluster_lineage", without(pl.col("release") == 1)),
    ],
    "duplicate_ids": [("clusters", lambda frame: pl.concat([frame, frame.head(1)]))],
    "duplicate_sibling_names": [("clusters", lambda frame: frame.with_columns(name=pl.lit("Same")))],
    "identifiers_in_strings": [
        ("clusters", first(name="ask jo@example.org")),
        ("clusters", first(summary="call +49 30 1234 5678")),
        ("cluster_cells", first(value="GB82 WEST 1234 5698 7654 32")),
        ("clusters", first(name="see https://x.example")),
        ("clusters", first(name="host 10.0.0.17")),
        ("cluster_lineage", where(of("died"), previous_name="ask jo@example.org")),
        ("usage_seeds", first(summary="ask jo@example.org")),
    ],
    "hidden_characters": [
        ("clusters", first(name="a\u202eb")),
        ("cluster_cells", first(value="a\u200bb")),
        ("cluster_lineage", first(name="a\u200bb")),
        ("usage_seeds", first(summary="a\u200bb")),
        ("eval_metrics", first(dataset="a\u202eb")),
        ("eval_suites", first(subject="a\u202eb")),
    ],
    "tiles_meet_limits": [("map_tiles", first(users=4)), ("map_tiles", first(conversations=7))],
    "tiles_add_up": [
        ("map_tiles", first(conversations=2999)),
        ("map_tiles", without(pl.col("zoom") == 0)),
        ("map_tiles", lambda frame: frame.filter(pl.int_range(pl.len()) != 1)),
    ],
    "map_clusters_are_published": [
        ("map_clusters", first(cluster_id="nowhere")),
        ("map_clusters", first(x=0.1234)),
        ("map_clusters", first(level=7)),
        ("map_clusters", first(map=9)),
    ],
    "opinions_meet_limits": [
        ("opinion_groups", first(participants=4)),
        ("opinion_map", first(participants=4)),
        ("statement_groups", first(voters=4)),
        ("statement_groups", lambda frame: frame.slice(1)),
        ("statement_consensus", first(agrees=9999)),
    ],
    "principles_have_sources": [
        ("principle_sources", lambda frame: frame.slice(1)),
        ("constitution_principles", first(statements=9)),
        ("constitution_principles", lambda frame: frame.slice(1)),
    ],
    "seeds_meet_limits": [("usage_seeds", first(users=4)), ("usage_seeds", first(conversations=7))],
    "reach_follows_similarity": [
        ("usage_reach", where(pl.col("covered"), items=0)),
        ("usage_reach", where(pl.col("covered"), covered=False)),
        ("usage_reach", first(threshold=None)),
        ("usage_reach", first(threshold=0.7)),
        ("usage_reach", where(~pl.col("covered"), similarity=0.95)),
    ],
    "losses_add_up": [
        ("eval_losses", first(answers=2)),
        ("eval_losses", lambda frame: frame.slice(1)),
        ("eval_losses", first(dataset="another")),
        ("eval_suites", first(answered=91)),
        ("eval_losses", where(pl.col("reason") == "unasked", answers=1)),
    ],
    "coverage_adds_up": [
        ("usage_coverage", first(share=0.9)),
        ("usage_coverage", first(covered_clusters=3)),
        ("usage_coverage", first(share_with_drafted=0.01)),
        ("usage_coverage", first(covered_with_drafted=0)),
        ("usage_coverage", first(clusters=3)),
        ("usage_coverage", first(unpublished=0.9)),
        ("usage_coverage", first(threshold=0.9)),
        ("usage_coverage", where(pl.col("covered_clusters") > 0, baseline=None)),
        ("usage_coverage", lambda frame: frame.head(1)),
        ("usage_reach", lambda frame: frame.filter(pl.col("suite") == frame["suite"][0])),
        ("usage_reach", where(pl.col("covered"), covered=False)),
    ],
}


def test_every_check_has_a_planted_fault() -> None:
    assert FAULTS.keys() == sql.check_statements().keys()


@pytest.mark.parametrize(
    ("check", "table", "change"),
    [(check, table, change) for check, faults in FAULTS.items() for table, change in faults],
)
def test_each_check_finds_its_fault(check: str, table: str, change: Change) -> None:
    with connect(FRAMES | {table: change(FRAMES[table])}) as connection:
        assert connection.execute(sql.check_statements()[check]).fetchall()
