"""Real usage beside the evaluations: clusters as seeds, which items lie near them, and what no suite covers."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl


class UsageSeed(pa.DataFrameModel):
    """Published clusters of real usage from which evaluation items are drafted; nothing restricted is in them."""

    seed_cluster_id: pl.String = pa.Field(
        unique=True, str_length={"min_value": 1}, description="Published cluster of the finest level."
    )
    name: pl.String = pa.Field(str_length={"min_value": 1}, description="Its published name.")
    summary: pl.String = pa.Field(description="Its published summary.")
    weight: pl.Float64 = pa.Field(gt=0, le=1, description="Share of usage: of all clustered conversations.")
    users: pl.UInt32 = pa.Field(ge=1, description="Distinct users, as published.")
    conversations: pl.UInt32 = pa.Field(ge=1, description="Conversations, as published.")
    concerning: pl.Float64 = pa.Field(
        ge=0,
        le=1,
        nullable=True,
        description="Published share of its conversations in the highest band of concern; null where withheld.",
    )

    class Config:
        """Exactly these columns."""

        strict = True


class UsageReach(pa.DataFrameModel):
    """How near each suite comes to each cluster of real usage."""

    suite: pl.String = pa.Field(str_length={"min_value": 1}, description="Suite.")
    seed_cluster_id: pl.String = pa.Field(str_length={"min_value": 1}, description="Published cluster.")
    share: pl.Float64 = pa.Field(gt=0, le=1, description="Its share of usage.")
    similarity: pl.Float64 = pa.Field(
        ge=-1.0001,
        le=1.0001,
        nullable=True,
        description="Cosine to the most similar item that was not drafted from usage; null without one.",
    )
    threshold: pl.Float64 = pa.Field(
        ge=-1.0001, le=1.0001, nullable=True, description="Similarity from which an item counts as near."
    )
    items: pl.UInt32 = pa.Field(description="Items near it that were not drafted from usage.")
    drafted: pl.UInt32 = pa.Field(
        description="Items near it that were drafted from usage: from it, or from another cluster."
    )
    covered: pl.Boolean = pa.Field(
        description="Whether any item is near it that was not drafted from usage: where an item comes from does not count."
    )

    class Config:
        """Exactly these columns, one row per suite and cluster."""

        strict = True
        unique = ["suite", "seed_cluster_id"]  # noqa: RUF012 pandera reads a plain list


class UsageCoverage(pa.DataFrameModel):
    """The share of real usage whose clusters lie near an item of each suite, beside what chance would give.

    Items that were drafted from usage lie near it by their origin: the share leaves them out, and stands beside that with them.
    """

    suite: pl.String = pa.Field(unique=True, str_length={"min_value": 1}, description="Suite.")
    threshold: pl.Float64 = pa.Field(
        ge=-1.0001, le=1.0001, nullable=True, description="Similarity from which an item counts as near."
    )
    share: pl.Float64 = pa.Field(
        ge=0, le=1, description="Share of usage that is covered by items not drafted from usage."
    )
    ci_low: pl.Float64 = pa.Field(ge=0, le=1, description="Lower end of the 95 % interval.")
    ci_high: pl.Float64 = pa.Field(ge=0, le=1, description="Upper end of the 95 % interval.")
    baseline: pl.Float64 = pa.Field(
        ge=0,
        le=1,
        nullable=True,
        description="Mean share that the same number of covered clusters has when drawn at random.",
    )
    p_value: pl.Float64 = pa.Field(
        ge=0,
        le=1,
        nullable=True,
        description="Share of random draws of as many clusters that cover at least as much usage, its own counted as one.",
    )
    clusters: pl.UInt32 = pa.Field(description="Published clusters of the finest level.")
    covered_clusters: pl.UInt32 = pa.Field(description="Those that are covered.")
    share_with_drafted: pl.Float64 = pa.Field(
        ge=0, le=1, description="Share of usage near any item, those drafted from usage among them."
    )
    ci_low_with_drafted: pl.Float64 = pa.Field(ge=0, le=1, description="Lower end of its 95 % interval.")
    ci_high_with_drafted: pl.Float64 = pa.Field(ge=0, le=1, description="Upper end of its 95 % interval.")
    covered_with_drafted: pl.UInt32 = pa.Field(description="Clusters near any item.")
    unpublished: pl.Float64 = pa.Field(
        ge=0,
        le=1,
        description="Share of usage in no published cluster of the finest level; no item can be shown to cover it.",
    )

    class Config:
        """Exactly these columns."""

        strict = True


class ItemUsage(pa.DataFrameModel):
    """Which cluster of real usage each item of a suite lies next to, and the weight that this gives it."""

    item_id: pl.String = pa.Field(unique=True, description="Item of the suite.")
    seed_cluster_id: pl.String = pa.Field(
        nullable=True,
        description="Its own cluster, or else the most similar one; null without a topic or clusters.",
    )
    similarity: pl.Float64 = pa.Field(
        ge=-1.0001, le=1.0001, nullable=True, description="Cosine of the embeddings of topic and cluster."
    )
    near: pl.Boolean = pa.Field(description="Whether it is drafted from a cluster or similar enough to one.")
    weight: pl.Float64 = pa.Field(
        ge=0,
        description="Share of usage that the item stands for: of each cluster near it an equal part with all items of its "
        "dataset and condition that are near that cluster; 0 where it is near none.",
    )

    class Config:
        """Exactly these columns."""

        strict = True
