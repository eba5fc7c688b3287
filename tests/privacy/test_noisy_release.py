"""A release with noisy counts: only crowds are named, sums hold, nothing exact is left, and it is paid for once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from small_releases import FLOOR, make

from assets.clio.release import Release
from assets.clio.release.counting import clustered_rows, count_rows
from assets.clio.release.private import Budget, noisy_release
from assets.clio.release.report import release_is_withheld
from dagster_project.errors import ObservatoryError
from dagster_project.privacy.ledger import Allowance, Ledger
from schemas.published import MODELS

SECRET = bytes(32)
MAKERS = {"reader": "r", "embedder": "e", "namer": "n"}
BUDGET = Budget(4.0, 1e-6, Allowance(8.0, 2e-6), clusters=2, conversations=2, unit="user")


def rows_and_nodes(seed: int = 1) -> tuple[pl.DataFrame, pl.DataFrame]:
    data = make(seed, 3000, 900, (3, 3), 3, unevenness=4.0)
    return clustered_rows(data.assignments, data.facets, data.concerns), data.nodes


def release(
    rows: pl.DataFrame,
    nodes: pl.DataFrame,
    folder: Path,
    budget: Budget = BUDGET,
    words: pl.DataFrame | None = None,
    *,
    or_empty: bool = False,
) -> Release:
    bounded = count_rows(rows, budget.bounds, SECRET).rows
    return noisy_release(
        bounded,
        nodes,
        budget=budget,
        ledger=Ledger(folder),
        secret=SECRET,
        thresholds=FLOOR,
        makers=MAKERS,
        words=words,
        or_empty=or_empty,
    )


def stated(report: pl.DataFrame) -> dict[str, float]:
    return dict(report.select("measure", "value").iter_rows())


def test_tables_satisfy_their_schemas_and_only_clusters_hold_rows(tmp_path: Path) -> None:
    tables = release(*rows_and_nodes(), tmp_path).tables
    for name, frame in tables.frames().items():
        MODELS[name].validate(frame, lazy=True)
    assert tables.clusters.height > 3 and set(tables.clusters["counts"]) == {"dp"}
    assert tables.cluster_cells.is_empty() and tables.language_contrasts.is_empty()


def test_parents_are_sums_of_noisy_leaves(tmp_path: Path) -> None:
    clusters = release(*rows_and_nodes(), tmp_path).tables.clusters
    sums = clusters.drop_nulls("parent_id").group_by("parent_id").agg(pl.col("users", "conversations").sum())
    joined = clusters.join(sums, left_on="cluster_id", right_on="parent_id", suffix="_below")
    assert joined.height and (joined["users"] == joined["users_below"]).all()
    assert (joined["conversations"] == joined["conversations_below"]).all()


def test_the_same_data_gets_the_same_answer_and_pays_once(tmp_path: Path) -> None:
    rows, nodes = rows_and_nodes()
    first = release(rows, nodes, tmp_path)
    again = release(rows.sample(fraction=1.0, shuffle=True, seed=2), nodes, tmp_path)
    assert first.tables.clusters.equals(again.tables.clusters)
    assert len(Ledger(tmp_path).charges()) == 1
    release(rows.slice(1), nodes, tmp_path)
    assert len(Ledger(tmp_path).charges()) == 2
    with pytest.raises(ObservatoryError, match="would spend"):
        release(rows.slice(2), nodes, tmp_path)


def test_counts_are_noisy_and_near_the_truth(tmp_path: Path) -> None:
    rows, nodes = rows_and_nodes()
    bounded = count_rows(rows, BUDGET.bounds, SECRET).rows
    truth = bounded.group_by("cluster_id").agg(n=pl.len())
    leaves = release(rows, nodes, tmp_path).tables.clusters.join(truth, on="cluster_id")
    gap = (leaves["conversations"].cast(pl.Int64) - leaves["n"].cast(pl.Int64)).abs()
    assert (gap > 0).any() and (gap < 60).all()


def test_what_is_told_depends_on_the_noisy_answer_alone(tmp_path: Path) -> None:
    """Post-processing only: other data behind the same stored answer gives the same tables and report."""
    rows, nodes = rows_and_nodes()
    first = release(rows, nodes, tmp_path)
    stored = next(tmp_path.glob("*.parquet"))
    release(rows.slice(100), nodes, tmp_path)
    other = next(path for path in tmp_path.glob("*.parquet") if path != stored)
    other.write_bytes(stored.read_bytes())
    again = release(rows.slice(100), nodes, tmp_path)
    for name, frame in first.tables.frames().items():
        assert frame.equals(again.tables.frames()[name]), name


def test_small_clusters_are_not_named(tmp_path: Path) -> None:
    rows, nodes = rows_and_nodes()
    leaf = rows["cluster_id"][0]
    few = pl.concat(
        [rows.filter(pl.col("cluster_id") != leaf), rows.filter(pl.col("cluster_id") == leaf).head(4)]
    )
    assert leaf not in release(few, nodes, tmp_path).tables.clusters["cluster_id"]


@pytest.mark.parametrize("terms", [None, 4])
def test_an_erasure_that_cannot_be_paid_for_publishes_empty_tables_and_charges_nothing(
    tmp_path: Path, terms: int | None
) -> None:
    rows, nodes = rows_and_nodes()
    words = (
        None if terms is None else rows.select("conversation_id", request=pl.lit("bread"), task=pl.lit(""))
    )
    budget = replace(BUDGET, allowance=Allowance(4.0, 1e-6), terms=terms)
    first = release(rows, nodes, tmp_path, budget, words)
    assert first.tables.clusters.height and not release_is_withheld(first.tables.privacy_report)
    with pytest.raises(ObservatoryError, match="nothing new is published"):
        release(rows.slice(1), nodes, tmp_path, budget, words)
    after = release(rows.slice(1), nodes, tmp_path, budget, words, or_empty=True)
    for name, frame in after.tables.frames().items():
        MODELS[name].validate(frame, lazy=True)
    assert after.tables.clusters.is_empty() and after.counted.is_empty()
    assert release_is_withheld(after.tables.privacy_report) and len(Ledger(tmp_path).charges()) == 1
    told = stated(after.tables.privacy_report)
    assert (told["epsilon"], told["delta"], told["budget_delta"]) == (0.0, 0.0, 1e-6)
    raised = replace(budget, allowance=Allowance(8.0, 2e-6))
    assert release(rows.slice(1), nodes, tmp_path, raised, words, or_empty=True).tables.clusters.height


def test_the_unit_of_the_ledger_is_the_one_that_is_protected(tmp_path: Path) -> None:
    release(*rows_and_nodes(), tmp_path, replace(BUDGET, unit="conversation", terms=None))
    summary = Ledger(tmp_path).summary()
    assert set(summary["unit"]) == {"conversation"}
    MODELS["privacy_ledger"].validate(summary, lazy=True)


def test_a_delta_of_one_user_in_all_is_refused_without_their_number(tmp_path: Path) -> None:
    rows, nodes = rows_and_nodes()
    users = rows["user_key"].replace("", None).n_unique()
    budget = replace(BUDGET, delta=1 / users, allowance=Allowance(8.0, 1.0))
    with pytest.raises(ObservatoryError, match="1 / users or more") as refused:
        release(rows, nodes, tmp_path, budget)
    assert Ledger(tmp_path).charges() == [] and str(users) not in str(refused.value)
    assert release(rows, nodes, tmp_path, replace(budget, delta=0.9 / users)).tables.clusters.height


def test_names_hold_only_terms_that_the_mechanism_chose(tmp_path: Path) -> None:
    rows, nodes = rows_and_nodes()
    topics = {
        leaf: f"walrus{place} juggling" for place, leaf in enumerate(rows["cluster_id"].unique().sort())
    }
    lonely = rows["conversation_id"][0]
    request = pl.col("cluster_id").replace_strict(topics)
    words = rows.select(
        "conversation_id",
        request=pl.when(pl.col("conversation_id") == lonely)
        .then(pl.lit("sourdough secret"))
        .otherwise(request),
        task=pl.lit(""),
    )
    budget = Budget(30.0, 1e-6, Allowance(30.0, 1e-6), clusters=2, conversations=2, unit="user", terms=6)
    clusters = release(rows, nodes, tmp_path, budget, words).tables.clusters
    MODELS["clusters"].validate(clusters, lazy=True)
    leaves = clusters.filter(pl.col("level") == 0)
    named = leaves.filter(~pl.col("name").str.starts_with("Unnamed"))
    assert named.height > 0.7 * leaves.height
    for cluster, name in named.select("cluster_id", "name").iter_rows():
        assert topics[cluster].split()[0] in name.lower()
    texts = " ".join([*clusters["name"], *clusters["summary"]]).lower()
    assert "sourdough" not in texts and "talk about" not in texts
    (charge,) = Ledger(tmp_path).charges()
    assert charge.epsilon == pytest.approx(30.0) and charge.delta == pytest.approx(1e-6)
    assert [spending.l0 for spending in charge.spendings] == [2, 2, 6]
