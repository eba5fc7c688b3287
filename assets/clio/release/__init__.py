"""What of the clusters may be published, decided from counts of users; pure, no Dagster.

`release_tables` takes the restricted tables and returns the four published ones. Who counts is decided in
`dagster_project.privacy`; the modules here bring the tables into shape: `tree` (clusters), `cells`,
`contrasts`, `report`.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from assets.clio.release.cells import Cells, cell_table, count_cells
from assets.clio.release.contrasts import contrast_table
from assets.clio.release.report import report_table
from assets.clio.release.tree import Tree, cluster_table, grow_tree
from dagster_project.errors import ObservatoryError
from dagster_project.privacy.thresholds import Thresholds, user_codes

__all__ = ["ReleaseTables", "release_tables"]


@dataclass(frozen=True)
class ReleaseTables:
    """The four published tables of a release, as their schemas in `schemas.published` say."""

    clusters: pl.DataFrame
    cluster_cells: pl.DataFrame
    language_contrasts: pl.DataFrame
    privacy_report: pl.DataFrame

    def frames(self) -> dict[str, pl.DataFrame]:
        """Tables by name."""
        return dict(vars(self))

    def counts(self) -> dict[str, int]:
        """Rows by table, for an asset's metadata."""
        return {name: frame.height for name, frame in self.frames().items()}


def release_tables(
    assignments: pl.DataFrame,
    nodes: pl.DataFrame,
    facets: pl.DataFrame,
    concerns: pl.DataFrame,
    *,
    thresholds: Thresholds,
    reader: str,
    embedder: str,
    namer: str,
    harmless_concern: str = "none",
) -> ReleaseTables:
    """Turn clusters of conversations into tables that name no small group.

    Parameters
    ----------
    assignments : conversation_id, cluster_id
        Base cluster of each conversation.
    nodes : cluster_id, level, parent_id, name, summary
        The tree of clusters.
    facets : conversation_id, user_key, language, week, model
        Current conversations; those without an assignment are outside the release.
    concerns : conversation_id, concern_band
    thresholds
        Limits of nodes and cells.
    reader, embedder, namer
        What made facets, embeddings and names; written on every cluster.
    harmless_concern
        The concern band that says nothing bad of anyone; all others are sensitive (spec 1.3, rule 4).

    Raises ObservatoryError where a conversation belongs to a cluster that the tree does not have.

    """
    conversations = _conversations(assignments, facets, concerns)
    tree = grow_tree(conversations.select("cluster_id", "user"), nodes, thresholds)
    cells = count_cells(conversations, tree, thresholds, harmless_concern)
    makers = {"reader": reader, "embedder": embedder, "namer": namer}
    return ReleaseTables(
        clusters=cluster_table(tree, makers),
        cluster_cells=cell_table(tree, cells),
        language_contrasts=contrast_table(tree, cells),
        privacy_report=_report(conversations, facets, tree, cells, thresholds),
    )


def _conversations(assignments: pl.DataFrame, facets: pl.DataFrame, concerns: pl.DataFrame) -> pl.DataFrame:
    """One row per clustered conversation: cluster_id, user, language, week, model, concern_band."""
    for name, frame in {"cluster_assignments": assignments, "facets": facets, "concerns": concerns}.items():
        if frame["conversation_id"].is_duplicated().any():
            raise ObservatoryError(
                f"{name} holds a conversation twice; restrict it to current conversations first"
            )
    read = facets.select("conversation_id", "user_key", "language", "week", "model").with_columns(
        user_codes()
    )
    return (
        read.drop("user_key")
        .join(assignments.select("conversation_id", "cluster_id"), on="conversation_id")
        .join(concerns.select("conversation_id", "concern_band"), on="conversation_id", how="left")
        .drop("conversation_id")
    )


def _report(
    conversations: pl.DataFrame, facets: pl.DataFrame, tree: Tree, cells: Cells, thresholds: Thresholds
) -> pl.DataFrame:
    unclustered = facets.height - conversations.height
    return report_table(conversations, unclustered, tree, cells, thresholds)
