"""Tables that anyone may read: clusters, their cells, language contrasts, privacy report."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

from schemas.audit import AuditReport
from schemas.collective import CollectiveStep, OpinionGroup, OpinionSplit, OpinionTile
from schemas.comparisons import ClusterTrend, ClusterWeek, ComparisonReport, ConcernQuadrant, FacetContrast
from schemas.constitution import (
    ConstitutionMatch,
    ConstitutionPrinciple,
    PrincipleSource,
    StatementConsensus,
    StatementGroup,
)
from schemas.evaluation import EvalLoss, EvalMetric, EvalSuite
from schemas.identifiers import ANY_IDENTIFIER, HIDDEN
from schemas.ledger import PrivacyLedger
from schemas.lineage import ClusterLineage
from schemas.map import MapCluster, MapTile
from schemas.model_written import ModelWrittenDiversity, ModelWrittenFunnel
from schemas.opinions import OpinionQuestion
from schemas.runs import RunLog
from schemas.usage import UsageCoverage, UsageReach, UsageSeed

DIMENSIONS = ("language", "week", "model", "concern_band")
OTHER = "other"
NAME_LENGTH = 120
SUMMARY_LENGTH = 600
TOLERANCE = 1e-9


def _clean(column: str) -> pl.Expr:
    return ~pl.col(column).fill_null("").str.contains(HIDDEN)


def _anonymous(column: str) -> pl.Expr:
    return ~pl.col(column).fill_null("").str.contains(ANY_IDENTIFIER)


class Cluster(pa.DataFrameModel):
    """Groups of similar conversations, at every level of the tree; small ones are merged into an Other.

    Children add up to their parent in conversations, not in users: one user may be in several.
    """

    cluster_id: pl.String = pa.Field(
        unique=True,
        str_length={"min_value": 1},
        description="Id of the cluster; kept from release to release.",
    )
    level: pl.UInt8 = pa.Field(description="Height in the tree: 0 is the finest level.")
    parent_id: pl.String = pa.Field(
        nullable=True, description="Cluster that holds this one; null at the top."
    )
    name: pl.String = pa.Field(
        str_length={"min_value": 1, "max_value": NAME_LENGTH},
        description="Short name; no two siblings share one.",
    )
    summary: pl.String = pa.Field(
        str_length={"max_value": SUMMARY_LENGTH},
        description="What the conversations in the cluster are about.",
    )
    users: pl.UInt32 = pa.Field(
        ge=1, description="Distinct users; all conversations without a user id count as one user."
    )
    conversations: pl.UInt32 = pa.Field(ge=1, description="Conversations in the cluster.")
    share: pl.Float64 = pa.Field(gt=0, le=1, description="Share of all clustered conversations.")
    counts: pl.String = pa.Field(
        isin=("exact", "dp"),
        description="exact; or dp: noisy, a parent's users then being its children's added up.",
    )
    reader: pl.String = pa.Field(description="What read the facets of the conversations.")
    embedder: pl.String = pa.Field(description="Model that embedded them.")
    namer: pl.String = pa.Field(description="What wrote names and summaries.")

    @pa.dataframe_check
    @classmethod
    def parent_exists(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Every parent is a published cluster of a higher level."""
        parents = data.lazyframe.select(parent_id="cluster_id", parent_level="level")
        joined = data.lazyframe.join(parents, on="parent_id", how="left", maintain_order="left")
        higher = (pl.col("parent_level") > pl.col("level")).fill_null(False)
        return joined.select(pl.col("parent_id").is_null() | higher)

    @pa.dataframe_check
    @classmethod
    def children_add_up(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Children of one cluster have its conversations together, and at least its users."""
        totals = data.lazyframe.group_by("parent_id").agg(
            total=pl.col("conversations").cast(pl.Int64).sum(),
            most=pl.col("users").max(),
            people=pl.col("users").cast(pl.Int64).sum(),
        )
        joined = data.lazyframe.join(
            totals, left_on="cluster_id", right_on="parent_id", how="left", maintain_order="left"
        )
        fits = (pl.col("total") == pl.col("conversations")) & (pl.col("most") <= pl.col("users"))
        fits &= pl.col("people") >= pl.col("users")
        return joined.select(pl.col("total").is_null() | fits.fill_null(False))

    @pa.dataframe_check
    @classmethod
    def shares_of_the_top_sum_to_one(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Top clusters hold every clustered conversation."""
        total = pl.col("share").filter(pl.col("parent_id").is_null()).sum()
        return data.lazyframe.select((total - 1).abs().first().over(pl.lit(1)) < TOLERANCE)

    @pa.dataframe_check
    @classmethod
    def fewer_users_than_conversations(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No cluster has more users than conversations."""
        return data.lazyframe.select(pl.col("users") <= pl.col("conversations"))

    @pa.dataframe_check
    @classmethod
    def sibling_names_differ(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No two children of one cluster share a name, whatever the case."""
        key = pl.struct(pl.col("parent_id"), pl.col("name").str.to_lowercase())
        return data.lazyframe.select(~key.is_duplicated())

    @pa.dataframe_check
    @classmethod
    def strings_are_visible(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No control, bidirectional or zero-width characters."""
        return data.lazyframe.select(_clean("name") & _clean("summary") & _clean("cluster_id"))

    @pa.dataframe_check
    @classmethod
    def strings_name_nobody(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No identifiers in names and summaries."""
        return data.lazyframe.select(_anonymous("name") & _anonymous("summary"))

    class Config:
        """Exactly these columns."""

        strict = True


class ClusterCell(pa.DataFrameModel):
    """Clusters by language, week, model and concern band; values that may not be shown are together `other`.

    The cells of one cluster and dimension add up to the cluster. A cluster without cells in a dimension is
    withheld there.
    """

    cluster_id: pl.String = pa.Field(description="Cluster, as in `clusters`.")
    level: pl.UInt8 = pa.Field(description="Height of the cluster in the tree: 0 is the finest level.")
    dimension: pl.String = pa.Field(isin=DIMENSIONS, description="What the cluster is divided by.")
    value: pl.String = pa.Field(
        str_length={"min_value": 1, "max_value": NAME_LENGTH},
        description="ISO 639-1 language, Monday of the week (UTC), model or band; `other` for all the rest.",
    )
    users: pl.UInt32 = pa.Field(ge=1, description="Distinct users of the cell.")
    conversations: pl.UInt32 = pa.Field(ge=1, description="Conversations of the cell.")
    share: pl.Float64 = pa.Field(gt=0, le=1, description="Share of the cluster's conversations.")

    @pa.dataframe_check
    @classmethod
    def shares_sum_to_one(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Cells of one cluster and dimension hold all its conversations."""
        total = pl.col("share").sum().over("cluster_id", "dimension")
        return data.lazyframe.select((total - 1).abs() < TOLERANCE)

    @pa.dataframe_check
    @classmethod
    def fewer_users_than_conversations(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No cell has more users than conversations."""
        return data.lazyframe.select(pl.col("users") <= pl.col("conversations"))

    @pa.dataframe_check
    @classmethod
    def strings_are_visible(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No control, bidirectional or zero-width characters."""
        return data.lazyframe.select(_clean("value"))

    @pa.dataframe_check
    @classmethod
    def strings_name_nobody(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """No identifiers in values."""
        return data.lazyframe.select(_anonymous("value"))

    class Config:
        """Exactly these columns, one row per cell."""

        strict = True
        unique = ["cluster_id", "dimension", "value"]  # noqa: RUF012 pandera reads a plain list


class LanguageContrast(pa.DataFrameModel):
    """How much more common a language is in a cluster than in the whole release, with a 95 % interval."""

    cluster_id: pl.String = pa.Field(description="Cluster, as in `clusters`.")
    level: pl.UInt8 = pa.Field(description="Height of the cluster in the tree: 0 is the finest level.")
    language: pl.String = pa.Field(description="ISO 639-1 code.")
    users: pl.UInt32 = pa.Field(ge=1, description="Distinct users with the language in the cluster.")
    conversations: pl.UInt32 = pa.Field(ge=1, description="Conversations with the language in the cluster.")
    share_in_cluster: pl.Float64 = pa.Field(gt=0, le=1, description="Share of the cluster's conversations.")
    base_rate: pl.Float64 = pa.Field(gt=0, le=1, description="Share of the language in the whole release.")
    ratio: pl.Float64 = pa.Field(
        gt=0, description="share_in_cluster / base_rate; 1 is as common as everywhere."
    )
    ci_low: pl.Float64 = pa.Field(
        ge=0, description="Lower end of the interval, three digits; users, not conversations, are the sample."
    )
    ci_high: pl.Float64 = pa.Field(gt=0, description="Upper end of the interval, three digits.")
    p_value: pl.Float64 = pa.Field(ge=0, le=1, description="Two-sided, of a ratio of 1; three digits.")
    q_value: pl.Float64 = pa.Field(
        ge=0, le=1, description="Benjamini-Hochberg's, over all contrasts of the level; three digits."
    )

    @pa.dataframe_check
    @classmethod
    def ratio_is_of_the_shares(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """The ratio follows from the published shares."""
        expected = pl.col("share_in_cluster") / pl.col("base_rate")
        return data.lazyframe.select((pl.col("ratio") - expected).abs() < TOLERANCE * (1 + expected))

    @pa.dataframe_check
    @classmethod
    def interval_holds_the_ratio(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """ci_low <= ratio <= ci_high, up to the rounding of the ends."""
        below = pl.col("ci_low") <= pl.col("ratio") * (1 + 5e-3)
        return data.lazyframe.select(below & (pl.col("ci_high") >= pl.col("ratio") * (1 - 5e-3)))

    class Config:
        """Exactly these columns, one row per cluster and language."""

        strict = True
        unique = ["cluster_id", "language"]  # noqa: RUF012 pandera reads a plain list


class PrivacyReport(pa.DataFrameModel):
    """What the release shows, merges and withholds, and by which limits: read this first."""

    scope: pl.String = pa.Field(
        str_length={"min_value": 1},
        description="What the figure is about: release, thresholds, a level, a dimension.",
    )
    measure: pl.String = pa.Field(str_length={"min_value": 1}, description="Name of the figure.")
    value: pl.Float64 = pa.Field(
        nullable=True, description="The figure; null where it is itself too small to be told."
    )
    explanation: pl.String = pa.Field(
        str_length={"min_value": 1}, description="What the figure means, in words."
    )

    class Config:
        """Exactly these columns, one row per scope and measure."""

        strict = True
        unique = ["scope", "measure"]  # noqa: RUF012 pandera reads a plain list


MODELS: dict[str, type[pa.DataFrameModel]] = {
    "clusters": Cluster,
    "cluster_cells": ClusterCell,
    "language_contrasts": LanguageContrast,
    "cluster_lineage": ClusterLineage,
    "map_tiles": MapTile,
    "map_clusters": MapCluster,
    "privacy_report": PrivacyReport,
    "audit_report": AuditReport,
    "cluster_weeks": ClusterWeek,
    "cluster_trends": ClusterTrend,
    "facet_contrasts": FacetContrast,
    "concern_quadrants": ConcernQuadrant,
    "comparison_report": ComparisonReport,
    "usage_seeds": UsageSeed,
    "eval_metrics": EvalMetric,
    "eval_suites": EvalSuite,
    "eval_losses": EvalLoss,
    "usage_reach": UsageReach,
    "usage_coverage": UsageCoverage,
    "model_written_funnel": ModelWrittenFunnel,
    "model_written_diversity": ModelWrittenDiversity,
    "collective_steps": CollectiveStep,
    "opinion_splits": OpinionSplit,
    "opinion_groups": OpinionGroup,
    "opinion_map": OpinionTile,
    "statement_consensus": StatementConsensus,
    "statement_groups": StatementGroup,
    "constitution_principles": ConstitutionPrinciple,
    "principle_sources": PrincipleSource,
    "constitution_matches": ConstitutionMatch,
    "opinion_questions": OpinionQuestion,
    "run_log": RunLog,
    "privacy_ledger": PrivacyLedger,
}
