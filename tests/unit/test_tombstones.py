"""Tombstones: one for every spelling of an id, another one for every kind and home, and found in the right rows."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.privacy.identity import Pseudonymiser, canonical_id
from dagster_project.privacy.tombstones import KINDS, Mason, Tombstones

SECRET = bytes(range(32))
MASON = Mason(SECRET)


@pytest.mark.parametrize(
    "spelling", ["Ann@x.org", " ANN@X.ORG ", "ａｎｎ＠ｘ．ｏｒｇ", "ann\u200b@x.org\ufeff"]
)
def test_every_spelling_of_an_id_has_one_tombstone(spelling: str) -> None:
    assert MASON.user(spelling) == MASON.user("ann@x.org")
    assert MASON.conversation(spelling) == MASON.conversation("ann@x.org")


@given(st.text(min_size=1, max_size=40))
def test_a_tombstone_is_of_the_pseudonym_and_differs_from_it_and_by_kind(raw_id: str) -> None:
    key = Pseudonymiser(SECRET)(raw_id)
    marks = {MASON.user(raw_id), MASON.conversation(raw_id), MASON.unowned(raw_id), key}
    assert len(marks) == 4
    assert MASON.user(raw_id) == MASON.user_key(key) == MASON.user(canonical_id(raw_id))
    assert Mason(bytes(32)).user(raw_id) != MASON.user(raw_id)


def test_each_kind_is_found_in_the_rows_that_it_means() -> None:
    keys = [Pseudonymiser(SECRET)(user) if user else None for user in ("ann", "bob", None, "cyd", None)]
    rows = pl.DataFrame(
        {
            "conversation_id": ["c1", "c2", "c3", "c4", "C2"],
            "user_key": keys,
            "unowned": [False, False, False, True, False],
        },
        schema_overrides={"user_key": pl.String},
    )
    tombstones = Tombstones(
        user=frozenset([MASON.user("ANN"), MASON.user("nobody")]),
        conversation=frozenset([MASON.conversation("c2")]),
        unowned=frozenset(map(MASON.unowned, ["c1", "c2", "c3", "c4"])),
    )
    met = tombstones.find(rows, MASON)
    assert met["user"].to_list() == [MASON.user("ann"), None, None, None, None]
    assert met["conversation"].is_not_null().to_list() == [False, True, False, False, True]
    assert met["unowned"].is_not_null().to_list() == [False, False, True, True, True]
    assert tombstones.covers(rows, MASON).all()
    assert not Tombstones().covers(rows, MASON).any()
    assert tombstones.covers(rows.clear(), MASON).len() == 0


def test_tombstones_add_up_and_survive_storage() -> None:
    one = Tombstones(user=frozenset("b"), unowned=frozenset("x"))
    both = one | Tombstones(user=frozenset("a"))
    assert both.as_dict() == {"user": ["a", "b"], "conversation": [], "unowned": ["x"]}
    assert Tombstones.of(both.as_dict()) == both
    assert list(both.as_dict()) == list(KINDS)
    assert both and not Tombstones()


def test_a_mason_shows_nothing_of_the_secret() -> None:
    assert repr(MASON) == "Mason(secret=<hidden>)"
