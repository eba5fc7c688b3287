"""The ledger: charges add up, none is forgotten, none is paid twice, and a crash costs at most the one charge."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from dagster_project.errors import ObservatoryError
from dagster_project.privacy.ledger import SUMMARY, Allowance, Ledger, Spending

SPENDINGS = (Spending("choice", 0.5, 1e-8, 3, 1, "user"), Spending("counts", 0.5, 0.0, 3, 5, "user"))


def releases(number: float) -> Allowance:
    """What so many releases of `SPENDINGS` cost."""
    return Allowance(number, number * 1e-8)


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
    first = ledger.answer("r1", SPENDINGS, releases(1), noise)
    again = Ledger(ledger.folder).answer("r1", SPENDINGS, releases(1), noise)
    assert first.equals(again) and noise.drawn == 1 and len(ledger.charges()) == 1


def test_charges_add_up_and_one_over_budget_is_refused(ledger: Ledger) -> None:
    noise = Noise()
    for name in ("r1", "r2"):
        ledger.answer(name, SPENDINGS, releases(2), noise)
    with pytest.raises(ObservatoryError, match=r"spend epsilon 1 where 2 of 2 is spent"):
        ledger.answer("r3", SPENDINGS, releases(2), noise)
    assert noise.drawn == 2 and len(ledger.charges()) == 2
    assert not (ledger.folder / "r3.parquet").exists()
    summary = ledger.summary()
    assert summary["epsilon_spent"].to_list() == [1.0, 1.0, 2.0, 2.0]
    assert summary["delta_spent"].to_list() == [1e-8, 1e-8, 2e-8, 2e-8]
    assert summary.schema == pl.Schema(SUMMARY)
    ledger.answer("r1", SPENDINGS, releases(2), noise)
    assert noise.drawn == 2


def test_a_crash_before_the_answer_is_stored_charges_once(ledger: Ledger) -> None:
    def crash() -> pl.DataFrame:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.answer("r1", SPENDINGS, releases(1), crash)
    assert len(ledger.charges()) == 1, "the charge comes before the noise"
    noise = Noise()
    answer = ledger.answer("r1", SPENDINGS, releases(1), noise)
    assert noise.drawn == 1 and len(ledger.charges()) == 1
    assert ledger.answer("r1", SPENDINGS, releases(1), noise).equals(answer)


def test_a_crash_while_charging_draws_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster_project.privacy import ledger as module

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    noise = Noise()
    with monkeypatch.context() as patch, pytest.raises(OSError, match="space"):
        patch.setattr(module, "write_private", full)
        ledger.answer("r1", SPENDINGS, releases(1), noise)
    assert noise.drawn == 0 and ledger.charges() == []


@pytest.mark.parametrize("damage", ["altered", "removed", "torn", "cut off"])
def test_a_ledger_that_was_tampered_with_spends_nothing_more(ledger: Ledger, damage: str) -> None:
    for name in ("r1", "r2", "r3"):
        ledger.answer(name, SPENDINGS, releases(3), Noise())
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
        ledger.answer("r4", SPENDINGS, releases(9), noise)
    assert noise.drawn == 0


@pytest.mark.parametrize(
    ("allowance", "named"),
    [
        (Allowance(9.0, 1e-8), "delta 1e-08 where 1e-08 of 1e-08 is spent.*Raise dp_budget_delta in"),
        (Allowance(1.0, 1e-5), "epsilon 1 where 1 of 1 is spent.*Raise dp_budget_epsilon in"),
        (Allowance(1.0, 1e-8), "epsilon .* and delta .*Raise dp_budget_epsilon and dp_budget_delta in"),
    ],
)
def test_epsilon_and_delta_are_both_limited_and_the_message_names_what_to_raise(
    ledger: Ledger, allowance: Allowance, named: str
) -> None:
    noise = Noise()
    ledger.answer("r1", SPENDINGS, allowance, noise)
    with pytest.raises(ObservatoryError, match=named):
        ledger.answer("r2", SPENDINGS, allowance, noise)
    assert noise.drawn == 1 and len(ledger.charges()) == 1


def test_a_refusal_can_be_asked_for_and_charges_nothing(ledger: Ledger) -> None:
    assert ledger.refusal("r1", SPENDINGS, releases(1)) is None
    assert ledger.charges() == []
    ledger.answer("r1", SPENDINGS, releases(1), Noise())
    assert ledger.refusal("r1", SPENDINGS, releases(1)) is None, "it is paid for"
    assert "would spend" in str(ledger.refusal("r2", SPENDINGS, releases(1)))
    assert len(ledger.charges()) == 1


def test_ten_tenths_of_a_budget_are_the_budget(ledger: Ledger) -> None:
    tenth = [Spending("counts", 0.1, 1e-9, 3, 5, "user")]
    for number in range(10):
        ledger.answer(f"r{number}", tenth, releases(1), Noise())
    assert ledger.refusal("r10", tenth, releases(1)) is not None


def test_an_empty_ledger_has_an_empty_summary(ledger: Ledger) -> None:
    assert ledger.summary().is_empty() and ledger.summary().schema == pl.Schema(SUMMARY)
