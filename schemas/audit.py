"""What a model auditor found at each layer: from raw conversations to the names that are published."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

LAYERS = ("conversations", "requests", "cluster_names")
ROUNDING = 0.011


class AuditReport(pa.DataFrameModel):
    """How much an auditor by a model found to be private at each layer, in a sample; empty without such an auditor.

    Private is what it rated 1 or 2 of 5, and what it gave no readable rating. A low share does not prove that nothing
    private is there.
    """

    layer: pl.String = pa.Field(
        unique=True,
        isin=LAYERS,
        description="conversations (redacted), requests (facets of the same conversations) or cluster_names (as first written).",
    )
    rated: pl.UInt32 = pa.Field(ge=1, description="Conversations or clusters in the sample.")
    share_private: pl.Float64 = pa.Field(
        nullable=True,
        ge=0,
        le=1,
        description="Share found private, two decimals; null where too few people are on either side to tell.",
    )
    ci_low: pl.Float64 = pa.Field(ge=0, le=1, description="Lower end of the 95 % interval, two decimals.")
    ci_high: pl.Float64 = pa.Field(
        ge=0,
        le=1,
        description="Upper end, two decimals; where the share is null, of what may just not be told.",
    )
    auditor: pl.String = pa.Field(str_length={"min_value": 1}, description="Model that rated.")

    @pa.dataframe_check
    @classmethod
    def interval_holds_the_share(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """ci_low <= share_private <= ci_high, up to rounding."""
        share = pl.col("share_private")
        inside = (pl.col("ci_low") <= share + ROUNDING) & (share <= pl.col("ci_high") + ROUNDING)
        return data.lazyframe.select(inside.fill_null(True) & (pl.col("ci_low") <= pl.col("ci_high")))

    class Config:
        """Exactly these columns."""

        strict = True
