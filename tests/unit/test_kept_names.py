"""A name stays while what it says holds, and goes when the content does."""

from __future__ import annotations

import polars as pl
import pytest
from test_naming import FOOD, MONEY, TRAVEL, members, names_of, tree

from assets.clio.naming import name_nodes

NODES = tree({"a": None, "b": None, "c": None})


def renamed(content: list[str], earlier: str) -> str:
    """Name of a cluster that was called `earlier` and holds `content` now."""
    kept = pl.DataFrame({"cluster_id": ["a"], "name": [earlier]})
    return names_of(name_nodes(members(a=content, b=MONEY, c=FOOD), NODES, min_users=5, kept=kept))["a"]


@pytest.fixture(scope="module")
def name() -> str:
    return names_of(name_nodes(members(a=TRAVEL, b=MONEY, c=FOOD), NODES, min_users=5))["a"]


def test_growth_alone_renames_nothing(name: str) -> None:
    assert renamed(TRAVEL * 3, name) == name


def test_a_little_of_something_else_renames_nothing(name: str) -> None:
    assert renamed([*TRAVEL * 3, *["fix a leaking garden hose"] * 6], name) == name


def test_a_name_goes_when_the_content_has_changed_although_its_words_are_still_shared(name: str) -> None:
    assert len(TRAVEL) >= 6
    changed = renamed([*TRAVEL, *["fix a leaking garden hose"] * 120], name)
    assert changed != name
    assert "hose" in changed.lower() or "leaking" in changed.lower()


def test_a_name_goes_when_nobody_uses_its_words(name: str) -> None:
    assert renamed(["fix a leaking garden hose"] * 20, name) != name
