"""Tombstones: keyed marks of who was forgotten, which keep their conversations from being read again.

A tombstone is an HMAC-SHA256 under the home's secret of a canonical id and says nothing without it
(specs/privacy_reliability.md, section 3.3). It differs from the user key of the tables, so that after an erasure no
user key is left anywhere either.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from dagster_project.privacy.identity import PSEUDONYM_CHARACTERS, Pseudonymiser, canonical_id

KINDS = ("user", "conversation", "unowned")


class Mason:
    """Makes tombstones under the home's secret: the same for every spelling of one id."""

    def __init__(self, secret: bytes) -> None:
        """Take the home's secret. Raises ObservatoryError when it is too short to protect anything."""
        self._secret = secret
        self.pseudonymise = Pseudonymiser(secret)

    def user(self, raw_id: str) -> str:
        """Tombstone of a user, by the id that a file gives."""
        return self.user_key(self.pseudonymise(raw_id))

    def user_key(self, key: str) -> str:
        """Tombstone of a user, by the pseudonym in the tables."""
        return self._mark("user", key)

    def conversation(self, conversation_id: str) -> str:
        """Tombstone of a conversation, whoever it belongs to."""
        return self._mark("conversation", canonical_id(conversation_id))

    def unowned(self, conversation_id: str) -> str:
        """Tombstone of the versions of a conversation that no user is known to own."""
        return self._mark("unowned", canonical_id(conversation_id))

    def _mark(self, kind: str, value: str) -> str:
        text = f"forgotten {kind}:{value}".encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()[:PSEUDONYM_CHARACTERS]

    def __repr__(self) -> str:
        """Show nothing of the secret."""
        return "Mason(secret=<hidden>)"


@dataclass(frozen=True)
class Tombstones:
    """Who must not be read again, by kind of tombstone."""

    user: frozenset[str] = frozenset()
    conversation: frozenset[str] = frozenset()
    unowned: frozenset[str] = frozenset()

    @classmethod
    def of(cls, marks: Mapping[str, Iterable[str]]) -> Tombstones:
        """Tombstones by kind, as `as_dict` gives them."""
        return cls(**{kind: frozenset(marks.get(kind, ())) for kind in KINDS})

    def as_dict(self) -> dict[str, list[str]]:
        """Tombstones by kind, sorted: their order does not tell who was forgotten when."""
        return {kind: sorted(getattr(self, kind)) for kind in KINDS}

    def __or__(self, other: Tombstones) -> Tombstones:
        """Tombstones of both."""
        return Tombstones(*(getattr(self, kind) | getattr(other, kind) for kind in KINDS))

    def __bool__(self) -> bool:
        """Whether there is any."""
        return any(getattr(self, kind) for kind in KINDS)

    def find(self, rows: pl.DataFrame, mason: Mason) -> pl.DataFrame:
        """Tombstones that conversations meet.

        In: conversation_id; user_key, null where unknown; unowned (Boolean), whether no user is known to own the
        conversation. Out: user, conversation, unowned [N], the tombstone of that kind or null, in the order of the
        rows.
        """
        ids = rows["conversation_id"]
        nobodys = rows.select(
            pl.when(pl.col("unowned") | pl.col("user_key").is_null()).then("conversation_id")
        ).to_series()
        return pl.DataFrame(
            {
                "user": _met(rows["user_key"], mason.user_key, self.user),
                "conversation": _met(ids, mason.conversation, self.conversation),
                "unowned": _met(nobodys, mason.unowned, self.unowned),
            }
        )

    def covers(self, rows: pl.DataFrame, mason: Mason) -> pl.Series:
        """Whether each conversation meets any tombstone; the rows as in `find`."""
        met = self.find(rows, mason)
        return met.select(pl.any_horizontal(pl.all().is_not_null())).to_series()


def _met(values: pl.Series, mark: Callable[[str], str], known: frozenset[str]) -> pl.Series:
    """The tombstone of each value where it is among the known ones; null elsewhere."""
    if not known:
        return pl.Series([None] * len(values), dtype=pl.String)
    distinct = values.drop_nulls().unique()
    marks = pl.Series([mark(value) for value in distinct], dtype=pl.String)
    met = pl.DataFrame({"value": distinct, "mark": marks}).filter(pl.col("mark").is_in(list(known)))
    return pl.DataFrame({"value": values}).join(met, on="value", how="left", maintain_order="left")["mark"]
