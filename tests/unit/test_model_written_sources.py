"""What an erasure takes of the calls behind model-written evaluations."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from assets.evaluation.suite import Drafting
from assets.model_written_evals.behaviours import Behaviours, drafted
from assets.model_written_evals.building import Plan, build, written
from assets.model_written_evals.occupations import NO_OCCUPATIONS
from assets.model_written_evals.options import ModelWrittenOptions
from dagster_project.language_models import CallCache
from tests.model_written_support import BEHAVIOURS, NO_SEEDS, Discriminator, askers, noisy_writer
from tests.support import HashingEmbedder


def test_an_erasure_takes_what_was_written_and_judged_about_usage_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "behaviours.yaml").write_text(BEHAVIOURS)
    options = ModelWrittenOptions(behaviours=str(tmp_path / "behaviours.yaml"), samples=3)
    asker = askers(tmp_path, writer=noisy_writer(0.0), judge=Discriminator(area=1.0))
    given = Drafting(NO_SEEDS, options, asker=asker)
    build(given, HashingEmbedder().encode)
    cache = CallCache(tmp_path / "calls.sqlite")
    assert cache.forget([]) == 0, "statements about no cluster are kept"
    cluster = {"seed_cluster_id": "c-1", "name": "Tax returns", "weight": 0.5}
    usage = Behaviours.model_validate(
        {
            "usage": [
                {
                    "id": "eager", "group": "usage", "sign": "neutral", "description": "likes {topic}",
                    "agree": ["I like {topic}"], "disagree": ["I avoid {topic}"],
                }
            ]
        }
    ).usage  # fmt: skip
    plan = Plan(Behaviours(), drafted(usage, pl.DataFrame([cluster]), 1), NO_OCCUPATIONS)
    assert written(plan, given, HashingEmbedder().encode).height == 6
    assert cache.forget([]) >= 6 + 6
