"""The checker of finished tables: silent on sound releases, and red as soon as one protection is missing."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from small_releases import BANDS, FLOOR, SMALL, Inputs, inputs, make

from dagster_project.privacy import cells as cell_rules
from dagster_project.privacy import exposure, tables
from dagster_project.privacy.exposure import exposed_cells
from dagster_project.privacy.thresholds import Thresholds

DOMAINS = {"concern_band": list(BANDS)}


def exposed(data: Inputs, thresholds: Thresholds) -> pl.DataFrame:
    released = data.release(thresholds)
    return exposed_cells(
        released.clusters,
        released.cluster_cells,
        released.language_contrasts,
        min_users=thresholds.cells.min_users,
        min_conversations=thresholds.cells.min_conversations,
        domains=DOMAINS,
    )


@settings(deadline=None, max_examples=12)
@given(inputs)
def test_a_sound_release_gives_nothing_away(data: Inputs) -> None:
    assert exposed(data, SMALL).is_empty()


def test_a_missing_complement_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    releases = [make(seed, 200, 50, (2, 3)) for seed in range(4)]
    assert all(exposed(data, FLOOR).is_empty() for data in releases)
    monkeypatch.setattr(tables.Table, "_column_faults", lambda self: np.empty(0, dtype=np.int64))
    monkeypatch.setattr(tables.Table, "_narrow", lambda self: np.empty(0, dtype=np.int64))
    nothing = pl.DataFrame(schema={"node": pl.UInt32, "value": pl.String})
    monkeypatch.setattr(cell_rules, "_given_away", lambda *_: nothing)
    assert sum(not exposed(data, FLOOR).is_empty() for data in releases) >= 2


def cross(hidden: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A parent with three children and three languages; the first two children withhold two languages each.

    Interval arithmetic alone leaves each withheld cell `hidden` wide on both sides; so do the programmes.
    """
    sizes = {"p": 300, "a": 100, "b": 100, "c": 100}
    clusters = pl.DataFrame(
        {
            "cluster_id": list(sizes),
            "parent_id": [None, "p", "p", "p"],
            "conversations": list(sizes.values()),
            "users": list(sizes.values()),
        }
    )
    shown = [
        *(("p", value, 100) for value in ("en", "fr", "de")),
        ("a", "en", 100 - 2 * hidden),
        ("a", "other", 2 * hidden),
        ("b", "en", 2 * hidden),
        ("b", "other", 100 - 2 * hidden),
        ("c", "fr", 50),
        ("c", "de", 50),
    ]
    cells = pl.DataFrame(
        [(cluster, "language", value, count, count) for cluster, value, count in shown],
        schema=["cluster_id", "dimension", "value", "conversations", "users"],
        orient="row",
    )
    return clusters, cells


@pytest.mark.parametrize(("hidden", "found"), [(4, True), (20, False)])
def test_narrow_blocks_are_found_whichever_way_they_are_narrow(hidden: int, found: bool) -> None:
    clusters, cells = cross(hidden)
    contrasts = pl.DataFrame(schema={"language": pl.String, "base_rate": pl.Float64})
    result = exposed_cells(clusters, cells, contrasts, min_users=10, min_conversations=15)
    assert result.is_empty() != found
    assert set(result["cluster_id"]) <= {"a", "b"}


def test_base_rates_are_read_as_an_attacker_reads_them() -> None:
    """Two top clusters: the language that one of them withholds is the base rate less the other's cell."""
    clusters = pl.DataFrame(
        {"cluster_id": ["a", "b"], "parent_id": [None, None], "conversations": [60, 40], "users": [60, 40]},
        schema_overrides={"parent_id": pl.String},
    )
    cells = pl.DataFrame(
        [("a", "language", "en", 30, 30), ("a", "language", "other", 30, 30)],
        schema=["cluster_id", "dimension", "value", "conversations", "users"],
        orient="row",
    )
    told = pl.DataFrame({"language": ["en"], "base_rate": [0.32]})
    limits = {"min_users": 10, "min_conversations": 15}
    assert exposed_cells(clusters, cells, told, **limits).rows() == [("b", "language", "en")]
    assert exposed_cells(clusters, cells, told.clear(), **limits).is_empty()


def test_programmes_find_what_intervals_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where intervals alone are made blind, the exact look still sees the narrow cells."""
    clusters, cells = cross(4)
    contrasts = pl.DataFrame(schema={"language": pl.String, "base_rate": pl.Float64})
    propagate = exposure.propagate

    def blind(public, with_users=True):
        bounds = propagate(public, with_users)
        wide = ~public.known & (bounds.high > 0)
        bounds.low[wide], bounds.users_low[wide] = 0.0, 0.0
        bounds.high[wide] = np.maximum(bounds.high[wide], 20.0)
        bounds.users_high[wide] = np.maximum(bounds.users_high[wide], 20.0)
        return bounds

    limits = {"min_users": 10, "min_conversations": 15}
    monkeypatch.setattr(exposure, "propagate", blind)
    assert not exposed_cells(clusters, cells, contrasts, **limits).is_empty()
    monkeypatch.setattr(exposure, "programme", lambda public, with_users, within, *_: within)
    assert exposed_cells(clusters, cells, contrasts, **limits).is_empty()
