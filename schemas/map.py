"""Tables of the map of use: restricted places of conversations, published tiles and cluster positions."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

GRID = 64
DEEPEST = 7
TOLERANCE = 1e-9


class Projection(pa.DataFrameModel):
    """Where each conversation stands on the map, and which of them the map was fitted on; also its own state.

    Restricted: a place tells much about a text. Places stay as they are while `map` stays the same.
    """

    conversation_id: pl.String = pa.Field(str_length={"min_value": 1}, description="Id of the conversation.")
    x: pl.Float32 = pa.Field(ge=0, lt=1, description="Place from left to right.")
    y: pl.Float32 = pa.Field(ge=0, lt=1, description="Place from bottom to top.")
    fitted: pl.Boolean = pa.Field(
        description="Whether the map was fitted on it; others were placed among these."
    )
    nearest: pl.Float32 = pa.Field(
        ge=0, le=2.001, description="Cosine distance to the nearest other fitted conversation."
    )
    vector_hash: pl.UInt64 = pa.Field(description="Tells whether its embedding is still the same.")
    map: pl.UInt32 = pa.Field(ge=1, description="Ordinal of the map; another number means other coordinates.")

    @pa.dataframe_check
    @classmethod
    def one_map(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """All rows are of one map, and some of them were fitted."""
        one = (pl.col("map") == pl.col("map").first().over(pl.lit(1))) & pl.col("fitted").any().over(
            pl.lit(1)
        )
        return data.lazyframe.select(one)

    class Config:
        """Exactly these columns, one row per conversation."""

        strict = True
        unique = ["conversation_id"]  # noqa: RUF012 pandera reads a plain list


class MapTile(pa.DataFrameModel):
    """How dense the map of use is: users and conversations of square tiles, at zooms from the whole to 128 by 128.

    A tile is divided where each part passes the limits; thin parts count for their nearest neighbour inside the tile,
    so parts always add up. No tile tells where a single conversation stands.
    """

    map: pl.UInt32 = pa.Field(ge=1, description="Ordinal of the map: releases of one map share coordinates.")
    zoom: pl.UInt8 = pa.Field(le=DEEPEST, description="0 is the whole map; each zoom halves the side.")
    tile_x: pl.UInt16 = pa.Field(description="Column of the tile from the left, 0 first.")
    tile_y: pl.UInt16 = pa.Field(description="Row of the tile from the bottom, 0 first.")
    users: pl.UInt32 = pa.Field(ge=1, description="Distinct users of the tile.")
    conversations: pl.UInt32 = pa.Field(ge=1, description="Conversations counted in the tile.")

    @pa.dataframe_check
    @classmethod
    def inside_the_map(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Columns and rows are those of the zoom."""
        side = pl.lit(2).pow(pl.col("zoom").cast(pl.Int64))
        return data.lazyframe.select((pl.col("tile_x") < side) & (pl.col("tile_y") < side))

    @pa.dataframe_check
    @classmethod
    def parts_add_up(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Every tile but the whole is part of a tile; parts have its conversations together, and its users at least."""
        above = data.lazyframe.filter(pl.col("zoom") > 0).group_by(
            zoom=pl.col("zoom") - 1, tile_x=pl.col("tile_x") // 2, tile_y=pl.col("tile_y") // 2
        )
        parts = above.agg(
            total=pl.col("conversations").cast(pl.Int64).sum(),
            people=pl.col("users").cast(pl.Int64).sum(),
            most=pl.col("users").max(),
        )
        place = ["zoom", "tile_x", "tile_y"]
        joined = data.lazyframe.join(parts, on=place, how="left", maintain_order="left")
        fits = (pl.col("total") == pl.col("conversations")) & (pl.col("most") <= pl.col("users"))
        fits &= pl.col("people") >= pl.col("users")
        whole = data.lazyframe.select(*place, known=pl.lit(True))
        up = joined.with_columns(
            zoom=(pl.col("zoom").cast(pl.Int16) - 1).clip(0).cast(pl.UInt8),
            tile_x=pl.col("tile_x") // 2,
            tile_y=pl.col("tile_y") // 2,
        ).join(whole, on=place, how="left", maintain_order="left")
        return up.select(
            (pl.col("total").is_null() | fits.fill_null(False)) & pl.col("known").fill_null(False)
        )

    @pa.dataframe_check
    @classmethod
    def fewer_users_than_conversations(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No tile has more users than conversations."""
        return data.lazyframe.select(pl.col("users") <= pl.col("conversations"))

    class Config:
        """Exactly these columns, one row per tile."""

        strict = True
        unique = ["zoom", "tile_x", "tile_y"]  # noqa: RUF012 pandera reads a plain list


class MapCluster(pa.DataFrameModel):
    """Where each published cluster stands on the map and how far it spreads, on a grid of 64 by 64.

    From means of at least as many users as a cluster needs, the outer half of them left aside.
    """

    map: pl.UInt32 = pa.Field(ge=1, description="Ordinal of the map: releases of one map share coordinates.")
    cluster_id: pl.String = pa.Field(unique=True, description="Cluster, as in `clusters`.")
    level: pl.UInt8 = pa.Field(description="Height of the cluster in the tree: 0 is the finest level.")
    x: pl.Float64 = pa.Field(ge=0, le=1, description="Centre from left to right, in 64ths of the map's side.")
    y: pl.Float64 = pa.Field(ge=0, le=1, description="Centre from bottom to top, in 64ths of the map's side.")
    spread: pl.Float64 = pa.Field(
        ge=1 / GRID, le=1.5, description="Distance of a typical user from the centre, at least one 64th."
    )

    @pa.check("x", "y", "spread", name="on_the_grid")
    @classmethod
    def on_the_grid(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Figures are whole 64ths: nothing finer is told."""
        steps = pl.col(data.key) * GRID
        return data.lazyframe.select((steps - steps.round()).abs() < TOLERANCE)

    class Config:
        """Exactly these columns."""

        strict = True
