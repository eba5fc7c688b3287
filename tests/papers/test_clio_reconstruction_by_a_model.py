"""The reconstruction benchmark with models in every role: one that knows the truth has to be found right by the whole way.

The models are the oracle face of the local server, asked over HTTP by the real client: who is shown another conversation,
or other members than the cluster's, answers about those.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dagster_project import embedding
from dagster_project.cli import app
from dagster_project.home import Home
from dagster_project.reconstruction import run_reconstruction
from dagster_project.sample.generate import write_sample
from tests.servers.openai_server import OpenAIServer
from tests.servers.oracle import Oracle
from tests.support import HashingEmbedder

CONVERSATIONS, SEED = 1_000, 3
PAPER = 0.94


@pytest.mark.slow
def test_a_model_that_knows_the_truth_finds_the_topics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "default_embedder", HashingEmbedder)
    monkeypatch.setattr("assets.clio.map.projections.SAMPLE", 300)
    monkeypatch.setenv("OBSERVATORY_HOME", str(tmp_path / "home"))
    write_sample(tmp_path / "sample.jsonl", CONVERSATIONS, SEED)
    with OpenAIServer(Oracle(tmp_path / "sample.jsonl"), keep_seen=False) as server:
        model = f"openai:{server.url}#test-model"
        roles = dict.fromkeys(("reader", "namer", "auditor"), model)
        report = run_reconstruction(CONVERSATIONS, SEED, None, tmp_path / "home", roles)
        asked = sum(server.calls.values())
        assert asked == len(server.calls), "nothing is asked twice"
    top = {found["group"]: found["accuracy"] for found in report["figures"] if found["level"] == "top"}
    assert top["all"] >= PAPER
    assert min(accuracy for group, accuracy in top.items() if group != "concerning") >= 0.9
    home = Home(tmp_path / "home")
    named = home.lake.scan("published", "clusters").collect()
    assert set(named["namer"]) >= {"openai:test-model"}
    spoken = CliRunner().invoke(
        app, ["sql", "SELECT sum(model_calls) AS calls FROM run_log", "--home", str(home.root)]
    )
    assert spoken.exit_code == 0
