"""The published tables: what is in them, what is not, and that they describe themselves truly."""

from __future__ import annotations

import polars as pl
import pytest
from tiny_release import LIMITS, NODES, Row, ids, plain, release, report, rows

from assets.clio.release import release_tables
from dagster_project.errors import ObservatoryError
from dagster_project.privacy.thresholds import Thresholds
from schemas.limits import published_schemas
from schemas.published import MODELS


def test_everything_large_is_published_with_exact_counts() -> None:
    released = release(*plain())
    counts = {
        row[0]: row[1:]
        for row in released.clusters.select("cluster_id", "users", "conversations").iter_rows()
    }
    assert counts == {
        "top": (30, 75),
        "side": (40, 40),
        "bread": (30, 30),
        "soup": (25, 25),
        "cake": (20, 20),
        "trains": (40, 40),
    }
    shares = dict(released.clusters.select("cluster_id", "share").iter_rows())
    assert shares["top"] == 75 / 115
    assert released.clusters["reader"].unique().to_list() == ["extractive-1"]
    assert released.clusters.row(0, named=True)["cluster_id"] == "top"


def test_tables_pass_their_schemas_and_their_limits() -> None:
    released = release(*plain(), rows("bread", 12, language="fr", prefix="f"), rows("soup", 3, language="de"))
    strict = published_schemas(LIMITS.nodes, LIMITS.cells)
    for name, frame in released.frames().items():
        MODELS[name].validate(frame, lazy=True)
        strict[name].validate(frame, lazy=True)
    assert released.counts()["clusters"] == released.clusters.height


def test_stricter_limits_refuse_the_same_tables() -> None:
    from pandera.errors import SchemaErrors

    released = release(*plain())
    strict = published_schemas(Thresholds(min_users=25, min_conversations=25).nodes, LIMITS.cells)
    with pytest.raises(SchemaErrors) as refusal:
        strict["clusters"].validate(released.clusters, lazy=True)
    assert {error.check.name for error in refusal.value.schema_errors} == {"large_enough"}
    assert published_schemas(LIMITS.nodes, LIMITS.cells)["clusters"].validate(released.clusters) is not None


def test_a_small_cluster_goes_into_other_with_its_smallest_sibling() -> None:
    released = release(rows("bread", 30), rows("soup", 25), rows("cake", 3), rows("trains", 40))
    assert ids(released) == {"top", "side", "bread", "other-top", "trains"}
    other = released.clusters.row(by_predicate=pl.col("cluster_id") == "other-top", named=True)
    assert (other["name"], other["level"], other["parent_id"], other["conversations"]) == (
        "Other",
        0,
        "top",
        28,
    )
    assert report(released, "level 0", "clusters_withheld_users") == 1
    assert report(released, "level 0", "clusters_withheld_complement") == 1
    assert report(released, "level 0", "conversations_unnamed") == 28
    assert report(released, "level 0", "users_unnamed") == 25


def test_other_gets_another_name_where_a_sibling_has_it() -> None:
    named = NODES.with_columns(
        name=pl.when(pl.col("cluster_id") == "bread").then(pl.lit("OTHER")).otherwise("name")
    )
    released = release(rows("bread", 30), rows("soup", 25), rows("cake", 3), rows("trains", 40), nodes=named)
    names = released.clusters.filter(pl.col("parent_id") == "top")["name"].str.to_lowercase()
    assert names.n_unique() == names.len() == 2


def test_an_only_child_that_is_small_leaves_its_parent_without_children() -> None:
    """Two children, one small: the other one would be the difference."""
    released = release(rows("bread", 30), rows("soup", 3), rows("trains", 40))
    assert ids(released) == {"top", "side", "trains"}
    assert report(released, "level 0", "clusters_withheld_complement") == 1


def test_small_tops_are_merged_and_their_children_with_them() -> None:
    released = release(rows("bread", 30), rows("soup", 25), rows("trains", 4))
    assert ids(released) == set()
    assert report(released, "level 1", "clusters_withheld_users") == 1
    assert report(released, "level 0", "clusters_withheld_closed") == 3
    assert report(released, "release", "conversations") == 59


