"""What may be spent on a model, and what has been: reserved before a call is made, so that no limit is ever passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

from dagster_project.errors import ObservatoryError
from dagster_project.language_models.protocol import Usage


class BudgetSpentError(ObservatoryError):
    """The next call could pass the budget. What was answered is kept; a run with more budget goes on from there."""


@dataclass(frozen=True)
class Price:
    """Money for a million tokens."""

    input: float = 0.0
    output: float = 0.0

    def of(self, usage: Usage) -> float:
        """Money for a usage."""
        return (usage.input_tokens * self.input + usage.output_tokens * self.output) / 1e6


@dataclass(frozen=True)
class Limits:
    """The most that one run may spend; None is no limit. tokens: of prompts and answers together."""

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None


@dataclass
class Meter:
    """Spending of one run, over all its models, threads and stages."""

    limits: Limits = Limits()
    prices: Mapping[str, Price] = field(default_factory=dict)
    """By the identity of a model; one without a price costs nothing, and no limit on money can hold for it."""
    spent: dict[str, Usage] = field(default_factory=dict)
    held: dict[str, Usage] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def reserve(self, identity: str, most: Usage) -> None:
        """Set the most that a call can cost aside. Raises BudgetSpentError where that could pass a limit."""
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
                f"{limit:g} {name}"
                for name, limit, value in (
                    ("calls", self.limits.calls, total.calls),
                    ("tokens", self.limits.tokens, total.input_tokens + total.output_tokens),
                    ("of money", self.limits.money, money),
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
        with self.lock:
            held = self.held.get(identity, Usage())
            self.held[identity] = Usage(
                held.calls - most.calls,
                held.input_tokens - most.input_tokens,
                held.output_tokens - most.output_tokens,
            )
            self.spent[identity] = self.spent.get(identity, Usage()) + used

    def money(self) -> float:
        """What was spent, at the prices given."""
        return self._money(self.spent)

    def _money(self, usages: Mapping[str, Usage]) -> float:
        return sum(self.prices.get(identity, Price()).of(usage) for identity, usage in usages.items())


def _total(usages: object) -> Usage:
    total = Usage()
    for usage in usages:  # type: ignore[attr-defined]
        total = total + usage
    return total
