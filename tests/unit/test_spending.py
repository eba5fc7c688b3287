"""What a run may spend on models and what it spent: limits over all its steps, a clean stop, a log of the cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from typer.testing import CliRunner

from assets.warehouse.assets import log_of
from dagster_project import definitions, doctor, running, spending, steps
from dagster_project.choices import chosen_limits, chosen_models
from dagster_project.cli import app
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home
from dagster_project.language_models import Asker, BudgetSpentError, CallCache, Limits, Meter, Price, Usage
from dagster_project.language_models import backends as models
from dagster_project.resources import HomeResource, LakeIOManager
from dagster_project.settings import Settings
from schemas import validation
from schemas.catalogue import Table
from schemas.runs import RunLog
from tests.language_model_support import ScriptedModel, ask
from tests.support import write_conversations
from tests.unit.test_erasure import read

MODEL = "transformers:a/model"


@pytest.mark.parametrize(
    ("texts", "limits"),
    [
        (["500 calls"], Limits(calls=500)),
        (["2M tokens"], Limits(tokens=2_000_000)),
        (["1.5k calls", "0.50 USD"], Limits(calls=1_500, money=0.5)),
        (["0 calls"], Limits(calls=0)),
        ([], Limits()),
    ],
)
def test_a_budget_is_read(texts: list[str], limits: Limits) -> None:
    assert Limits.parse(texts) == limits


WRONG = [
    "500",
    "calls",
    "500calls",
    "-1 calls",
    "5 EUR",
    "5 usd",
    "1e6 tokens",
    "1,000 calls",
    "nan USD",
    "٥ calls",
]


@pytest.mark.parametrize("texts", [[text] for text in WRONG] + [["1.5 calls"], ["1 calls", "2 calls"]])
def test_any_other_budget_is_refused(texts: list[str]) -> None:
    with pytest.raises(ObservatoryError, match="budget"):
        Limits.parse(texts)


def test_models_are_chosen_by_role() -> None:
    assert chosen_models(reader=" vllm:a/b ", namer="none", auditor=None) == {
        "reader": "vllm:a/b",
        "namer": None,
    }
    assert (chosen_models(reader=None), chosen_limits(None), chosen_limits(["1 calls"])) == (
        {},
        None,
        Limits(calls=1),
    )


REFUSED = {
    "a model is given as": ["--reader", "gpt"],
    "a budget is given as": ["--budget", "lots"],
    "needs the price of vllm:a/b": ["--namer", "vllm:a/b", "--budget", "5 USD"],
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_bad_choice_is_refused_before_anything_is_added(tmp_path: Path, reason: str) -> None:
    file = write_conversations(tmp_path / "a.jsonl", 3)
    options = ["--home", str(tmp_path / "home"), *REFUSED[reason]]
    refused = CliRunner().invoke(app, ["run", str(file), *options])
    assert isinstance(refused.exception, ObservatoryError) and reason in str(refused.exception)
    assert Home(tmp_path / "home").batches() == [] and not (tmp_path / "home" / "settings.json").exists()


def test_roles_and_not_the_budget_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    monkeypatch.setattr(
        running,
        "bring_up_to_date",
        lambda home, on_event, limits: given.append(limits) or running.Materialised([], []),
    )
    file, folder = write_conversations(tmp_path / "a.jsonl", 3), tmp_path / "home"
    for options in (
        ["--reader", "vllm:a/b", "--budget", "2M tokens"],
        ["--namer", "vllm:c/d"],
        ["--reader", "none"],
    ):
        ran = CliRunner().invoke(
            app, ["run", str(file), "--home", str(folder), *options], catch_exceptions=False
        )
        assert ran.exit_code == 0
    kept = Home(folder).settings()
    assert (kept.reader, kept.namer, given) == (None, "vllm:c/d", [Limits(tokens=2_000_000), None, None])
    assert "2000000" not in (folder / "settings.json").read_text()


def test_the_limits_of_a_run_hold_over_its_parts() -> None:
    run = Meter(Limits(calls=5))
    first, second = run.part(), run.part()
    for part, calls in ((first, 3), (second, 2)):
        for _ in range(calls):
            part.reserve("m", Usage(1, 10, 10))
            part.settle("m", Usage(1, 10, 10), Usage(1, 8, 2))
    with pytest.raises(BudgetSpentError, match="5 calls"):
        second.reserve("m", Usage(1, 10, 10))
    assert (first.total(), second.total(), run.total()) == (
        Usage(3, 24, 6),
        Usage(2, 16, 4),
        Usage(5, 40, 10),
    )
    assert first.cost() is None
    second.learn("m", Price(1e6, 0))
    assert (second.cost(), run.cost(), first.cost()) == (16.0, 40.0, None)


def test_answers_that_were_known_are_counted(tmp_path: Path) -> None:
    model, run = ScriptedModel(lambda request: "fine"), Meter()
    words = ["a", "b", "a", "a"]
    for part in (run.part(), run.part()):
        client = Asker(model, CallCache(tmp_path / "calls.sqlite"), part)
        list(client.generate(ask(str(number), word) for number, word in enumerate(words)))
    assert spending.spending(run) == {
        "model_calls": 2,
        "cached_calls": 6,
        "input_tokens": 20,
        "output_tokens": 4,
        "cost": None,
    }


class _Answer(pa.DataFrameModel):
    """Answers of a model, for these tests."""

    text: pl.String = pa.Field(description="The answer.")


ANSWERS = Table("answers", _Answer)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ScriptedModel:
    scripted = ScriptedModel(lambda request: f"heard {request.messages[0].content}")
    monkeypatch.setattr(models, "connect", lambda specification: scripted)
    return scripted


@pytest.fixture
def asking(
    home: Path, tmp_path: Path, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Home]:
    """A home whose only step asks a model twenty questions."""
    opened = Home(home)
    read(opened, tmp_path / "a.jsonl", [("c1", "ann", "one")])
    monkeypatch.setenv("OBSERVATORY_HOME", str(home))
    monkeypatch.setattr(steps, "SPECS", {})
    monkeypatch.setattr(validation, "prepare", lambda: None)

    @steps.table_step(outputs=[ANSWERS], version="1", group="tests")
    def questions(step: steps.Step) -> steps.Result:
        """Asks."""
        asker = step.asker("reader")
        requests = (ask(str(number), f"word {number % 20}") for number in range(25))
        texts = [] if asker is None else [response.text for response in asker.generate(requests)]
        return steps.Result({ANSWERS.name: pl.DataFrame({"text": texts}, schema={"text": pl.String})})

    root = dg.EnvVar("OBSERVATORY_HOME")
    resources = {"home": HomeResource(root=root), "lake": LakeIOManager(root=root)}
    monkeypatch.setattr(definitions, "defs", dg.Definitions([questions], resources=resources))
    opened.store_settings(
        Settings.model_validate({"reader": MODEL, "model_prices": {MODEL: {"input": 1, "output": 2}}})
    )
    return opened


def test_a_budget_stops_a_step_cleanly_and_a_larger_one_goes_on_from_there(
    asking: Home, model: ScriptedModel
) -> None:
    with pytest.raises(ObservatoryError, match="questions failed: the budget of 7 calls is spent"):
        running.bring_up_to_date(asking, limits=Limits(calls=7))
    assert asking.lake.manifest(ANSWERS.zone, ANSWERS.name) is None
    assert list(asking.lake.folder(ANSWERS.zone, ANSWERS.name).glob("**/*.parquet")) == []
    assert CallCache(asking.calls).answers() == len(model.asked) == 7
    made = running.bring_up_to_date(asking, limits=Limits(calls=13, money=1.0))
    assert len(model.asked) == 20, "only what was missing is paid for"
    assert asking.lake.scan(ANSWERS.zone, ANSWERS.name).collect().height == 25
    paid = {"model_calls": 13, "cached_calls": 12, "input_tokens": 130, "output_tokens": 26, "cost": 0.000182}
    assert made.spent == paid
    stopped, finished = asking.lake.finished_steps()
    assert (stopped["stopped"], stopped["model_calls"], stopped["rows_out"]) == (True, 7, 0)
    assert paid.items() <= finished.items() and "stopped" not in finished
    assert running.bring_up_to_date(asking).runs == [], "a budget is no part of what a table is made from"


def test_behind_dagsters_pages_there_is_no_limit_and_without_a_model_nothing_is_counted(
    asking: Home, model: ScriptedModel
) -> None:
    asking.use_as_dagster_home()
    with dg.DagsterInstance.get() as instance:
        job = definitions.defs.resolve_implicit_global_asset_job_def()
        for _ in range(2):
            assert job.execute_in_process(
                instance=instance, asset_selection=[dg.AssetKey(ANSWERS.name)]
            ).success
            asking.store_settings(Settings.model_validate({}))
    first, second = asking.lake.finished_steps()
    assert (first["model_calls"], first["cached_calls"], first["cost"]) == (20, 5, 0.00028)
    assert spending.NOTHING.items() <= second.items()


def test_a_budget_of_money_is_refused_at_once_where_a_model_has_no_price(
    asking: Home, model: ScriptedModel
) -> None:
    asking.store_settings(Settings.model_validate({"reader": MODEL, "namer": "vllm:org/model"}))
    with pytest.raises(ObservatoryError, match=r"transformers:a/model and vllm:org/model: set model_prices"):
        running.bring_up_to_date(asking, limits=Limits(money=5))
    assert model.asked == []


def test_a_run_begins_with_the_answers_that_are_not_too_old(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Home(home)
    monkeypatch.setattr(running, "_bring_up_to_date", lambda *_: running.Materialised([], []))
    CallCache(opened.calls).keep([("key", {"text": "answer"}, ["somebody"])])
    for days, left in ((None, 1), (1.0, 1), (1e-9, 0)):
        opened.store_settings(Settings.model_validate({"calls_kept_days": days}))
        running.bring_up_to_date(opened)
        assert CallCache(opened.calls).answers() == left


def entry(**facts: object) -> dict[str, object]:
    return {
        "run_id": "r",
        "stage": "facets",
        "batch": None,
        "rows_in": 200,
        "rows_out": 200,
        "seconds": 1.0,
        "finished_at": "2026-03-01T00:00:00+00:00",
        "code_version": "1",
        "peak_memory_mb": 10.0,
        **facts,
    }


def test_the_log_tells_the_cost_in_round_figures_of_enough_rows() -> None:
    paid = {
        "model_calls": 203,
        "cached_calls": 1,
        "input_tokens": 123_456,
        "output_tokens": 9_876,
        "cost": 0.01234,
    }
    log = RunLog.validate(
        log_of(
            [
                entry(),
                entry(**spending.NOTHING),
                entry(**paid),
                entry(**paid, rows_in=0, rows_out=0, stopped=True),
                entry(**{**paid, "model_calls": 14, "cached_calls": 0}, rows_in=14),
                entry(**{**paid, "cost": None}),
            ],
            {},
            15,
        )
    )
    shown = (200, 0, 120_000, 9_900, 0.012)
    told = log.select("model_calls", "cached_calls", "input_tokens", "output_tokens", "cost").rows()
    nothing = (None,) * 5
    assert told == [nothing, nothing, shown, shown, nothing, (*shown[:4], None)]
    assert log["note"][3] == "stopped before its end, what was answered is kept; peak memory 10 MiB"
    assert log["note"][2] == "peak memory 10 MiB"


def test_how_many_conversations_a_model_left_unread_is_not_told() -> None:
    def shown(read: int) -> list[tuple]:
        steps = [("facets", 1_204, read), ("embeddings", read, read), ("clustering", read, 20)]
        entries = [
            {**entry(**spending.NOTHING), "stage": stage, "rows_in": rows_in, "rows_out": rows_out}
            for stage, rows_in, rows_out in steps
        ]
        return log_of(entries, {}, 15).select("rows_in", "rows_out").rows()

    assert shown(1_204)[0] == (1_204, 1_204)
    assert shown(1_203) == shown(1_199) == [(1_200, 1_200), (1_200, 1_200), (1_200, 20)]


def test_the_doctor_names_models_and_never_a_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    opened = Home(home)
    chosen = {"reader": "openai:https://models.example.org/v1#m", "namer": "vllm:org/model"}
    prices = {"model_prices": {chosen["reader"]: {"input": 0.25, "output": 1.25}}}
    opened.store_settings(Settings.model_validate({**chosen, **prices}))
    CallCache(opened.calls).keep([("key", {"text": "answer"}, [])])
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "vllm" else name)
    findings = {finding.subject: finding for finding in doctor._home(home)}
    assert findings["reader"].detail == f"{chosen['reader']}; library installed: yes; key variable set: yes"
    assert (findings["namer"].ok, findings["auditor"].detail) == (False, "no model")
    assert findings[f"price of {chosen['reader']}"].detail == "0.25 USD a million tokens read, 1.25 written"
    assert findings["call cache"].detail.endswith("MiB")
    assert not any("canary" in finding.detail for finding in findings.values())
