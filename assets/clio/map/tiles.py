"""How dense the map is, as a quadtree of tiles whose every count may be known.

From the top down a tile is divided in four where each quarter that is shown passes the limits. Quarters that do not are
counted in the nearest quarter that does, so the parts always add up to the whole: there is no remainder, at any
zoom, that subtraction could bring to light. A tile whose small quarters hold too much of it is not divided: the map
is coarse where few people are.
"""

from __future__ import annotations

import polars as pl

from dagster_project.privacy.thresholds import Limits, measure
from schemas.map import DEEPEST

MOST_MOVED = 0.1
SCHEMA = {
    "zoom": pl.UInt8,
    "tile_x": pl.UInt16,
    "tile_y": pl.UInt16,
    "users": pl.UInt32,
    "conversations": pl.UInt32,
}
TILE = ("tile_x", "tile_y")
QUARTER = ("right", "up")


def tile_counts(points: pl.DataFrame, limits: Limits, deepest: int = DEEPEST) -> pl.DataFrame:
    """Users and conversations of every tile that is shown, by zoom, tile_x, tile_y.

    In: `user`, and x, y in [0, 1), of each conversation. Tile (i, j) of zoom z spans [i, i + 1) x [j, j + 1) times
    2^-z. Empty where the whole does not pass.
    """
    rows = points.select("user", "x", "y", tile_x=pl.lit(0, pl.Int32), tile_y=pl.lit(0, pl.Int32))
    whole = _measured(rows, *TILE).with_columns(reason=limits.reason())
    if points.is_empty() or whole["reason"].is_not_null().any():
        return pl.DataFrame(schema=SCHEMA)
    shown = [_counts(rows, 0)]
    for zoom in range(1, deepest + 1):
        rows = _divide(rows, zoom, limits)
        if rows.is_empty():
            break
        shown.append(_counts(rows, zoom))
    return pl.concat(shown)


def _counts(rows: pl.DataFrame, zoom: int) -> pl.DataFrame:
    sizes = _measured(rows, *TILE).with_columns(zoom=pl.lit(zoom))
    return sizes.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()).sort(TILE)


def _measured(rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    entries = rows.lazy().group_by(*by, "user").agg(n=pl.len().cast(pl.Int64)).collect()
    return measure(entries, *by)


def _divide(rows: pl.DataFrame, zoom: int, limits: Limits) -> pl.DataFrame:
    """The rows of the tiles that can be divided, each with the quarter it is counted in as its tile."""
    side = 2.0**-zoom
    middle_x, middle_y = (2 * pl.col("tile_x") + 1) * side, (2 * pl.col("tile_y") + 1) * side
    rows = rows.with_columns(right=pl.col("x") >= middle_x, up=pl.col("y") >= middle_y)
    sizes = _measured(rows, *TILE, *QUARTER).with_columns(passes=limits.reason().is_null())
    passing = sizes.group_by(TILE).agg(
        moved=pl.col("conversations").filter(~pl.col("passes")).sum() / pl.col("conversations").sum(),
        **{
            f"shows_{int(right)}{int(up)}": (
                (pl.col("right") == right) & (pl.col("up") == up) & pl.col("passes")
            ).any()
            for right in (False, True)
            for up in (False, True)
        },
    )
    open_tiles = passing.filter(pl.col("moved") <= MOST_MOVED).drop("moved")
    rows = rows.join(open_tiles, on=TILE, how="inner").with_columns(
        _nearest_shown((pl.col("x") - middle_x).abs(), (pl.col("y") - middle_y).abs())
    )
    # What moved in may dominate a quarter: then its tile stays whole.
    dominated = _measured(rows, *TILE, *QUARTER).with_columns(reason=limits.reason()).drop_nulls("reason")
    rows = rows.join(dominated.select(TILE), on=TILE, how="anti")
    return rows.select(
        "user",
        "x",
        "y",
        tile_x=2 * pl.col("tile_x") + pl.col("right").cast(pl.Int32),
        tile_y=2 * pl.col("tile_y") + pl.col("up").cast(pl.Int32),
    )


def _nearest_shown(across: pl.Expr, along: pl.Expr) -> list[pl.Expr]:
    """`right` and `up` of the nearest quarter that is shown, for rows `across` and `along` from the middle."""

    def shows(flip_x: bool, flip_y: bool) -> pl.Expr:
        right, up = pl.col("right") ^ flip_x, pl.col("up") ^ flip_y
        return (
            (pl.col("shows_00") & ~right & ~up)
            | (pl.col("shows_01") & ~right & up)
            | (pl.col("shows_10") & right & ~up)
            | (pl.col("shows_11") & right & up)
        )

    beside, above = shows(True, False), shows(False, True)
    stays = shows(False, False)
    sideways = ~stays & beside & (~above | (across <= along))
    upwards = ~stays & above & ~sideways
    corner = ~stays & ~sideways & ~upwards
    return [
        (pl.col("right") ^ (sideways | corner)).alias("right"),
        (pl.col("up") ^ (upwards | corner)).alias("up"),
    ]
