"""Every table of the lake: its name, its schema, its zone and how it is cut into partitions."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from pandera.polars import DataFrameModel

from schemas.audit import AuditReport
from schemas.clio import (
    ClusterAssignment,
    ClusterCentroid,
    ClusterNode,
    Concern,
    CountedConversation,
    Embedding,
    Facet,
)
from schemas.collective import (
    CollectiveParticipant,
    CollectiveStatement,
    CollectiveStep,
    CollectiveVote,
    OpinionGroup,
    OpinionMember,
    OpinionSplit,
    OpinionTile,
)
from schemas.comparisons import (
    Burst,
    ClusterTrend,
    ClusterWeek,
    ComparisonReport,
    ConcernQuadrant,
    CountedFacet,
    FacetContrast,
)
from schemas.constitution import (
    ConstitutionMatch,
    ConstitutionPrinciple,
    PrincipleSource,
    StatementConsensus,
    StatementGroup,
)
from schemas.conversations import Conversation, CurrentConversation, Quarantine, RedactedConversation
from schemas.evaluation import EvalAnswer, EvalItem, EvalLoss, EvalMetric, EvalSuite
from schemas.ledger import PrivacyLedger
from schemas.lineage import ClusterChange, ClusterLineage, ClusterMember
from schemas.map import MapCluster, MapTile, Projection
from schemas.model_written import (
    ModelWrittenDiversity,
    ModelWrittenFunnel,
    ModelWrittenLayout,
    ModelWrittenStatement,
)
from schemas.naming import ClusterLabel, ClusterNaming
from schemas.opinions import HumanOpinion, OpinionQuestion
from schemas.published import Cluster, ClusterCell, LanguageContrast, PrivacyReport
from schemas.reading import CustomFacetValue, ReadingFault
from schemas.runs import RunLog
from schemas.usage import ItemUsage, UsageCoverage, UsageReach, UsageSeed
from schemas.warehouse import PublishedTable

BATCHES, SUBJECTS = "batches", "subjects"


@dataclass(frozen=True)
class Table:
    """One table: asset key, Parquet folder and SQL table share its name.

    partition: what it is cut into, `batches` of conversations or `subjects` of an evaluation; None: it is one whole.
    suite: the evaluation suite that it belongs to, `EVALUATION` where it is of all of them, None where it is of none.
    Tables of an evaluation may be absent: they are made when somebody evaluates.
    """

    name: str
    schema: type[DataFrameModel]
    zone: str = "restricted"
    partition: str | None = None
    suite: str | None = None

    @property
    def batched(self) -> bool:
        """Whether it has one partition for each batch of conversations."""
        return self.partition == BATCHES

    @property
    def description(self) -> str:
        """First paragraph of the schema's docstring."""
        return " ".join((self.schema.__doc__ or self.name).split("\n\n")[0].split())

    def empty(self) -> pl.DataFrame:
        """The table without a row."""
        columns = self.schema.to_schema().columns
        return pl.DataFrame(schema={name: column.dtype.type for name, column in columns.items()})

    def column_descriptions(self) -> dict[str, str]:
        """Description of each column, by name."""
        columns = self.schema.to_schema().columns
        return {name: column.description or column.title or "" for name, column in columns.items()}


