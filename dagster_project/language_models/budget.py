"""What may be spent on a model, and what has been: reserved before a call is made, so that no answer passes a limit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Lock

from dagster_project.errors import ObservatoryError
from dagster_project.language_models.protocol import Usage

FORM = re.compile(r"(?P<number>[0-9]{1,12}(?:\.[0-9]{1,6})?)(?P<scale>[kMG]?) (?P<unit>calls|tokens|USD)")
SCALES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
FORMS = '"500 calls", "2M tokens" or "5 USD"'


class BudgetSpentError(ObservatoryError):
    """The next call could pass the budget. What was answered is kept; a run with more budget goes on from there."""


@dataclass(frozen=True)
class Price:
    """Money (US dollars) for a million tokens."""

    input: float = 0.0
    output: float = 0.0

    def of(self, usage: Usage) -> float:
        """Money for a usage."""
        return (usage.input_tokens * self.input + usage.output_tokens * self.output) / 1e6


@dataclass(frozen=True)
class Limits:
    """The most that one run may spend; None is no limit. tokens: of prompts and answers together; money: US dollars."""

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Limits:
        """Read `500 calls`, `2M tokens`, `5 USD`; k, M and G are thousands, millions and thousands of millions.

        Raises ObservatoryError on any other form, on a part of a call or token, and on a unit that comes twice.
        """
        given: dict[str, int | float] = {}
        for text in texts:
            found = FORM.fullmatch(text.strip())
            if found is None:
                raise ObservatoryError(f"a budget is given as {FORMS}")
            name = {"USD": "money"}.get(found["unit"], found["unit"])
            amount = Decimal(found["number"]) * SCALES[found["scale"]]
            if name in given:
                raise ObservatoryError(f"the budget of {found['unit']} is given twice; give it once")
            if name != "money" and amount % 1:
                raise ObservatoryError(f"a budget of {found['unit']} is a whole number")
            given[name] = float(amount) if name == "money" else int(amount)
        return cls(**given)  # type: ignore[arg-type]


@dataclass
class Meter:
    """Spending of one run, over all its models, threads and stages; or of a part of it, under the limits of the whole."""

    limits: Limits = Limits()
    prices: Mapping[str, Price] = field(default_factory=dict)
    """By the identity of a model; one without a price costs nothing, and no limit on money can hold for it."""
    whole: Meter | None = None
    spent: dict[str, Usage] = field(default_factory=dict)
    held: dict[str, Usage] = field(default_factory=dict)
    recalled: dict[str, int] = field(default_factory=dict)
    """Answers that were known already, and so cost nothing."""
    lock: Lock = field(default_factory=Lock)

    def reserve(self, identity: str, most: Usage) -> None:
        """Set the most that a call can cost aside. Raises BudgetSpentError where that could pass a limit."""
        if self.whole is not None:
            self.whole.reserve(identity, most)
            return
        if self.limits.money is not None and identity not in self.prices:
            raise ObservatoryError(
                f"a budget of money needs the price of {identity}; set model_prices in settings.json"
            )
        with self.lock:
            held = self.held.get(identity, Usage()) + most
            after = {**self.held, identity: held}
            total = _total(self.spent.values()) + _total(after.values())
            money = self._money(self.spent) + self._money(after)
            over = [
                f"{limit:,.12g} {name}"
                for name, limit, value in (
                    ("calls", self.limits.calls, total.calls),
                    ("tokens", self.limits.tokens, total.input_tokens + total.output_tokens),
                    ("USD", self.limits.money, money),
                )
                if limit is not None and value > limit
            ]
            if over:
                raise BudgetSpentError(
                    f"the budget of {' and '.join(over)} is spent; what was answered is kept: run the same command with "
                    "a larger --budget to go on"
                )
            self.held = after

    def settle(self, identity: str, most: Usage, used: Usage) -> None:
        """Put what a call did cost in the place of what was set aside for it."""
        if self.whole is not None:
            self.whole.settle(identity, most, used)
        with self.lock:
            if self.whole is None:
                held = self.held.get(identity, Usage())
                self.held[identity] = Usage(
                    held.calls - most.calls,
                    held.input_tokens - most.input_tokens,
                    held.output_tokens - most.output_tokens,
                )
            self.spent[identity] = self.spent.get(identity, Usage()) + used

    def recall(self, identity: str) -> None:
        """Count an answer that was known already: of the cache, or of another request that asked the same."""
        if self.whole is not None:
            self.whole.recall(identity)
        with self.lock:
            self.recalled[identity] = self.recalled.get(identity, 0) + 1

    def part(self) -> Meter:
        """A meter of a part of the run: it counts what the part spends, and the limits of the whole hold for it."""
        return Meter(whole=self)

    def learn(self, identity: str, price: Price) -> None:
        """Take the price of a model."""
        if self.whole is not None:
            self.whole.learn(identity, price)
        with self.lock:
            self.prices = {**self.prices, identity: price}

    def total(self) -> Usage:
        """What was spent, over all models."""
        return _total(self.spent.values())

    def cost(self) -> float | None:
        """What was spent, at the prices given; None where a model that was called has none."""
        called = {identity for identity, usage in self.spent.items() if usage.calls}
        return None if called - self.prices.keys() else self.money()

    def money(self) -> float:
        """What was spent, at the prices given."""
        return self._money(self.spent)

    def _money(self, usages: Mapping[str, Usage]) -> float:
        return sum(self.prices.get(identity, Price()).of(usage) for identity, usage in usages.items())


def _total(usages: Iterable[Usage]) -> Usage:
    return sum(usages, Usage())
