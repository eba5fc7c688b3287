"""Schema of the inventory of what is published."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl


class PublishedTable(pa.DataFrameModel):
    """What is published: one row per table in the warehouse, with its size, its content hash and what it is.

    Written together with the DuckDB file, so its presence means that the file holds exactly these tables.
    """

    table_name: pl.String = pa.Field(unique=True, description="Name of the table in the schema `published`.")
    rows: pl.UInt64 = pa.Field(description="Rows of the table.")
    columns: pl.UInt32 = pa.Field(description="Columns of the table.")
    sha256: pl.String = pa.Field(
        str_length={"min_value": 64, "max_value": 64}, description="Hash of its Parquet file."
    )
    description: pl.String = pa.Field(description="What a row of the table is.")

    class Config:
        """Reject unknown columns."""

        strict = True
