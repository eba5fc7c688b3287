"""The reconstruction benchmark with models in every role: one that knows the truth has to be found right by the whole way.

The models are the oracle face of the local server, asked over HTTP by the real client: who is shown another conversation,
or other members than the cluster's, answers about those.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project import embedding
from dagster_project.home import Home
from dagster_project.reconstruction import run_reconstruction
from dagster_project.sample.generate import write_sample
from tests.servers.openai_server import OpenAIServer
from tests.servers.oracle import Oracle
from tests.support import HashingEmbedder

CONVERSATIONS, SEED = 1_000, 3
PAPER, PAPER_CONCERNING = 0.94, 0.84
# The tree finds its own topics, ten of eleven here.
TOP = 0.85


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
    found = {(part["level"], part["group"]): part["accuracy"] for part in report["figures"]}
    # As in the paper, the top level is given: the true topics.
    assert found["given", "all"] >= PAPER and found["given", "concerning"] >= PAPER_CONCERNING
    assert found["leaf", "all"] >= PAPER
    assert found["top", "all"] >= TOP
    named = Home(tmp_path / "home").lake.scan("published", "clusters").collect()
    assert "openai:test-model" in named["namer"].to_list()
    assert named["reader"].str.starts_with("openai:test-model ").all(), "no place of an endpoint is published"
