"""The whole graph: what there is, in which order, and that it is described."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.definitions import ROOMS, defs
from dagster_project.plan import in_order
from dagster_project.steps import SPECS
from schemas import catalogue

GRAPH = defs.resolve_asset_graph()
OPINIONS = (
    "collective_steps",
    "opinion_groups",
    "opinion_map",
    "statement_consensus",
    "statement_groups",
    "constitution_principles",
    "principle_sources",
    "constitution_matches",
)


def test_the_graph_is_the_one_that_is_drawn() -> None:
    edges = {
        key.path[-1]: {parent.path[-1] for parent in GRAPH.get(key).parent_keys}
        for key in GRAPH.get_all_asset_keys()
    }
    reading = {"conversations", "redacted_conversations"}
    clustering = {"current_conversations", "reading_faults", "facets", "embeddings", "bursts"}
    clustered = ("cluster_assignments", "cluster_centroids", "cluster_namings", "cluster_nodes")
    audited = {
        "current_conversations",
        "redacted_conversations",
        "facets",
        "cluster_assignments",
        "cluster_namings",
        "cluster_nodes",
    }
    release = {
        "current_conversations",
        "facets",
        "concerns",
        "embeddings",
        "cluster_assignments",
        "cluster_nodes",
        "cluster_labels",
    }
    released = {"clusters", "cluster_cells", "language_contrasts", "privacy_report"}
    changes = {"cluster_assignments", "cluster_nodes"}
    lineage = {"counted_conversations", "cluster_centroids", "cluster_nodes", "cluster_changes", *released}
    mapped = {"projections", "counted_conversations", "clusters"}
    compared = {
        "cluster_weeks",
        "cluster_trends",
        "facet_contrasts",
        "concern_quadrants",
        "comparison_report",
    }
    answers = {"current_conversations", "custom_facets"}
    comparing = {"bursts", "counted_conversations", *answers, *released}
    published = {
        *released,
        *compared,
        "audit_report",
        "cluster_lineage",
        "map_tiles",
        "map_clusters",
        "privacy_ledger",
    }
    evaluated = {"usage_seeds", "eval_metrics", "eval_suites", "eval_losses", "usage_reach", "usage_coverage"}
    evaluated |= {
        "model_written_funnel",
        "model_written_diversity",
        "opinion_questions",
        "opinion_splits",
        *OPINIONS,
    }
    assert edges == {
        "quarantine": set(),
        "conversations": set(),
        "redacted_conversations": {"conversations"},
        "current_conversations": {"conversations"},
        **dict.fromkeys(("facets", "reading_faults", "custom_facets"), reading),
        "embeddings": {"facets"},
        "concerns": {"facets", "embeddings"},
        **dict.fromkeys(clustered, clustering),
        **dict.fromkeys(("cluster_labels", "audit_report"), audited),
        "privacy_ledger": {"clusters"},
        **dict.fromkeys((*released, "counted_conversations"), release),
        "bursts": {"current_conversations", "facets"},
        **dict.fromkeys((*compared, "counted_facets"), comparing),
        "projections": {"current_conversations", "reading_faults", "embeddings"},
        **dict.fromkeys(("map_tiles", "map_clusters"), mapped),
        **dict.fromkeys(("cluster_changes", "cluster_members"), changes),
        "cluster_lineage": lineage,
        **evaluated_edges(),
        **opinion_edges(),
        "run_log": published | evaluated,
        "published_tables": {*published, *evaluated, "run_log"},
    }


def opinion_edges() -> dict[str, set[str]]:
    """A public's votes, its groups, and what is published of them; nothing of conversations goes in."""
    said = {"collective_statements", "collective_participants", "collective_votes"}
    return {
        **{key: set() for key in said},
        **dict.fromkeys(("opinion_members", "opinion_splits"), said),
        **{key: {*said, "opinion_members"} for key in OPINIONS},
    }


