"""Known groups are found again, through the whole pipeline with the packaged model."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.recovery import measure


@pytest.mark.slow
def test_intents_and_domains_are_recovered(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBSERVATORY_HOME", str(tmp_path / "home"))
    (figures,) = measure(data_dir / "clinc150", tmp_path, range(1))
    assert figures["requests"] == 4500
    assert figures["base_nmi"] >= 0.89
    assert figures["base_ari"] >= 0.66
    assert figures["top_clusters"] == 10
    assert figures["top_nmi"] >= 0.54