def test_a_release_that_is_too_small_publishes_only_a_report() -> None:
    released = release(rows("bread", 7))
    assert released.counts() | {"privacy_report": 0} == dict.fromkeys(released.counts(), 0)
    assert report(released, "release", "conversations") is None
    assert report(released, "release", "users") is None
    for name, frame in released.frames().items():
        MODELS[name].validate(frame, lazy=True)


def test_no_conversations_at_all() -> None:
    released = release(rows("bread", 1))
    empty = release_tables(
        pl.DataFrame(schema={"conversation_id": pl.String, "cluster_id": pl.String}),
        NODES.clear(),
        pl.DataFrame(
            schema={
                **dict.fromkeys(("conversation_id", "user_key", "language", "model"), pl.String),
                "week": pl.Date,
            }
        ),
        pl.DataFrame(schema={"conversation_id": pl.String, "concern_band": pl.String}),
        thresholds=LIMITS,
        reader="r",
        embedder="e",
        namer="n",
    )
    for name, frame in empty.frames().items():
        assert frame.schema == released.frames()[name].schema


def test_one_busy_user_does_not_make_a_cluster() -> None:
    busy = rows("cake", 500, users=1, prefix="busy") + rows("cake", 9)
    released = release(rows("bread", 30), rows("soup", 600), busy, rows("trains", 40))
    assert "cake" not in ids(released)
    assert report(released, "level 0", "clusters_withheld_dominance") == 1


def test_conversations_without_user_id_count_as_one_user() -> None:
    unknown: list[Row] = [("cake", None, "en", 0, "m-1", "none")] * 30
    released = release(rows("bread", 30), rows("soup", 60), [*unknown, *rows("cake", 9)], rows("trains", 40))
    assert "cake" not in ids(released)
    assert report(released, "level 0", "clusters_withheld_unknown_users") == 1
    assert report(released, "release", "conversations_without_user") == 30


def test_a_few_conversations_without_user_id_are_not_told() -> None:
    unknown: list[Row] = [("cake", None, "en", 0, "m-1", "none")] * 3
    released = release(*plain(), unknown)
    assert report(released, "release", "conversations_without_user") is None
    assert report(released, "release", "users") == 41


def test_conversations_outside_every_cluster_are_counted() -> None:
    assert report(release(*plain(), extra=9), "release", "conversations_unclustered") == 9
    assert report(release(*plain(), extra=2), "release", "conversations_unclustered") is None


def test_limits_are_in_the_report() -> None:
    stated = release(*plain()).privacy_report.filter(pl.col("scope") == "thresholds")
    values = dict(stated.select("measure", "value").iter_rows())
    assert values["min_users"] == values["cell_min_users"] == 5
    assert values["min_conversations"] == 8
    assert values["unsafe_below_floor"] == 0


def test_the_order_of_rows_does_not_matter() -> None:
    groups = [*plain(), rows("trains", 20, language="fr", week=1), rows("cake", 2, language="de")]
    first = release(*groups)
    second = release(*reversed([list(reversed(group)) for group in groups]))
    for name, frame in first.frames().items():
        assert frame.equals(second.frames()[name]), name


def test_input_that_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ObservatoryError, match="cluster again"):
        release(rows("nowhere", 20))
    with pytest.raises(ObservatoryError, match="cluster again"):
        release(*plain(), nodes=NODES.filter(pl.col("cluster_id") != "top"))
    circle = NODES.with_columns(
        parent_id=pl.when(pl.col("cluster_id") == "top").then(pl.lit("top")).otherwise("parent_id")
    )
    with pytest.raises(ObservatoryError, match="circle"):
        release(*plain(), nodes=circle)
    twice = pl.DataFrame({"conversation_id": ["a", "a"], "cluster_id": ["bread", "soup"]})
    facets = pl.DataFrame(
        {"conversation_id": ["a"], "user_key": ["u"], "language": ["en"], "week": [None], "model": ["m"]}
    )
    concerns = pl.DataFrame({"conversation_id": ["a"], "concern_band": ["none"]})
    with pytest.raises(ObservatoryError, match="twice"):
        release_tables(twice, NODES, facets, concerns, thresholds=LIMITS, reader="r", embedder="e", namer="n")