QUARANTINE = Table("quarantine", Quarantine, partition=BATCHES)
CONVERSATIONS = Table("conversations", Conversation, partition=BATCHES)
REDACTED_CONVERSATIONS = Table("redacted_conversations", RedactedConversation, partition=BATCHES)
READING_FAULTS = Table("reading_faults", ReadingFault, partition=BATCHES)
CUSTOM_FACETS = Table("custom_facets", CustomFacetValue, partition=BATCHES)
FACETS = Table("facets", Facet, partition=BATCHES)
EMBEDDINGS = Table("embeddings", Embedding, partition=BATCHES)
CONCERNS = Table("concerns", Concern, partition=BATCHES)
CURRENT_CONVERSATIONS = Table("current_conversations", CurrentConversation)
CLUSTER_ASSIGNMENTS = Table("cluster_assignments", ClusterAssignment)
CLUSTER_CENTROIDS = Table("cluster_centroids", ClusterCentroid)
CLUSTER_NODES = Table("cluster_nodes", ClusterNode)
CLUSTER_NAMINGS = Table("cluster_namings", ClusterNaming)
CLUSTER_LABELS = Table("cluster_labels", ClusterLabel)
CLUSTER_CHANGES = Table("cluster_changes", ClusterChange)
CLUSTER_MEMBERS = Table("cluster_members", ClusterMember)
PROJECTIONS = Table("projections", Projection)
COUNTED_CONVERSATIONS = Table("counted_conversations", CountedConversation)
CLUSTERS = Table("clusters", Cluster, zone="published")
CLUSTER_CELLS = Table("cluster_cells", ClusterCell, zone="published")
LANGUAGE_CONTRASTS = Table("language_contrasts", LanguageContrast, zone="published")
MAP_TILES = Table("map_tiles", MapTile, zone="published")
MAP_CLUSTERS = Table("map_clusters", MapCluster, zone="published")
PRIVACY_REPORT = Table("privacy_report", PrivacyReport, zone="published")
CLUSTER_LINEAGE = Table("cluster_lineage", ClusterLineage, zone="published")
AUDIT_REPORT = Table("audit_report", AuditReport, zone="published")
BURSTS = Table("bursts", Burst)
COUNTED_FACETS = Table("counted_facets", CountedFacet)
CLUSTER_WEEKS = Table("cluster_weeks", ClusterWeek, zone="published")
CLUSTER_TRENDS = Table("cluster_trends", ClusterTrend, zone="published")
FACET_CONTRASTS = Table("facet_contrasts", FacetContrast, zone="published")
CONCERN_QUADRANTS = Table("concern_quadrants", ConcernQuadrant, zone="published")
COMPARISON_REPORT = Table("comparison_report", ComparisonReport, zone="published")
PRIVACY_LEDGER = Table("privacy_ledger", PrivacyLedger, zone="published")
RUN_LOG = Table("run_log", RunLog, zone="published")
PUBLISHED_TABLES = Table("published_tables", PublishedTable, zone="published")

EVALUATION = "evaluation"
MODEL_WRITTEN = "model_written"
GLOBAL_OPINIONS = "global_opinions"
SUITES = ("discrimination", MODEL_WRITTEN, GLOBAL_OPINIONS, "moral_self_correction")
"""The suites, one for each room that asks subject models, in the order in which they are shown."""


@dataclass(frozen=True)
class SuiteTables:
    """The tables of one suite: its questions, their place in real usage, each subject's answers, and what they amount to."""

    items: Table
    usage: Table
    reach: Table
    answers: Table
    metrics: Table


def _suite_tables(name: str) -> SuiteTables:
    return SuiteTables(
        items=Table(f"{name}_items", EvalItem, zone="published", suite=name),
        usage=Table(f"{name}_usage", ItemUsage, suite=name),
        reach=Table(f"{name}_reach", UsageReach, suite=name),
        answers=Table(f"{name}_answers", EvalAnswer, partition=SUBJECTS, suite=name),
        metrics=Table(f"{name}_metrics", EvalMetric, suite=name),
    )


SUITE_TABLES = {name: _suite_tables(name) for name in SUITES}
"""Tables of each suite. Questions are published, as files: exports and other teams use them; answers are not."""

MODEL_WRITTEN_STATEMENTS = Table("model_written_statements", ModelWrittenStatement, suite=MODEL_WRITTEN)
MODEL_WRITTEN_LAYOUT = Table(
    "model_written_layout", ModelWrittenLayout, zone="published", suite=MODEL_WRITTEN
)
"""Published as a file beside the items, whose texts it holds."""
MODEL_WRITTEN_FUNNEL = Table(
    "model_written_funnel", ModelWrittenFunnel, zone="published", suite=MODEL_WRITTEN
)
MODEL_WRITTEN_DIVERSITY = Table(
    "model_written_diversity", ModelWrittenDiversity, zone="published", suite=MODEL_WRITTEN
)

