"""What is published of clusters over time: only what was shown, and no share that singles out a few."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.clio.changes import SCHEMA as CHANGES
from assets.clio.lineage import SCHEMA, lineage_rows, overlap_bands
from dagster_project.errors import ObservatoryError
from dagster_project.privacy.thresholds import Limits
from schemas.lineage import ClusterLineage

LIMITS = Limits(10, 15, 0.5)
MONDAY = date(2025, 2, 3)
Told = set[tuple[str, str | None, str | None]]


def changes(release: int, *rows: tuple[str, str | None, str | None]) -> pl.DataFrame:
    """Rows of cluster_changes: event, cluster, previous; every figure is 400 of 500."""
    sizes = {"conversations": 600, "known": 500, "previous_known": 500, "shared": 400}
    columns = ["event", "cluster_id", "previous_id"]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    frame = frame.with_columns(
        release=release, level=0, parent_id=None, **{k: pl.lit(v) for k, v in sizes.items()}
    )
    return frame.select(pl.col(name).cast(dtype) for name, dtype in CHANGES.items())


def kept(*clusters: str) -> list[tuple[str, str | None, str | None]]:
    return [("continued", cluster, cluster) for cluster in clusters]


def shown(*clusters: str, suffix: str = "") -> pl.DataFrame:
    return pl.DataFrame(
        {"cluster_id": clusters, "name": [f"About {cluster}{suffix}" for cluster in clusters]}
    )


def silent(*clusters: str) -> pl.DataFrame:
    schema = {"cluster_id": pl.String, "quiet_since": pl.Date}
    return pl.DataFrame({"cluster_id": clusters, "quiet_since": [MONDAY] * len(clusters)}, schema=schema)


def tell(
    earlier: pl.DataFrame | None,
    raw: pl.DataFrame,
    published: pl.DataFrame,
    quiet: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The table with the rows of one more release."""
    before = pl.DataFrame(schema=SCHEMA) if earlier is None else earlier
    rows = lineage_rows(raw, published, silent() if quiet is None else quiet, before, LIMITS)
    table = pl.concat([before, rows])
    ClusterLineage.validate(table, lazy=True)
    return table


def events(table: pl.DataFrame) -> Told:
    newest = table.filter(pl.col("release") == pl.col("release").max())
    return set(newest.select("event", "cluster_id", "previous_id").iter_rows())


@pytest.fixture
def first() -> pl.DataFrame:
    raw = changes(1, ("born", "a", None), ("born", "b", None), ("born", "tiny", None))
    return tell(None, raw, shown("a", "b", "other-top"))


def test_the_first_release_is_all_births_and_others_have_no_identity(first: pl.DataFrame) -> None:
    assert events(first) == {("born", "a", None), ("born", "b", None)}


def test_what_goes_on_splits_and_merges_is_told_with_names(first: pl.DataFrame) -> None:
    raw = changes(2, *kept("a"), ("split", "n", "a"), ("merged", "a", "b"))
    table = tell(first, raw, shown("a", "n", suffix=" now"))
    assert events(table) == {("continued", "a", "a"), ("split", "n", "a"), ("merged", "a", "b")}
    merged = table.filter(pl.col("event") == "merged").to_dicts()[0]
    assert (merged["name"], merged["previous_name"]) == ("About a now", "About b")
    assert table.head(first.height).equals(first), "earlier rows stay"


def test_clusters_that_were_never_shown_are_never_named(first: pl.DataFrame) -> None:
    raw = changes(
        2, *kept("a", "tiny"), ("split", "n", "tiny"), ("merged", "tiny", "b"), ("born", "small", None)
    )
    table = tell(first, raw, shown("a", "n"))
    assert events(table) == {("continued", "a", "a"), ("born", "n", None), ("died", None, "b")}
    named = {*table["cluster_id"].drop_nulls(), *table["previous_id"].drop_nulls()}
    assert named == {"a", "b", "n"}


