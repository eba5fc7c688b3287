"""Answers of models and the right to erasure: an answer goes with any of those whose words led to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dagster_project import forgetting, running, spending
from dagster_project.cli import app
from dagster_project.erasure.record import read_record
from dagster_project.erasure.residue import restate_journal
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home
from dagster_project.language_models import Asker, BudgetSpentError, CallCache, Limits, Meter
from dagster_project.privacy.identity import Pseudonymiser, load_or_create_secret
from tests.language_model_support import ScriptedModel, ask
from tests.unit.test_erasure import read

CANARY = "zqv7kk2mwx4tph9c"


@pytest.fixture(autouse=True)
def no_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests look at the cache alone; the graph's tests publish."""
    monkeypatch.setattr(running, "bring_up_to_date", lambda *_, **__: running.Materialised([], []))


@pytest.fixture
def asked(home: Path, tmp_path: Path) -> Home:
    """A home in which a model was asked about each of three conversations, and about two of them together."""
    opened = Home(home)
    rows = [("c1", "ann", CANARY), ("c2", "bob", "two"), ("c3", None, "three")]
    read(opened, tmp_path / "a.jsonl", rows)
    key = Pseudonymiser(load_or_create_secret(opened.secret))
    said = [(text, {name} | ({key(user)} if user else set())) for name, user, text in rows]
    said.append((f"{CANARY} and two", said[0][1] | said[1][1]))
    model = ScriptedModel(lambda request: f"heard {request.messages[0].content} " * 300)
    client = Asker(model, CallCache(opened.calls), Meter())
    list(client.generate(ask(text, text, *sources) for text, sources in said))
    return opened


def held(home: Home) -> bytes:
    """Every byte of the cache, of the files beside it too."""
    return b"".join(path.read_bytes() for path in home.restricted.glob("calls.sqlite*"))


def test_no_byte_of_an_answer_is_left_and_the_answers_of_others_stay(asked: Home) -> None:
    assert CANARY.encode() in held(asked)
    forgetting.forget(asked, [" Ann\u200b"])
    left = held(asked)
    assert CANARY.encode() not in left and b"heard two" in left and b"heard three" in left
    assert Pseudonymiser(asked.secret.read_bytes())("ann").encode() not in left
    assert CallCache(asked.calls).answers() == 2
    forgetting.forget(asked, [], ["C3"])
    assert b"heard three" not in held(asked) and b"heard two" in held(asked)


def interrupted(home: Home) -> None:
    """Begin to forget ann, and fail where the cache's turn comes."""

    def in_use(*_: object) -> int:
        raise ObservatoryError("calls.sqlite is in use")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CallCache, "forget", in_use)
        with pytest.raises(ObservatoryError, match="in use"):
            forgetting.forget(home, ["ann"])
    assert read_record(home).pending is not None


def test_an_erasure_is_not_done_before_the_answers_are_gone(asked: Home) -> None:
    interrupted(asked)
    assert forgetting.erase_pending(asked)
    forgetting.settle(asked)
    assert CANARY.encode() not in held(asked) and read_record(asked).pending is None


CHILD = """
import os, sys
from dagster_project.erasure.calls import erase_calls
from dagster_project.erasure.record import read_record
from dagster_project.home import Home
from dagster_project.language_models import CallCache
from dagster_project.privacy.tombstones import Mason
home, moment, connect = Home(sys.argv[1]), sys.argv[2], CallCache._connect
def watched(cache):
    database = connect(cache)
    database.set_trace_callback(lambda statement: os._exit(9) if statement.startswith(moment) else None)
    return database
CallCache._connect = watched
erase_calls(home, read_record(home).tombstones, Mason(home.secret.read_bytes()))
"""


def test_a_process_that_dies_while_it_erases_answers_is_completed(asked: Home) -> None:
    interrupted(asked)
    for moment in ("DELETE FROM sources", "COMMIT", "VACUUM", "PRAGMA wal_checkpoint"):
        died = subprocess.run([sys.executable, "-c", CHILD, str(asked.root), moment], capture_output=True)
        assert died.returncode == 9, moment
    assert forgetting.erase_pending(asked)
    forgetting.settle(asked)
    assert CANARY.encode() not in held(asked) and b"heard two" in held(asked)


def test_a_user_of_whom_only_answers_are_held_is_known_and_goes(asked: Home) -> None:
    secret = Pseudonymiser(asked.secret.read_bytes())
    model = ScriptedModel(lambda request: "of somebody whose file was never read to its end")
    list(Asker(model, CallCache(asked.calls), Meter()).generate([ask("a", "words", secret("cyd"))]))
    outcome = forgetting.forget(asked, ["cyd"])
    assert (outcome.asked, outcome.unknown, outcome.conversations) == (1, 0, 0)
    assert b"of somebody" not in held(asked) and read_record(asked).pending is None


def test_spending_on_the_forgotten_is_told_no_more(asked: Home) -> None:
    key = asked.batches()[0].key
    paid = {"model_calls": 3, "cached_calls": 0, "input_tokens": 30, "output_tokens": 6, "cost": 0.1}
    for batch, more in ((key, {}), (key, {"stopped": True, "rows_in": 0, "rows_out": 0}), ("other", {})):
        asked.lake.record({"batch": batch, "rows_in": 3, "rows_out": 3, **paid, **more})
    restate_journal(asked, [key])
    first, stopped, other = asked.lake.finished_steps()
    assert (first["rows_in"], first["model_calls"], first["cost"]) == (3, None, None)
    assert (stopped["rows_in"], stopped["model_calls"]) == (0, None)
    assert other["model_calls"] == 3


def test_the_release_after_an_erasure_keeps_to_its_budget(
    asked: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []
    command = ["forget", "--home", str(asked.root), "--user"]

    def release(home: Home, on_event: object, limits: Limits | None, **_: bool) -> running.Materialised:
        given.append(limits)
        if limits is not None:
            raise BudgetSpentError("the budget is spent")
        return running.Materialised([], [], {**dict.fromkeys(spending.NOTHING, 0), "model_calls": 7})

    monkeypatch.setattr(running, "bring_up_to_date", release)
    asked.store_settings(asked.settings().changed(namer="vllm:org/model"))
    unpriced = CliRunner().invoke(app, [*command, "ann", "--budget", "5 USD"])
    assert "needs the price of vllm:org/model" in str(unpriced.exception)
    assert given == [] and CANARY.encode() in held(asked), "refused before anything is erased"
    stopped = CliRunner().invoke(app, [*command, "ann", "--budget", "3 calls"])
    assert isinstance(stopped.exception, BudgetSpentError)
    assert CANARY.encode() not in held(asked) and read_record(asked).pending is not None
    finished = CliRunner().invoke(app, [*command, "ann"], catch_exceptions=False)
    assert given == [Limits(calls=3), None] and read_record(asked).pending is None
    assert finished.exit_code == 0 and "7 calls" in finished.output
