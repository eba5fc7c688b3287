"""The suite, as the evaluation core runs it. The room makes its items by a step of its own, with what people answered."""

from __future__ import annotations

from assets.evaluation.suite import Suite
from assets.global_opinions.items import SUITE as NAME
from assets.global_opinions.items import Options, contents
from assets.global_opinions.picture import world_map
from assets.global_opinions.scores import scores
from schemas.catalogue import HUMAN_OPINIONS

SUITE = Suite(
    name=NAME,
    title="Whose answers to survey questions a model's answers are like",
    paper="arXiv 2306.16388",
    version="2",
    scores_version="2",
    scores=scores,
    options=Options,
    contents=contents,
    roles=("writer",),
    picture=world_map,
    beside=(HUMAN_OPINIONS,),
)
