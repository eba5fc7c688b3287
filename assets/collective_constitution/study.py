"""The study, as the evaluation core registers it: no subject model is asked, people have answered."""

from __future__ import annotations

from assets.collective_constitution import PAPER, STUDY_NAME
from assets.collective_constitution.options import CollectiveOptions, contents
from assets.evaluation.suite import Study

STUDY = Study(
    name=STUDY_NAME,
    title="A constitution that a public agrees on, whatever its groups of opinion",
    paper=PAPER,
    version="2",
    options=CollectiveOptions,
    contents=contents,
    roles=("writer",),
    shows=("statement_consensus", "constitution", "constitution_overlap"),
)