def evaluated_edges() -> dict[str, set[str]]:
    """Every suite has the same tables, and model-written evaluations the texts behind their items, too."""
    edges: dict[str, set[str]] = {"usage_seeds": {"clusters", "cluster_cells"}}
    together = {"usage_seeds", "privacy_report"}
    for name in catalogue.SUITES:
        edges[f"{name}_items"] = {"usage_seeds"}
        edges[f"{name}_answers"] = {f"{name}_items"}
        edges[f"{name}_usage"] = edges[f"{name}_reach"] = {f"{name}_items", "usage_seeds", "clusters"}
        edges[f"{name}_metrics"] = {f"{name}_items", f"{name}_answers", f"{name}_usage"}
        together |= {f"{name}_{part}" for part in ("items", "reach", "answers", "metrics")}
    edges |= dict.fromkeys(
        ("eval_metrics", "eval_suites", "eval_losses", "usage_reach", "usage_coverage"), together
    )
    opinions = {f"global_opinions_{part}" for part in ("items", "answers", "usage")} | {"human_opinions"}
    edges |= {"human_opinions": {"usage_seeds"}} | dict.fromkeys(
        ("opinion_questions", "global_opinions_metrics"), opinions
    )
    texts = ("model_written_statements", "model_written_layout")
    edges |= {key: {"usage_seeds"} for key in texts}
    return edges | {key: set(texts) for key in ("model_written_funnel", "model_written_diversity")}


@pytest.mark.parametrize("key", sorted(key.path[-1] for key in GRAPH.get_all_asset_keys()))
def test_every_asset_says_what_it_is(key: str) -> None:
    node = GRAPH.get(dg.AssetKey(key))
    assert node.description and len(node.description) > 30
    assert node.owners and node.kinds and node.group_name != "default"
    assert node.code_version
    columns = node.metadata["dagster/column_schema"].columns
    assert columns and all(column.description for column in columns)
    assert {check.name for check in GRAPH.get_check_keys_for_assets({node.key})} >= {"schema"}


def test_every_published_table_stands_behind_a_suite_and_a_leak_scan() -> None:
    """A step answers for all its tables on the first; the last one, the inventory, is of the whole file."""
    for spec in SPECS.values():
        if any(table in catalogue.PUBLISHED for table in spec.outputs):
            keys = {dg.AssetKey(table.name) for table in spec.outputs}
            checks = {check.name for check in GRAPH.get_check_keys_for_assets(keys)}
            assert checks >= {"schema", "expectations", "no_leaks"}, spec.name


def test_every_check_blocks() -> None:
    checked = {key.asset_key.path[-1] for key in GRAPH.asset_check_keys}
    assert checked == {table.name for spec in SPECS.values() for table in spec.outputs}
    assert [str(key) for key in GRAPH.asset_check_keys if not GRAPH.get(key).blocking] == []


def test_a_plan_takes_steps_in_the_order_of_the_data() -> None:
    seen: set[str] = set()
    for spec in in_order(list(SPECS.values())):
        assert {table.name for table in spec.inputs} <= seen, spec.name
        seen |= {table.name for table in spec.outputs}


def test_every_table_of_the_catalogue_is_written_by_one_step() -> None:
    tables = [table.name for table in catalogue.tables()]
    written = [table.name for spec in SPECS.values() for table in spec.outputs]
    assert sorted(tables) == sorted(written)


@pytest.mark.parametrize("package", ["assets", "schemas", "sql"])
def test_packages_resolve_beside_the_code_location(package: str) -> None:
    location = importlib.util.find_spec("dagster_project")
    found = importlib.util.find_spec(package)
    assert location is not None and found is not None
    assert Path(str(found.origin)).parent.parent == Path(str(location.origin)).parent.parent


def test_importing_the_graph_loads_nothing_heavy() -> None:
    heavy = ["torch", "sentence_transformers", "faiss", "presidio_analyzer", "great_expectations", "sklearn"]
    heavy += ["umap", "numba", "cuml", "cudf_polars", "dagster_project.language_models"]
    code = f"import sys; import dagster_project.definitions, dagster_project.cli; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_rooms_are_real_packages() -> None:
    for room in ROOMS:
        assert importlib.import_module(room.__package__ or "").__doc__
