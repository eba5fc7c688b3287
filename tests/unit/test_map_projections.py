"""The map as state: places stay, new rows join, and a new map is fitted only for the reasons given."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assets.clio.map import projections
from assets.clio.map.projections import project_conversations, vector_codes
from dagster_project.errors import ObservatoryError
from schemas.map import Projection as Schema
from tests.backends import separated

# Under sixty points the map is of principal components: the rules are the same, and a test costs nothing.
VECTORS, _ = separated(2_000, 6)


def named(start: int, stop: int) -> pl.Series:
    return pl.Series([f"c{index}" for index in range(start, stop)])


def project(start: int, stop: int, previous: pl.DataFrame | None = None, vectors: np.ndarray = VECTORS):
    return project_conversations(named(start, stop), vectors[start:stop], seed=0, previous=previous)


def test_the_first_map_holds_every_conversation_in_order() -> None:
    first = project(0, 50)
    assert first.refitted == "there was no map"
    assert first.projections["conversation_id"].to_list() == named(0, 50).to_list()
    assert first.projections["fitted"].all() and first.projections["map"].unique().to_list() == [1]
    Schema.validate(first.projections, lazy=True)


def test_places_stay_to_the_last_bit_when_data_is_added_and_taken_away() -> None:
    first = project(0, 50).projections
    second = project(0, 55, first)
    assert second.refitted is None
    assert second.projections.head(50).equals(first)
    assert second.projections["fitted"].to_list() == [True] * 50 + [False] * 5
    third = project(20, 55, second.projections)
    assert third.refitted is None and third.projections.equals(second.projections[20:])
    Schema.validate(third.projections, lazy=True)


def test_copies_stand_together_and_are_fitted_once() -> None:
    ids, vectors = named(0, 60), VECTORS[np.arange(60) % 30]
    table = project_conversations(ids, vectors, seed=0).projections
    assert table["fitted"].sum() == 30
    assert table.group_by("vector_hash").agg(pl.struct("x", "y").n_unique())["x"].max() == 1


def test_a_changed_vector_is_placed_again() -> None:
    first = project(0, 50).projections
    vectors = VECTORS.copy()
    vectors[7] = VECTORS[60]
    second = project(0, 50, first, vectors)
    assert second.refitted is None
    row = second.projections.row(7, named=True)
    assert not row["fitted"] and row["x"] != first["x"][7]
    assert second.projections.filter(pl.int_range(pl.len()) != 7).equals(
        first.filter(pl.int_range(pl.len()) != 7)
    )


def test_another_embedder_means_another_map() -> None:
    first = project(0, 50).projections
    other = project(0, 50, first, VECTORS[::-1].copy())
    assert other.refitted == "most of its fitted points are gone"
    assert other.projections["map"].unique().to_list() == [2]


def test_ten_times_the_points_mean_another_map(monkeypatch: pytest.MonkeyPatch) -> None:
    # The sample is kept small, so that the bound shows too: a map that has its full number of points stays.
    monkeypatch.setattr(projections, "SAMPLE", 50)
    first = project(0, 5).projections
    grown = project(0, 50, first)
    assert grown.refitted == "ten times as many points can be fitted"
    assert grown.projections["fitted"].sum() == 50
    full = project(0, 1_000, grown.projections)
    assert full.refitted is None and full.projections["fitted"].sum() == 50


def test_what_lies_off_the_map_means_another_map_once_it_is_more_than_a_tenth() -> None:
    first = project(0, 50).projections
    away = separated(40, 3, seed=99)[0]

    def with_away(count: int) -> tuple[pl.Series, np.ndarray]:
        return pl.concat([named(0, 50), named(5_000, 5_000 + count)]), np.concatenate(
            [VECTORS[:50], away[:count]]
        )

    few, many = with_away(4), with_away(30)
    assert project_conversations(*few, seed=0, previous=first).refitted is None
    assert (
        project_conversations(*many, seed=0, previous=first).refitted
        == "more than a tenth of all rows lie off it"
    )


def test_codes_tell_vectors_apart_and_forgive_rounding() -> None:
    codes = vector_codes(VECTORS)
    assert len(np.unique(codes)) == len(VECTORS)
    assert (vector_codes(VECTORS * np.float32(1 + 1e-7)) == codes).mean() > 0.98


def test_ids_and_vectors_belong_together() -> None:
    with pytest.raises(ObservatoryError, match="out of step"):
        project_conversations(named(0, 3), VECTORS[:4], seed=0)
