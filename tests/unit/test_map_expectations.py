"""The map's Great Expectations suite and schemas: a sound map passes, each fault fails by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from published_sample import LIMITS, published

from schemas.limits import published_schemas
from schemas.map_expectations import validate_map
from schemas.published import MODELS

FRAMES = {name: frame for name, frame in published().items() if name.startswith("map_")}
Change = Callable[[pl.DataFrame], pl.DataFrame]


def first(**values: object) -> Change:
    row = pl.int_range(pl.len()) == 0
    return lambda frame: frame.with_columns(
        pl.when(row).then(pl.lit(value, dtype=frame.schema[name])).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


def without_second(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.int_range(pl.len()) != 1)


FAULTS: list[tuple[str, Change, str, str]] = [
    ("map_tiles", first(users=4), "enough users", "large_enough"),
    ("map_tiles", first(conversations=7), "enough conversations", "large_enough"),
    ("map_tiles", first(users=9999), "no more users than conversations", "fewer_users_than_conversations"),
    ("map_tiles", without_second, "parts add up to their tile", "parts_add_up"),
    ("map_tiles", first(tile_x=200), "column is on the map", "inside_the_map"),
    ("map_clusters", first(x=0.1234), "figures are rounded to the grid", "on_the_grid"),
    ("map_clusters", first(y=1.25), "y is on the map", "less_than_or_equal_to"),
    (
        "map_clusters",
        lambda frame: frame.with_columns(cluster_id=pl.lit("same")),
        "cluster_id is unique",
        "unique",
    ),
]


def test_a_sound_map_passes_and_leaves_pages(tmp_path: Path) -> None:
    assert FRAMES["map_tiles"].height > 20 and FRAMES["map_clusters"].height > 5
    result = validate_map(FRAMES, 5, 8, tmp_path / "docs" / "map")
    assert (result.success, result.failed) == (True, ())
    assert (tmp_path / "docs" / "map" / "index.html").exists()
    for name, frame in FRAMES.items():
        published_schemas(LIMITS.nodes, LIMITS.cells)[name].validate(frame, lazy=True)


def test_a_map_that_may_not_be_shown_passes_empty(tmp_path: Path) -> None:
    empty = {name: frame.clear() for name, frame in FRAMES.items()}
    assert validate_map(empty, 5, 8, tmp_path / "map").success
    for name, frame in empty.items():
        MODELS[name].validate(frame, lazy=True)


@pytest.mark.parametrize("faults", [FAULTS[:1] + FAULTS[5:6], FAULTS[1:2] + FAULTS[6:7], FAULTS[2:3] + FAULTS[7:],
                                    FAULTS[3:4], FAULTS[4:5]])  # fmt: skip
def test_each_fault_fails_by_name(tmp_path: Path, faults: list[tuple[str, Change, str, str]]) -> None:
    broken = {table: change(FRAMES[table]) for table, change, _, _ in faults}
    failed = validate_map(FRAMES | broken, 5, 8, tmp_path / "map").failed
    assert {f"{table}: {rule}" for table, _, rule, _ in faults} <= set(failed)


@pytest.mark.parametrize(("table", "change", "_", "rule"), FAULTS, ids=[fault[2] for fault in FAULTS])
def test_each_fault_breaks_its_schema(table: str, change: Change, _: str, rule: str) -> None:
    from pandera.errors import SchemaErrors

    with pytest.raises(SchemaErrors) as refusal:
        published_schemas(LIMITS.nodes, LIMITS.cells)[table].validate(change(FRAMES[table]), lazy=True)
    broken = {str(getattr(error.check, "name", error.check)) for error in refusal.value.schema_errors}
    assert any(rule in name for name in broken) or "unique" in str(refusal.value.schema_errors), broken


def test_a_missing_table_fails(tmp_path: Path) -> None:
    assert validate_map({}, 5, 8, tmp_path).failed == (
        "map_tiles: is published",
        "map_clusters: is published",
    )
