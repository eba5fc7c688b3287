"""`observatory export`: the items of a home, with a card that knows how they were made and names no path."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from assets.evaluation.exporting import read_huggingface, read_lm_eval
from assets.model_written_evals.released import released_items
from assets.model_written_evals.suite import SUITE
from dagster_project import evaluating, exporting_commands
from dagster_project.evaluations import Evaluations
from dagster_project.home import Home
from schemas.catalogue import MODEL_WRITTEN_FUNNEL, SUITE_TABLES
from tests.released_support import persona_rows, write_jsonl
from tests.unit.published_sample import model_written_funnel

ITEMS = SUITE_TABLES[SUITE.name].items


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.setattr(evaluating, "known_suites", lambda: {SUITE.name: SUITE})
    app = typer.Typer()
    app.command()(exporting_commands.export)
    return app


@pytest.fixture
def filled(tmp_path: Path) -> Home:
    """A home that asks one released file."""
    file = write_jsonl(tmp_path / "persona" / "openness.jsonl", persona_rows(20))
    home = Home(tmp_path / "home")
    Evaluations().with_suites({SUITE.name: {"own": False, "files": [str(file)]}}).store(home.evaluated)
    staged = home.lake.stage(ITEMS.zone, ITEMS.name, released_items([str(file)]))
    home.lake.commit(staged, code_version="1", fingerprint="f")
    return home


def test_items_and_card_are_those_of_the_home(export: typer.Typer, filled: Home, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["model-written", "--to", "huggingface", "--out", str(out), "--home", str(filled.root)]
    done = CliRunner().invoke(export, [*arguments, "--licence", "cc-by-4.0", "--language", "fr"])
    assert done.exit_code == 0, done.output
    assert "20 items of model_written" in done.output and "left out" not in done.output
    items = filled.lake.scan(ITEMS.zone, ITEMS.name).collect()
    assert read_huggingface(out).equals(items)
    card = (out / "README.md").read_text()
    assert "license: cc-by-4.0" in card and "- fr" in card and SUITE.paper in card
    assert "`openness.jsonl`" in card and str(tmp_path) not in card


def test_the_card_names_the_models_that_made_the_items_and_not_those_chosen_since(filled: Home) -> None:
    filled.store_settings(
        filled.settings().model_copy(update={"writer": "openai:http://127.0.0.1:1/v1#new-writer"})
    )
    told = exporting_commands.card_of(filled, SUITE, licence="unknown", languages=("en",))
    assert dict(told.models) == {"writer": "new-writer"}, "nothing says who made them"
    funnel = model_written_funnel().with_columns(writer=pl.lit("old-writer"), judge=pl.lit(None, pl.String))
    staged = filled.lake.stage("published", MODEL_WRITTEN_FUNNEL.name, funnel)
    filled.lake.commit(staged, code_version="1", fingerprint="f")
    told = exporting_commands.card_of(filled, SUITE, licence="unknown", languages=("en",))
    assert dict(told.models) == {"writer": "old-writer"}
    assert "Model written funnel" in told.tables


def test_files_of_one_name_keep_apart_in_the_card() -> None:
    named = {
        "/home/me/persona/a.jsonl": "1",
        "/home/me/risk/a.jsonl": "2",
        "/home/me/b.jsonl": "3",
        "prompts": "4",
    }
    assert exporting_commands.short_names(named) == {
        "persona/a.jsonl": "1",
        "risk/a.jsonl": "2",
        "b.jsonl": "3",
        "prompts": "4",
    }
    assert exporting_commands.short_names({"x/a": "1", "a": "2"}) == {"x/a": "1", "a": "2"}
    assert exporting_commands.short_names({}) == {}


def test_what_is_left_out_is_told(export: typer.Typer, filled: Home, tmp_path: Path) -> None:
    items = filled.lake.scan(ITEMS.zone, ITEMS.name).collect()
    again = items.with_columns(follow_up=pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("And?")))
    staged = filled.lake.stage(ITEMS.zone, ITEMS.name, again)
    filled.lake.commit(staged, code_version="1", fingerprint="g")
    arguments = [
        "model_written",
        "--to",
        "lm-eval",
        "--out",
        str(tmp_path / "out"),
        "--home",
        str(filled.root),
    ]
    done = CliRunner().invoke(export, arguments)
    assert done.exit_code == 0, done.output
    assert "17 items" in done.output and "3 are left out" in done.output
    assert read_lm_eval(tmp_path / "out").height == 17


def test_a_home_without_items_says_how_to_make_them(export: typer.Typer, home: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        export, ["model-written", "--to", "inspect", "--out", str(tmp_path / "out"), "--home", str(home)]
    )
    assert "observatory evaluate model-written" in str(done.exception)
    assert not (tmp_path / "out").exists()