COLLECTIVE = "collective_constitution"
"""A study: people answer, no subject model."""
COLLECTIVE_STATEMENTS = Table("collective_statements", CollectiveStatement, suite=COLLECTIVE)
COLLECTIVE_PARTICIPANTS = Table("collective_participants", CollectiveParticipant, suite=COLLECTIVE)
COLLECTIVE_VOTES = Table("collective_votes", CollectiveVote, suite=COLLECTIVE)
OPINION_MEMBERS = Table("opinion_members", OpinionMember, suite=COLLECTIVE)
OPINION_SPLITS = Table("opinion_splits", OpinionSplit, zone="published", suite=COLLECTIVE)
COLLECTIVE_STEPS = Table("collective_steps", CollectiveStep, zone="published", suite=COLLECTIVE)
OPINION_GROUPS = Table("opinion_groups", OpinionGroup, zone="published", suite=COLLECTIVE)
OPINION_MAP = Table("opinion_map", OpinionTile, zone="published", suite=COLLECTIVE)
STATEMENT_CONSENSUS = Table("statement_consensus", StatementConsensus, zone="published", suite=COLLECTIVE)
STATEMENT_GROUPS = Table("statement_groups", StatementGroup, zone="published", suite=COLLECTIVE)
CONSTITUTION_PRINCIPLES = Table(
    "constitution_principles", ConstitutionPrinciple, zone="published", suite=COLLECTIVE
)
PRINCIPLE_SOURCES = Table("principle_sources", PrincipleSource, zone="published", suite=COLLECTIVE)
CONSTITUTION_MATCHES = Table("constitution_matches", ConstitutionMatch, zone="published", suite=COLLECTIVE)
HUMAN_OPINIONS = Table("human_opinions", HumanOpinion, zone="published", suite=GLOBAL_OPINIONS)
"""Published as a file beside the items: what people answered to them."""
OPINION_QUESTIONS = Table("opinion_questions", OpinionQuestion, zone="published", suite=GLOBAL_OPINIONS)

USAGE_SEEDS = Table("usage_seeds", UsageSeed, zone="published", suite=EVALUATION)
EVAL_METRICS = Table("eval_metrics", EvalMetric, zone="published", suite=EVALUATION)
EVAL_SUITES = Table("eval_suites", EvalSuite, zone="published", suite=EVALUATION)
EVAL_LOSSES = Table("eval_losses", EvalLoss, zone="published", suite=EVALUATION)
USAGE_REACH = Table("usage_reach", UsageReach, zone="published", suite=EVALUATION)
USAGE_COVERAGE = Table("usage_coverage", UsageCoverage, zone="published", suite=EVALUATION)

PUBLISHED = (
    CLUSTERS,
    CLUSTER_CELLS,
    LANGUAGE_CONTRASTS,
    MAP_TILES,
    MAP_CLUSTERS,
    CLUSTER_LINEAGE,
    PRIVACY_REPORT,
    AUDIT_REPORT,
    CLUSTER_WEEKS,
    CLUSTER_TRENDS,
    FACET_CONTRASTS,
    CONCERN_QUADRANTS,
    COMPARISON_REPORT,
    PRIVACY_LEDGER,
    USAGE_SEEDS,
    EVAL_METRICS,
    EVAL_SUITES,
    EVAL_LOSSES,
    USAGE_REACH,
    USAGE_COVERAGE,
    MODEL_WRITTEN_FUNNEL,
    MODEL_WRITTEN_DIVERSITY,
    COLLECTIVE_STEPS,
    OPINION_SPLITS,
    OPINION_GROUPS,
    OPINION_MAP,
    STATEMENT_CONSENSUS,
    STATEMENT_GROUPS,
    CONSTITUTION_PRINCIPLES,
    PRINCIPLE_SOURCES,
    CONSTITUTION_MATCHES,
    OPINION_QUESTIONS,
    RUN_LOG,
)
"""The tables that the warehouse serves, in the order in which a reader needs them."""


def by_name(name: str) -> Table:
    """A table by its name. Raises KeyError where there is none."""
    return {table.name: table for table in tables()}[name]


def tables() -> list[Table]:
    """Every table of the catalogue."""
    own = [value for value in globals().values() if isinstance(value, Table)]
    return own + [table for suite in SUITE_TABLES.values() for table in vars(suite).values()]
