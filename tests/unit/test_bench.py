"""`observatory bench`: the suite that needs a checkout says so where there is none, and its figures are those of a run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import language_models
from dagster_project.bench import run_language_models
from dagster_project.errors import ObservatoryError
from tests.servers.faces import echo
from tests.servers.openai_server import OpenAIServer


def test_the_suite_of_language_models_needs_a_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "benchmarks", None)
    with pytest.raises(ObservatoryError, match="checkout"):
        run_language_models(100, tmp_path / "figures.json")
    assert not (tmp_path / "figures.json").exists()


def test_what_is_measured_answers_every_request_once() -> None:
    with OpenAIServer(echo, latency=0.01, capacity=8, full="refuse") as server:
        url = server.url.removesuffix("/v1")
        seconds, cpu, memory = language_models._ask_all(url, 50)
        assert len(server.calls) == 50
        language_models._ask_plainly(url, 10)
        assert len(server.calls) == 60
    assert seconds > 50 / 8 * 0.01
    assert cpu > 0
    assert memory > 10
