"""The calibrated threshold with the packaged model: what a suite is about is covered, what it is not about is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.usage_coverage import measure


@pytest.mark.slow
def test_paraphrases_of_usage_are_covered_and_unrelated_suites_cover_next_to_nothing(data_dir: Path) -> None:
    figures = measure(data_dir, each=3)
    assert figures["model: names"]["share_of_its_half"] >= 0.85
    assert figures["terms: names"]["share_of_its_half"] >= 0.6
    for form in ("terms", "model"):
        assert figures[f"{form}: questions"]["share_of_its_half"] >= 0.35
        for suite in ("personas", "examinations"):
            assert figures[f"{form}: {suite}"]["share"] <= 0.08
