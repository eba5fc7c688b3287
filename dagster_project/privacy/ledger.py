"""What privacy has been spent: an append-only file of charges, each sealed to the one before by a checksum.

A charge is written, and is durable, before any noise is drawn; the noisy answer is stored beside it before anything
is published. So a crash between the two costs at most the one charge and never publishes for nothing, and the same
release asked for again gets the stored answer, at no further cost. Charges add up (basic composition).
Source: specs/privacy_reliability.md 1.3, rule 9.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from dagster_project.errors import ObservatoryError
from dagster_project.files import replacing, write_private

SLACK = 1e-9


@dataclass(frozen=True)
class Spending:
    """One mechanism of a release: what it spends, for a unit that is in `l0` groups with `linf` rows in each.

    `unit` is whose presence is protected: a user, or a conversation alone.
    """

    mechanism: str
    epsilon: float
    delta: float
    l0: int
    linf: int
    unit: str


@dataclass(frozen=True)
class Charge:
    """One release's spending. `release` is a keyed fingerprint of everything the answer depends on."""

    ordinal: int
    release: str
    spendings: tuple[Spending, ...]

    @property
    def epsilon(self) -> float:
        """What the release spends in all."""
        return sum(spending.epsilon for spending in self.spendings)

    @property
    def delta(self) -> float:
        """The chance with which its guarantee may fail."""
        return sum(spending.delta for spending in self.spendings)


@dataclass(frozen=True)
class Allowance:
    """What all noisy releases of a home may spend together."""

    epsilon: float
    delta: float


class Ledger:
    """The charges of a home, in its restricted zone."""

    def __init__(self, folder: Path) -> None:
        """Take the folder of the ledger; it is made with the first charge."""
        self.folder = folder
        self.file = folder / "charges.jsonl"

    def charges(self) -> list[Charge]:
        """All charges, oldest first. Raises ObservatoryError when one was altered, torn or taken out.

        A newest charge that is cut off is known by its answer, which is still there.
        """
        charges, seal = [], ""
        for line in self.file.read_bytes().splitlines() if self.file.exists() else ():
            try:
                entry = json.loads(line)
                body, stated = entry["charge"], entry["seal"]
            except (ValueError, KeyError, TypeError):
                raise self._damage() from None
            seal = _seal(seal, body)
            if seal != stated or body["ordinal"] != len(charges) + 1:
                raise self._damage()
            spendings = tuple(Spending(**spending) for spending in body["spendings"])
            charges.append(Charge(body["ordinal"], body["release"], spendings))
        if {path.stem for path in self.folder.glob("*.parquet")} - {charge.release for charge in charges}:
            raise self._damage()
        return charges

    def _damage(self) -> ObservatoryError:
        return ObservatoryError(
            "the privacy ledger is damaged: restore restricted/ledger/charges.jsonl from a backup; nothing more is "
            "published with noise until it is whole, because nobody knows what has been spent"
        )

    def answer(
        self,
        release: str,
        spendings: Sequence[Spending],
        allowance: Allowance,
        draw: Callable[[], pl.DataFrame],
    ) -> pl.DataFrame:
        """The noisy answer of a release: the stored one, or a new one after it has been paid for.

        `draw` is called only after the charge is on disk. Raises ObservatoryError, with nothing charged, where
        `refusal` gives a reason.
        """
        stored = self.folder / f"{release}.parquet"
        charges = self.charges()
        if all(charge.release != release for charge in charges):
            self._charge(Charge(len(charges) + 1, release, tuple(spendings)), charges, allowance)
        elif stored.exists():
            return pl.read_parquet(stored)
        answer = draw()
        with replacing(stored) as aside:
            answer.write_parquet(aside)
        return answer

    def refusal(self, release: str, spendings: Sequence[Spending], allowance: Allowance) -> str | None:
        """Why a release may not be answered: its charge would pass the allowance in epsilon or delta. Charges nothing.

        None where it may be, and where it has been paid for already.
        """
        charges = self.charges()
        if any(charge.release == release for charge in charges):
            return None
        return _beyond(Charge(len(charges) + 1, release, tuple(spendings)), charges, allowance)

    def _charge(self, charge: Charge, before: Sequence[Charge], allowance: Allowance) -> None:
        reason = _beyond(charge, before, allowance)
        if reason:
            raise ObservatoryError(reason)
        body = asdict(charge)
        entry = {"charge": body, "seal": _seal(self._last_seal(), body)}
        # Written aside and renamed: a kill leaves the old ledger or the new one, never a torn charge.
        old = self.file.read_bytes() if self.file.exists() else b""
        write_private(self.file, old + json.dumps(entry, sort_keys=True).encode() + b"\n")

    def _last_seal(self) -> str:
        lines = self.file.read_bytes().splitlines() if self.file.exists() else []
        return json.loads(lines[-1])["seal"] if lines else ""

    def summary(self) -> pl.DataFrame:
        """What may be published: a row per release and mechanism, with what had been spent by then."""
        rows, epsilon, delta = [], 0.0, 0.0
        for charge in self.charges():
            epsilon, delta = epsilon + charge.epsilon, delta + charge.delta
            rows += [
                {
                    "release": charge.ordinal,
                    **asdict(spending),
                    "epsilon_spent": epsilon,
                    "delta_spent": delta,
                }
                for spending in charge.spendings
            ]
        return pl.DataFrame(rows, schema=SUMMARY)


SUMMARY = {
    "release": pl.UInt32,
    "mechanism": pl.String,
    "epsilon": pl.Float64,
    "delta": pl.Float64,
    "l0": pl.UInt32,
    "linf": pl.UInt32,
    "unit": pl.String,
    "epsilon_spent": pl.Float64,
    "delta_spent": pl.Float64,
}


def _beyond(charge: Charge, before: Sequence[Charge], allowance: Allowance) -> str | None:
    """What to say of a charge that passes the allowance; None where it does not."""
    over = []
    for name in ("epsilon", "delta"):
        cost, most = getattr(charge, name), getattr(allowance, name)
        spent = sum(getattr(earlier, name) for earlier in before)
        if spent + cost > most * (1 + SLACK):
            over.append((f"dp_budget_{name}", f"{name} {cost:g} where {spent:g} of {most:g} is spent"))
    if not over:
        return None
    settings, sums = (" and ".join(parts) for parts in zip(*over, strict=True))
    return (
        f"this release would spend {sums}, so nothing new is published. Raise {settings} in settings.json, which "
        "weakens the promise, or publish no more"
    )


def _seal(before: str, body: dict[str, object]) -> str:
    content = before + json.dumps(json.loads(json.dumps(body)), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