def test_a_cluster_that_grows_into_sight_is_born_and_one_that_shrinks_out_of_it_dies(
    first: pl.DataFrame,
) -> None:
    second = tell(first, changes(2, *kept("a", "b", "tiny")), shown("a", "tiny"))
    assert events(second) == {("continued", "a", "a"), ("born", "tiny", None), ("died", None, "b")}
    died = second.filter(pl.col("event") == "died").to_dicts()[0]
    assert died["previous_name"] == "About b" and died["overlap"] is None
    third = tell(second, changes(3, *kept("a", "b", "tiny")), shown("a", "b", "tiny"))
    assert events(third) == {("continued", "a", "a"), ("continued", "tiny", "tiny"), ("revived", "b", None)}


def test_dormant_is_told_once_and_revived_when_it_is_used_again(first: pl.DataFrame) -> None:
    table = first
    for release, quiet, event in ((2, ["a"], "dormant"), (3, ["a"], "continued"), (4, [], "revived")):
        table = tell(table, changes(release, *kept("a", "b")), shown("a", "b"), silent(*quiet))
        row = table.filter((pl.col("release") == release) & (pl.col("cluster_id") == "a")).to_dicts()[0]
        assert row["event"] == event
        assert row["quiet_since"] == (MONDAY if quiet else None)


def test_over_a_release_that_was_refused_only_ids_are_compared(first: pl.DataFrame) -> None:
    raw = changes(3, *kept("a"), ("split", "n", "a"), ("merged", "a", "b"))
    table = tell(first, raw, shown("a", "n"))
    assert events(table) == {("continued", "a", "a"), ("born", "n", None), ("died", None, "b")}
    assert table.filter(pl.col("release") == 3)["overlap"].null_count() == 3


def test_a_release_with_nothing_to_show_is_all_deaths(first: pl.DataFrame) -> None:
    empty = shown().cast({"cluster_id": pl.String, "name": pl.String})
    assert events(tell(first, changes(2, *kept("a", "b")), empty)) == {
        ("died", None, "a"),
        ("died", None, "b"),
    }


def test_tables_of_two_generations_are_refused(first: pl.DataFrame) -> None:
    with pytest.raises(ObservatoryError, match="out of step"):
        tell(first, changes(2, *kept("a")), shown("a", "b"))


def bands(known: int, previous: int, shared: int, least: int = 15) -> tuple:
    frame = pl.DataFrame(
        {"previous_id": ["p"], "known": [known], "previous_known": [previous], "shared": [shared]}
    )
    told = overlap_bands(frame, least)
    return told.select("band", "overlap", "share_of_previous", "share_of_cluster").row(0)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((1000, 1000, 1000), (0.05, 0.95, 0.95, 0.95)),
        ((200, 200, 190), (0.1, 0.9, 0.9, 0.9)),
        ((100, 400, 100), (0.25, 0.0, 0.0, 0.75)),
        ((40, 40, 40), (0.5, 0.5, 0.5, 0.5)),
        ((29, 400, 29), (None, None, None, None)),
        ((0, 50, 0), (None, None, None, None)),
    ],
)
def test_shares_come_in_steps_that_fit_the_size(sizes: tuple[int, int, int], expected: tuple) -> None:
    assert bands(*sizes) == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(known=st.integers(1, 700), previous=st.integers(1, 700), data=st.data())
def test_who_knows_both_sizes_is_left_with_as_many_counts_as_a_cluster_needs(
    known: int, previous: int, data: st.DataObject
) -> None:
    least, smaller = 15, min(known, previous)
    true = data.draw(st.integers(0, smaller))
    possible = pl.DataFrame({"shared": range(smaller + 1)}).with_columns(
        previous_id=pl.lit("p"), known=known, previous_known=previous
    )
    told = overlap_bands(possible, least).select("band", "overlap", "share_of_previous", "share_of_cluster")
    same = sum(row == told.row(true) for row in told.iter_rows())
    assert same >= min(least, smaller + 1)
