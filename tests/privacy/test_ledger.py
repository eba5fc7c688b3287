"""The ledger: charges add up, none is forgotten, none is paid twice, and a crash costs at most the one charge."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from dagster_project.errors import ObservatoryError
from dagster_project.privacy.ledger import SUMMARY, Ledger, Spending

SPENDINGS = (Spending("choice", 0.5, 1e-8, 3, 1), Spending("counts", 0.5, 0.0, 3, 5))


class Noise:
    """Draws another answer each time, and counts how often."""

    drawn = 0

    def __call__(self) -> pl.DataFrame:
        self.drawn += 1
        return pl.DataFrame({"cluster_id": ["a"], "users": [100 + self.drawn]})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


def test_the_same_release_gets_the_same_answer_for_one_charge(ledger: Ledger) -> None:
    noise = Noise()
    first = ledger.answer("r1", SPENDINGS, 1.0, noise)
    again = Ledger(ledger.folder).answer("r1", SPENDINGS, 1.0, noise)
    assert first.equals(again) and noise.drawn == 1 and len(ledger.charges()) == 1


def test_charges_add_up_and_one_over_budget_is_refused(ledger: Ledger) -> None:
    noise = Noise()
    for name in ("r1", "r2"):
        ledger.answer(name, SPENDINGS, 2.0, noise)
    with pytest.raises(ObservatoryError, match=r"spend epsilon 1 where 2 of 2 is spent"):
        ledger.answer("r3", SPENDINGS, 2.0, noise)
    assert noise.drawn == 2 and len(ledger.charges()) == 2
    assert not (ledger.folder / "r3.parquet").exists()
    summary = ledger.summary()
    assert summary["epsilon_spent"].to_list() == [1.0, 1.0, 2.0, 2.0]
    assert summary["delta_spent"].to_list() == [1e-8, 1e-8, 2e-8, 2e-8]
    assert summary.schema == pl.Schema(SUMMARY)
    ledger.answer("r1", SPENDINGS, 2.0, noise)
    assert noise.drawn == 2


def test_a_crash_before_the_answer_is_stored_charges_once(ledger: Ledger) -> None:
    def crash() -> pl.DataFrame:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.answer("r1", SPENDINGS, 1.0, crash)
    assert len(ledger.charges()) == 1, "the charge comes before the noise"
    noise = Noise()
    answer = ledger.answer("r1", SPENDINGS, 1.0, noise)
    assert noise.drawn == 1 and len(ledger.charges()) == 1
    assert ledger.answer("r1", SPENDINGS, 1.0, noise).equals(answer)


def test_a_crash_while_charging_draws_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster_project.privacy import ledger as module

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    noise = Noise()
    with monkeypatch.context() as patch, pytest.raises(OSError, match="space"):
        patch.setattr(module, "write_private", full)
        ledger.answer("r1", SPENDINGS, 1.0, noise)
    assert noise.drawn == 0 and ledger.charges() == []


@pytest.mark.parametrize("damage", ["altered", "removed", "torn", "cut off"])
def test_a_ledger_that_was_tampered_with_spends_nothing_more(ledger: Ledger, damage: str) -> None:
    for name in ("r1", "r2", "r3"):
        ledger.answer(name, SPENDINGS, 3.0, Noise())
    lines = ledger.file.read_bytes().splitlines()
    changed = {
        "altered": [lines[0].replace(b"0.5", b"0.1"), *lines[1:]],
        "removed": [lines[0], lines[2]],
        "cut off": lines[:2],
        "torn": [*lines[:2], lines[2][:40]],
    }[damage]
    ledger.file.write_bytes(b"\n".join(changed) + b"\n")
    noise = Noise()
    with pytest.raises(ObservatoryError, match="ledger is damaged"):
        ledger.answer("r4", SPENDINGS, 9.0, noise)
    assert noise.drawn == 0


def test_an_empty_ledger_has_an_empty_summary(ledger: Ledger) -> None:
    assert ledger.summary().is_empty() and ledger.summary().schema == pl.Schema(SUMMARY)
