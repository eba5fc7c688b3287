"""A study through the graph: planned once it is registered, its votes restricted, its files beside what is published."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from dagster_project import embedding, evaluating, running, warehouse
from dagster_project.erasure.residue import retract_outgrown_evaluations
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home
from dagster_project.plan import plan_runs
from dagster_project.steps import SPECS
from schemas.catalogue import COLLECTIVE_VOTES, STATEMENT_CONSENSUS
from tests.opinion_support import one_topic, statements, votes, write_tables

pytestmark = pytest.mark.xdist_group("evaluations")
STEPS = {"collective_votes", "opinions", "collective_constitution"}


class WordEmbedder:
    """Vectors by the words of each text."""

    encode = staticmethod(one_topic)


def planned(home: Home) -> set[str]:
    return {step for run in plan_runs(list(SPECS.values()), home, evaluate=True) for step in run.steps}


def test_a_study_is_planned_published_and_retracted(
    ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(shutil.copytree(ran, tmp_path / "home"))
    monkeypatch.setenv("OBSERVATORY_HOME", str(home.root))
    monkeypatch.setattr(embedding, "default_embedder", WordEmbedder)
    study = evaluating.evaluation_named("collective-constitution")
    assert not planned(home) & STEPS, "nobody has registered data"
    with pytest.raises(ObservatoryError, match="folder"):
        evaluating.evaluate(home, [study], [], {})
    folder = write_tables(tmp_path / "votes", votes(), statements())
    made = evaluating.evaluate(home, [study], [], {study.name: {"folder": str(folder), "agreement": 0.8}})
    assert {step for run in made.runs for step in run.steps} >= STEPS and not made.refusals
    told = warehouse.query(home.warehouse, "SELECT text, original, voters FROM constitution")
    assert set(told["original"]) == {
        "AI should be honest.",
        "AI should not spread hate.",
        "AI must protect privacy.",
    }
    assert COLLECTIVE_VOTES.zone == "restricted"
    served = warehouse.query(home.warehouse, "SELECT table_name FROM information_schema.tables")["table_name"]
    assert not set(served) & {"collective_votes", "collective_participants", "opinion_members"}
    files = {path.suffix: path.read_text() for path in home.constitutions.iterdir()}
    assert "AI should be honest" in files[".md"] and "principles:" in files[".yaml"]
    assert planned(home) == set() and running.bring_up_to_date(home).runs == []
    write_tables(folder, votes().filter(pl.col("statement_id") != "2"), statements())
    assert planned(home) >= STEPS, "another file is another constitution"
    retract_outgrown_evaluations(home, home.settings().model_copy(update={"min_users": 70}))
    assert home.lake.last(STATEMENT_CONSENSUS.zone, STATEMENT_CONSENSUS.name) is None
    assert not home.constitutions.exists()
