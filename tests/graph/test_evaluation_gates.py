"""Every gate of the evaluations refuses a fault that is planted in what its step writes, and nothing after it runs."""

from __future__ import annotations

import polars as pl
import pytest
from test_planted_faults import COPIED, TABLES, Change, Plant, first, staged

from dagster_project import evaluating
from dagster_project.definitions import defs
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home
from dagster_project.lake import WHOLE
from dagster_project.steps import SPECS

pytestmark = pytest.mark.xdist_group("evaluations")
CANARY = "zq-planted-by-hand-77"
WORDS = pl.lit(COPIED)


def sung(column: str) -> Change:
    return first(**{column: pl.lit(CANARY)})


FAULTS: dict[str, tuple[str, str, Plant]] = {
    "a seed of no weight": ("usage_seeds", "usage_seeds/expectations", staged("usage_seeds", first(name=pl.lit("x" * 999)))),
    "a copied seed": ("usage_seeds", "usage_seeds/no_leaks", staged("usage_seeds", first(summary=WORDS))),
    "a planted item": ("discrimination_items", "discrimination_items/no_canaries", staged("discrimination_items", sung("topic"))),
    "a planted statement": ("model_written_items", "model_written_items/no_canaries", staged("model_written_items", sung("topic"))),
    "a planted point": ("model_written_items", "model_written_layout/no_canaries", staged("model_written_layout", sung("text"))),
    "a funnel with a hidden character": ("model_written_figures", "model_written_funnel/expectations", staged("model_written_funnel", first(writer=pl.lit("a\u202eb")))),
    "a copied funnel": ("model_written_figures", "model_written_funnel/no_leaks", staged("model_written_funnel", first(behaviour=WORDS))),
    "a planted question": ("global_opinion_items", "global_opinions_items/no_canaries", staged("global_opinions_items", sung("topic"))),
    "a planted country": ("global_opinion_items", "human_opinions/no_canaries", staged("human_opinions", sung("country"))),
    "a country with a hidden character": ("opinion_questions", "opinion_questions/expectations", staged("opinion_questions", first(most_similar=pl.lit("a\u202eb")))),
    "a copied country": ("opinion_questions", "opinion_questions/no_leaks", staged("opinion_questions", first(least_similar=WORDS))),
    "a planted student": ("moral_self_correction_items", "moral_self_correction_items/no_canaries", staged("moral_self_correction_items", sung("topic"))),
    "a first component that explains least": ("opinions", "opinion_splits/expectations", staged("opinion_splits", first(explained_1=pl.lit(0.0), explained_2=pl.lit(0.5)))),
    "more agreements than votes": ("collective_constitution", "collective_steps/expectations", staged("collective_steps", first(agrees=pl.col("votes") + 1))),
    "a copied principle": ("collective_constitution", "collective_steps/no_leaks", staged("constitution_principles", first(text=WORDS))),
    "a metric of more units than answers": ("evaluations", "eval_metrics/expectations", staged("eval_metrics", first(units=pl.col("n") + 1))),
    "a copied metric": ("evaluations", "eval_metrics/no_leaks", staged("eval_metrics", first(method=WORDS))),
}  # fmt: skip


def free_text(table: str) -> bool:
    """Whether a column of text takes any text: the schema itself refuses a leak into columns of listed words."""
    columns = TABLES[table].schema.to_schema().columns.values()
    return any(
        column.dtype.type == pl.String and "isin" not in {check.name for check in column.checks}
        for column in columns
    )


def test_every_gate_of_an_evaluation_has_a_fault() -> None:
    checks = defs.resolve_asset_graph().asset_check_keys
    gates = {
        f"{key.asset_key.path[-1]}/{key.name}"
        for key in checks
        if key.name != "schema"
        and TABLES[key.asset_key.path[-1]].suite is not None
        and (key.name != "no_leaks" or free_text(key.asset_key.path[-1]))
    }
    assert {refused for _, refused, _ in FAULTS.values()} == gates


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_refused_and_stops_what_follows(
    asked: Home, fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    step, refused, plant = FAULTS[fault]
    (tmp_path / "canaries.txt").write_text(CANARY + "\n")
    asked.add_canaries(tmp_path / "canaries.txt")
    for table in SPECS[step].outputs:
        asked.lake.relabel(table.zone, table.name, WHOLE, "due again")
    plant(asked, monkeypatch)
    before, journal = asked.warehouse.read_bytes(), len(asked.lake.finished_steps())
    suites = [evaluating.evaluation_named(name) for name in asked.evaluations().suites]
    with pytest.raises(ObservatoryError, match=f"refused by {refused}; nothing was committed"):
        evaluating.evaluate(asked, suites, [], {})
    assert len(asked.lake.finished_steps()) == journal
    assert asked.warehouse.read_bytes() == before
