"""Evaluations through the graph: suites seeded by usage, subjects as partitions, and only what is new is asked."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from dagster_project import evaluating, removing, running, warehouse
from dagster_project.cli import app
from dagster_project.erasure.residue import retract_outgrown_evaluations
from dagster_project.errors import ObservatoryError
from dagster_project.forgetting import forget
from dagster_project.home import Home
from dagster_project.language_models import Limits
from schemas.catalogue import SUITE_TABLES, USAGE_SEEDS
from tests.support import write_conversations

pytestmark = pytest.mark.xdist_group("evaluations")
TABLES = SUITE_TABLES["discrimination"]
PROMPTS = 135 * (2 + 2)


def query(home: Home, statement: str) -> pl.DataFrame:
    return warehouse.query(home.warehouse, statement)


def again(home: Home, *subjects, options=None) -> running.Materialised:
    return evaluating.evaluate(home, [evaluating.suite_named("discrimination")], subjects, options or {})


def supplied(home: Home, folder: Path, name: str) -> list:
    """Answers of a subject that says yes to everybody, and surely to women."""
    items = home.lake.scan(TABLES.items.zone, TABLES.items.name).collect()
    rows = [
        {
            "item_id": item["item_id"],
            "probabilities": {"yes": 0.9, "no": 0.1}
            if {"attribute": "gender", "level": "female"} in item["groups"]
            else {"yes": 0.6, "no": 0.4},
        }
        for item in items.iter_rows(named=True)
    ]
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return evaluating.answer_subjects(path, evaluating.suite_named("discrimination"), name)


def test_what_was_asked_is_published_with_intervals_coverage_and_weights(asked: Home) -> None:
    told = query(asked, "SELECT * FROM evaluation_summary").row(0, named=True)
    assert (told["subject"], told["items"], told["answers"], told["unasked"]) == ("tiny", PROMPTS, PROMPTS, 0)
    assert told["seeded"] == 270 and told["usage_covered_low"] <= told["usage_covered"]
    assert told["usage_covered"] < told["usage_covered_with_drafted"] <= 1
    scores = query(asked, "SELECT * FROM eval_metrics WHERE estimate IS NOT NULL AND units > 1")
    assert scores.filter(pl.col("ci_low").is_not_null()).height
    assert set(scores["weighting"]) == {"items", "usage"}
    seeds = query(asked, "SELECT sum(weight) AS share FROM usage_seeds")["share"].item()
    assert 0.5 < seeds <= 1


def test_evaluating_again_does_nothing(asked: Home) -> None:
    assert again(asked).runs == []


def test_new_conversations_ask_no_subject_and_the_next_evaluation_asks_what_they_changed(
    asked: Home, tmp_path: Path
) -> None:
    before = query(asked, "SELECT * FROM eval_metrics")
    file = write_conversations(tmp_path / "more.jsonl", 60, seed=9)
    running.add_files(asked, [file], format_name=None, privacy_unit="user", mapping={})
    made = running.bring_up_to_date(asked)
    assert not {step for run in made.runs for step in run.steps} & {"discrimination_answers", "evaluations"}
    assert query(asked, "SELECT * FROM eval_metrics").equals(before)
    made = again(asked)
    assert {"usage_seeds", "evaluations"} <= {step for run in made.runs for step in run.steps}
    assert (made.spent["model_calls"] or 0) <= 270, "the prompts of our own scenarios are the same"


def test_another_subject_is_the_only_one_asked(asked: Home, tmp_path: Path) -> None:
    made = again(asked, *supplied(asked, tmp_path, "generous"))
    subjects = {run.subject for run in made.runs if run.subject}
    assert len(subjects) == 1 and made.spent["model_calls"] == 0
    scores = query(
        asked,
        "SELECT subject, estimate FROM eval_metrics WHERE metric = 'score' AND \"group\" = 'gender' "
        "AND level = 'female' AND dataset = 'explicit' AND weighting = 'items'",
    )
    expected = pytest.approx(
        pl.Series([0.9 / 0.1, 0.6 / 0.4]).log().to_list()[0] - pl.Series([1.5]).log().item()
    )
    assert dict(scores.iter_rows())["generous"] == expected
    assert "tiny" in dict(scores.iter_rows())


def test_a_spent_budget_leaves_what_others_answered_published_and_a_later_run_goes_on(
    asked: Home, tmp_path: Path
) -> None:
    options = {"discrimination": {"questions": 2}}
    suite = evaluating.suite_named("discrimination")
    made = evaluating.evaluate(
        asked, [suite], supplied(asked, tmp_path, "generous"), options, limits=Limits(calls=5)
    )
    (refusal,) = made.refusals
    assert "tiny was not asked all of discrimination" in refusal and "budget" in refusal
    told = "SELECT subject, answered, unasked FROM evaluation_summary WHERE suite = 'discrimination' ORDER BY subject"
    (generous, tiny) = query(asked, told).iter_rows(named=True)
    assert generous["subject"] == "generous" and generous["answered"] > 0 and tiny["unasked"] > 0
    assert "generous" in query(asked, "SELECT DISTINCT subject FROM eval_metrics")["subject"]
    assert not again(asked).refusals
    assert query(asked, told).filter(subject="tiny")["unasked"].item() == 0


def test_two_subjects_of_one_name_are_refused(asked: Home, tmp_path: Path) -> None:
    with pytest.raises(ObservatoryError, match="--name"):
        again(asked, *supplied(asked, tmp_path, "tiny"))


def test_an_erasure_withdraws_evaluations_and_the_next_one_pays_for_nothing_it_knows(asked: Home) -> None:
    forget(asked, ["Ms.Quill"], [])
    assert query(asked, "SELECT count(*) AS n FROM eval_metrics")["n"].item() == 0
    assert not any((asked.root / table.zone / table.name).exists() for table in vars(TABLES).values())
    made = again(asked)
    assert made.spent["model_calls"] <= 270
    assert query(asked, "SELECT count(*) AS n FROM eval_metrics")["n"].item() > 0


def test_raised_limits_withdraw_evaluations_of_clusters_that_are_too_small_now(asked: Home) -> None:
    smallest = query(asked, "SELECT min(users) AS users FROM usage_seeds")["users"].item()
    asked.store_settings(asked.settings().changed(min_users=smallest + 1))
    running.materialise(asked)
    assert query(asked, "SELECT count(*) AS n FROM usage_seeds")["n"].item() == 0
    assert not (asked.root / TABLES.items.zone / TABLES.items.name).exists()


def test_noisy_counts_withdraw_evaluations_of_exact_ones(asked: Home) -> None:
    noisy = asked.settings().model_copy(update={"dp_epsilon": 1.0})
    retract_outgrown_evaluations(asked, asked.settings())
    assert (asked.root / TABLES.items.zone / TABLES.items.name).exists()
    retract_outgrown_evaluations(asked, noisy)
    assert not any((asked.root / table.zone / table.name).exists() for table in vars(TABLES).values())
    assert asked.lake.last(USAGE_SEEDS.zone, USAGE_SEEDS.name) is None


def test_supplied_answers_outlive_their_file_and_are_replaced_by_corrected_ones(
    asked: Home, tmp_path: Path
) -> None:
    (subject,) = supplied(asked, tmp_path, "generous")
    again(asked, subject)
    Path(subject.file or "").unlink()
    again(asked, options={"discrimination": {"questions": 2}})
    assert "generous" in query(asked, "SELECT DISTINCT subject FROM eval_suites")["subject"]
    corrected = supplied(asked, tmp_path, "generous")
    assert again(asked, *corrected).runs
    assert sum(it.name == "generous" for it in asked.evaluations().subjects) == 1
    assert len(list((asked.restricted / "supplied").iterdir())) == 1


def test_the_command_line_evaluates_and_scores(asked: Home, tmp_path: Path) -> None:
    (subject,) = supplied(asked, tmp_path, "generous")
    arguments = ["score", "discrimination", "--answers", subject.file or "", "--home", str(asked.root)]
    file = Path(subject.file or "")
    lines = file.read_text().splitlines(keepends=True)
    lines[1] = json.dumps({"item_id": json.loads(lines[1])["item_id"]}) + "\n"
    file.write_text(
        "".join([*lines, lines[0], '{"item_id": "of another suite", "probabilities": {"yes": 1.0}}\n'])
    )
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "generous" in result.output and "eval_metrics" in result.output
    said = " ".join(result.output.split())
    assert f'sql "SELECT * FROM eval_metrics" --home {asked.root}' in said
    assert (
        "discrimination, generous: lost: no answer 1" in said
        and "usage covered: by items not drafted" in said
    )
    assert "1 answers to items that the suite does not have, 0 repeated" in said
    result = CliRunner().invoke(app, ["evaluate", "--home", str(asked.root)])
    assert result.exit_code == 0 and "Nothing to do" in result.output


class PowerCutError(BaseException):
    """Nothing that the code under test catches."""


def cut(*arguments: object) -> None:
    raise PowerCutError


def test_a_removal_that_was_cut_off_is_completed_without_asking_anybody(
    asked: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {*asked.evaluations().suites}
    answers = SUITE_TABLES["discrimination"].answers
    key = next(it.key for it in asked.evaluations().subjects if it.name == "tiny")
    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        patch.setattr(running, "_metered", cut)
        removing.remove(asked, ["tiny"], [])
    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        patch.setattr(running, "_metered", cut)
        removing.remove(asked, [], ["global-opinions"])
    assert asked.evaluations().unsettled
    assert "voter" in query(asked, "SELECT subject FROM eval_metrics")["subject"]
    made = running.bring_up_to_date(asked)
    steps = {step for run in made.runs for step in run.steps}
    assert "evaluations" in steps and not any("answers" in step or "items" in step for step in steps)
    assert not asked.evaluations().unsettled and not asked.evaluations().subjects
    assert {*asked.evaluations().suites} == before - {"global_opinions"}
    for table, column in (
        ("eval_metrics", "subject"),
        ("eval_suites", "subject"),
        ("eval_losses", "subject"),
    ):
        assert query(asked, f"SELECT {column} FROM {table}").is_empty()
    reached = {*query(asked, "SELECT suite FROM usage_reach")["suite"]}
    assert reached == before - {"global_opinions", "collective_constitution"}, "a study has no items"
    left = [
        table
        for table in vars(SUITE_TABLES["global_opinions"]).values()
        if (asked.root / table.zone / table.name).exists()
    ]
    assert not left and not (asked.root / answers.zone / answers.name / key).exists()
    with dg.DagsterInstance.get() as instance:
        assert not instance.get_dynamic_partitions("subjects")
        assert not instance.get_runs(dg.RunsFilter(tags={"dagster/partition": key}))
    assert running.bring_up_to_date(asked).runs == []


def test_the_command_removes_a_subject_and_evaluating_it_again_asks_nothing_that_is_known(
    asked: Home,
) -> None:
    (tiny,) = (it for it in asked.evaluations().subjects if it.name == "tiny")
    home = ["--home", str(asked.root)]
    result = CliRunner().invoke(app, ["remove", "--subject", "tinny", *home])
    assert isinstance(result.exception, ObservatoryError) and "there are: tiny, voter" in str(
        result.exception
    )
    result = CliRunner().invoke(app, ["remove", "--suite", "kindness", *home])
    assert "there are: discrimination, model_written, global_opinions" in str(result.exception)
    result = CliRunner().invoke(app, ["remove", "--subject", "tiny", *home])
    said = " ".join(result.output.split())
    assert result.exit_code == 0 and "removed subject: tiny" in said and f"{PROMPTS} answers are gone" in said
    assert set(query(asked, "SELECT subject FROM eval_suites")["subject"]) == {"voter"}
    made = again(asked, tiny)
    assert made.spent["model_calls"] == 0
    assert "tiny" in query(asked, "SELECT subject FROM eval_metrics")["subject"]


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["evaluate", "kindness"], "there are discrimination"),
        (["evaluate", "discrimination", "--option", "questions"], "--option takes"),
        (["evaluate", "discrimination", "--option", "questions=0"], "questions"),
        (["evaluate", "discrimination", "--subject", "tiny"], "a model is given as"),
        (["evaluate", "discrimination", "--subject", "transformers:/x/tiny", "--name", "a\u202eb"], "--name"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_with_advice(
    asked: Home, arguments: list[str], advice: str
) -> None:
    before = asked.evaluations().suites
    result = CliRunner().invoke(app, [*arguments, "--home", str(asked.root)])
    assert isinstance(result.exception, ObservatoryError) and advice in str(result.exception)
    assert asked.evaluations().suites == before
    assert again(asked).runs == []
