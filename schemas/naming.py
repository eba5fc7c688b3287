"""What named the clusters, and under which names they may be published."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

from schemas.clio import DIMENSION, unit_length_of


class ClusterNaming(pa.DataFrameModel):
    """What named each node of the tree, and where its content pointed then; empty where no model names.

    Restricted. A name is kept while the content still points there and the same model and prompts are asked.
    """

    cluster_id: pl.String = pa.Field(unique=True, str_length={"min_value": 1}, description="Id of the node.")
    maker: pl.String = pa.Field(
        str_length={"min_value": 1}, description="Model and prompts that named it, or shared_terms."
    )
    formed_by: pl.String = pa.Field(
        isin=["kmeans", "model", "centroids"], description="What put its members together."
    )
    centroid: pl.Array = pa.Field(
        dtype_kwargs={"inner": pl.Float32, "shape": DIMENSION},
        description="Mean direction of its members when it was named, length 1.",
    )

    @pa.check("centroid", name="unit_length")
    @classmethod
    def unit_length(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Every centroid has length 1."""
        return unit_length_of(data)

    class Config:
        """Exactly these columns."""

        strict = True


class ClusterLabel(pa.DataFrameModel):
    """Name and summary under which each node may be published, what wrote them, and what the auditor said.

    Restricted: small nodes are in it.
    """

    cluster_id: pl.String = pa.Field(unique=True, str_length={"min_value": 1}, description="Id of the node.")
    name: pl.String = pa.Field(str_length={"min_value": 1}, description="Name; no two siblings share one.")
    summary: pl.String = pa.Field(description="What its conversations are about.")
    namer: pl.String = pa.Field(str_length={"min_value": 1}, description="What wrote name and summary.")
    first_rating: pl.UInt8 = pa.Field(
        nullable=True,
        ge=1,
        le=5,
        description="The auditor's rating of the name it was first given: 1 tells of one person, 5 of nobody; null: none.",
    )
    passed: pl.Boolean = pa.Field(
        nullable=True, description="Whether this name passed the auditor; null where there is no auditor."
    )

    class Config:
        """Exactly these columns."""

        strict = True
