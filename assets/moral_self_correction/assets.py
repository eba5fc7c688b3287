"""Moral self-correction (arXiv 2302.07459): items, usage, answers and metrics of the suite."""

from __future__ import annotations

from assets.evaluation.steps import suite_steps
from assets.moral_self_correction.suite import SUITE

steps = suite_steps(SUITE)
