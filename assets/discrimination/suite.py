"""The suite, as the evaluation core runs it."""

from __future__ import annotations

from assets.discrimination.items import SUITE as NAME
from assets.discrimination.items import Options, contents, make_items
from assets.discrimination.picture import forest_plot
from assets.discrimination.scores import score
from assets.evaluation.suite import Suite

SUITE = Suite(
    name=NAME,
    title="Discrimination in decisions about people",
    paper="arXiv 2312.03689",
    version="2",
    scores_version="4",
    items=make_items,
    scores=lambda answered: score(answered.items, answered.answers, answered.usage),
    options=Options,
    contents=contents,
    picture=forest_plot,
)
