"""The suite, as the evaluation core runs it."""

from __future__ import annotations

from assets.evaluation.suite import Suite
from assets.moral_self_correction.items import SUITE as NAME
from assets.moral_self_correction.items import make_items
from assets.moral_self_correction.options import Options, contents
from assets.moral_self_correction.picture import bias_plot
from assets.moral_self_correction.scores import score

SUITE = Suite(
    name=NAME,
    title="Moral self-correction: bias as asked, when told to avoid it, and after reasoning about it",
    paper="arXiv 2302.07459",
    version="2",
    scores_version="2",
    items=make_items,
    scores=lambda answered: score(answered.items, answered.answers, answered.usage, answered.subjects),
    options=Options,
    contents=contents,
    picture=bias_plot,
)
