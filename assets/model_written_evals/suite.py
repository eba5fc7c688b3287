"""The suite, as the evaluation core runs it. The room makes its items by a step of its own, with the funnel behind them."""

from __future__ import annotations

from assets.evaluation.suite import Suite
from assets.model_written_evals import PAPER, SUITE_NAME
from assets.model_written_evals.options import ModelWrittenOptions, contents
from assets.model_written_evals.scores import scores

SUITE = Suite(
    name=SUITE_NAME,
    title="Behaviours that language models show in evaluations that language models write",
    paper=PAPER,
    version="1",
    scores_version="3",
    scores=lambda answered: scores(answered.items, answered.answers, answered.usage, answered.subjects),
    options=ModelWrittenOptions,
    contents=contents,
    roles=("writer", "judge"),
)
