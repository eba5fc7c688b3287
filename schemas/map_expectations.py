"""The Great Expectations suite of the published map; blocking, and shown to people as Data Docs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from schemas.expectations import BETWEEN, GIVEN, PAIR, TOGETHER_UNIQUE, UNIQUE, GxResult, Rules
from schemas.map import DEEPEST, GRID
from schemas.validation import run_suites

TABLES = ("map_tiles", "map_clusters")
LAST = 2**DEEPEST - 1


def validate_map(
    frames: Mapping[str, pl.DataFrame], min_users: int, min_conversations: int, docs_folder: Path
) -> GxResult:
    """Validate `map_tiles` and `map_clusters` and write their Data Docs to `docs_folder`; no values in either."""
    missing = [name for name in TABLES if name not in frames]
    if missing:
        return GxResult(False, tuple(f"{name}: is published" for name in missing))
    tables = {
        "map_tiles": _with_parts(frames["map_tiles"]),
        "map_clusters": frames["map_clusters"].with_columns(
            off_grid=pl.max_horizontal(
                (pl.col(name) * GRID - (pl.col(name) * GRID).round()).abs() for name in ("x", "y", "spread")
            )
        ),
    }
    rules = {"map_tiles": _tile_rules(min_users, min_conversations), "map_clusters": _position_rules()}
    outcomes = run_suites(tables, rules, docs_folder)
    failed = tuple(sorted(name for name, success in outcomes.items() if not success))
    return GxResult(not failed, failed)


def _with_parts(tiles: pl.DataFrame) -> pl.DataFrame:
    """Tiles with the difference between their conversations and those of their parts."""
    parts = (
        tiles.filter(pl.col("zoom") > 0)
        .group_by(zoom=pl.col("zoom") - 1, tile_x=pl.col("tile_x") // 2, tile_y=pl.col("tile_y") // 2)
        .agg(below=pl.col("conversations").cast(pl.Int64).sum())
    )
    joined = tiles.join(parts, on=["zoom", "tile_x", "tile_y"], how="left")
    gap = (pl.col("below") - pl.col("conversations").cast(pl.Int64)).fill_null(0)
    return joined.with_columns(gap=gap).drop("below")


def _tile_rules(users: int, conversations: int) -> Rules:
    return [
        ("enough users", BETWEEN, {"column": "users", "min_value": users}),
        ("enough conversations", BETWEEN, {"column": "conversations", "min_value": conversations}),
        (
            "no more users than conversations",
            PAIR,
            {"column_A": "conversations", "column_B": "users", "or_equal": True},
        ),
        ("parts add up to their tile", BETWEEN, {"column": "gap", "min_value": 0, "max_value": 0}),
        ("one row per tile", TOGETHER_UNIQUE, {"column_list": ["zoom", "tile_x", "tile_y"]}),
        ("zoom is known", BETWEEN, {"column": "zoom", "min_value": 0, "max_value": DEEPEST}),
        ("column is on the map", BETWEEN, {"column": "tile_x", "min_value": 0, "max_value": LAST}),
        ("row is on the map", BETWEEN, {"column": "tile_y", "min_value": 0, "max_value": LAST}),
    ]


def _position_rules() -> Rules:
    return [
        ("cluster_id is unique", UNIQUE, {"column": "cluster_id"}),
        ("cluster_id is given", GIVEN, {"column": "cluster_id"}),
        ("figures are rounded to the grid", BETWEEN, {"column": "off_grid", "max_value": 1e-9}),
        ("x is on the map", BETWEEN, {"column": "x", "min_value": 0, "max_value": 1}),
        ("y is on the map", BETWEEN, {"column": "y", "min_value": 0, "max_value": 1}),
        ("spread is at least a step", BETWEEN, {"column": "spread", "min_value": 1 / GRID}),
    ]
