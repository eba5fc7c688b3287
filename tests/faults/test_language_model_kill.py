"""A run killed with `kill -9` ends with the bytes of one that was not, and pays twice only for what was under way."""

from __future__ import annotations

from pathlib import Path

from tests.kill_support import MOST_AT_ONCE, excess, run


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", count=300, kills=0, seed=0)
    assert set(whole.calls.values()) == {1}
    assert len(whole.calls) == 240, "one in five asks what another asked"
    killed = run(tmp_path / "killed", count=300, kills=7, seed=11)
    assert killed.killed == 7
    assert 0 <= excess(whole, killed) <= killed.killed * MOST_AT_ONCE
