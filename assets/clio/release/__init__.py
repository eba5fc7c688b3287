"""What of the clusters may be published, decided from counts of users; pure, no Dagster.

`release_tables` takes the restricted tables and returns the four published ones; `count_release` does the same for
conversations that were chosen before (`counting`). Who counts is decided in `dagster_project.privacy`; the modules
here bring the tables into shape: `tree` (clusters), `cells`, `contrasts`, `report`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from assets.clio.release.cells import cell_table, count_cells
from assets.clio.release.contrasts import contrast_table
from assets.clio.release.counting import clustered_rows
from assets.clio.release.report import LeftOut, report_table
from assets.clio.release.shown import cluster_table, published_places
from assets.clio.release.tree import grow_tree
from dagster_project.privacy.thresholds import Thresholds, user_codes

NOBODY_LEFT_OUT = LeftOut()

__all__ = ["LeftOut", "Release", "ReleaseTables", "count_release", "release_tables"]


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


@dataclass(frozen=True)
class Release:
    """Published tables, and `counted`: who was counted, and in which published clusters (column `clusters`)."""

    tables: ReleaseTables
    counted: pl.DataFrame


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
    rows = clustered_rows(assignments, facets, concerns)
    return count_release(
        rows,
        nodes,
        unclustered=facets.height - rows.height,
        thresholds=thresholds,
        makers={"reader": reader, "embedder": embedder, "namer": namer},
        harmless_concern=harmless_concern,
    ).tables


def count_release(
    rows: pl.DataFrame,
    nodes: pl.DataFrame,
    *,
    unclustered: int,
    thresholds: Thresholds,
    makers: Mapping[str, str],
    harmless_concern: str = "none",
    left_out: LeftOut = NOBODY_LEFT_OUT,
    before: ReleaseTables | None = None,
    only_told: bool = False,
    withheld: pl.Series | None = None,
) -> Release:
    """The published tables of the conversations that count, and where each of them counts.

    In: rows as `release.counting.clustered_rows` returns them; the tree, a pool included; how many current conversations have no
    cluster; who was left out of the rows before; the release `before`, whose figures stay told while they pass, so that
    no other group is told by subtracting them; with `only_told`, nothing is told apart of its clusters that it did not
    tell apart; ids of clusters `withheld` because their names did not pass an audit. Raises as `release_tables` does.
    """
    conversations = rows.with_columns(user_codes()).drop("user_key", "conversation_id")
    told = (None, None) if before is None else (before.clusters, before.cluster_cells)
    tree = grow_tree(
        conversations.select("cluster_id", "user"), nodes, thresholds, told[0], only_told, withheld
    )
    cells = count_cells(conversations, tree, thresholds, harmless_concern, told[1], only_told)
    tables = ReleaseTables(
        clusters=cluster_table(tree, makers),
        cluster_cells=cell_table(tree, cells),
        language_contrasts=contrast_table(tree, cells),
        privacy_report=report_table(
            conversations, unclustered, tree, cells, thresholds, left_out, audited=withheld is not None
        ),
    )
    places = published_places(tree)
    counted = rows.join(places, on="cluster_id", how="left").with_columns(pl.col("clusters").fill_null([]))
    return Release(tables, counted)
