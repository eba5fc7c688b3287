"""Thresholds: users are counted, never conversations; the floor holds; unknown users are one user."""

from __future__ import annotations

import polars as pl
import pytest

from dagster_project.errors import ObservatoryError
from dagster_project.privacy.thresholds import PRESETS, Limits, Thresholds, measure, user_codes

LIMITS = Limits(min_users=10, min_conversations=15, max_user_share=0.5)


def reason(per_user: list[int], unknown: int = 0, limits: Limits = LIMITS) -> str | None:
    users = [*range(1, len(per_user) + 1), *([0] if unknown else [])]
    counts = [*per_user, *([unknown] if unknown else [])]
    entries = pl.DataFrame({"group": "g", "user": users, "n": counts}, schema_overrides={"user": pl.UInt32})
    return measure(entries, "group").select(reason=limits.reason())["reason"].item()


@pytest.mark.parametrize(
    ("per_user", "unknown", "expected"),
    [
        ([500], 0, "users"),  # one person, many near-identical conversations
        ([2] * 9, 0, "users"),
        ([2] * 10, 0, None),
        ([1] * 14, 0, "conversations"),
        ([1] * 15, 0, None),
        ([15] + [1] * 15, 0, None),  # exactly half is one user's
        ([16] + [1] * 15, 0, "dominance"),
        ([2] * 9, 5, None),  # the unknown ones are the tenth user
        ([2] * 8, 400, "users"),  # and never more than one
        ([1] * 20, 21, "unknown_users"),
        ([1] * 20, 20, None),
    ],
)
def test_a_group_passes_by_users_conversations_and_dominance(
    per_user: list[int], unknown: int, expected: str | None
) -> None:
    assert reason(per_user, unknown) == expected


def test_null_and_empty_user_ids_are_one_user() -> None:
    keys = pl.DataFrame({"user_key": [None, "", "b", "a", "a", None]})
    codes = keys.select(user_codes())["user"].to_list()
    assert codes[0] == codes[1] == codes[5] == 0
    assert codes[3] == codes[4] != codes[2]
    assert len(set(codes)) == 3


@pytest.mark.parametrize(
    "name", ["min_users", "min_conversations", "cell_min_users", "cell_min_conversations"]
)
def test_a_minimum_under_the_floor_needs_the_flag_by_name(name: str) -> None:
    with pytest.raises(ObservatoryError, match=rf"{name}.*unsafe_below_floor=True"):
        Thresholds(**{name: 4})
    allowed = Thresholds(**{name: 4, "unsafe_below_floor": True})
    assert getattr(allowed, name) == 4


def test_the_flag_does_not_allow_nothing_at_all() -> None:
    with pytest.raises(ObservatoryError):
        Thresholds(min_users=0, unsafe_below_floor=True)


def test_the_floor_itself_is_allowed() -> None:
    assert Thresholds(min_users=5, min_conversations=5).cells == Limits(5, 5, 0.5)


@pytest.mark.parametrize(
    "values",
    [
        {"max_user_share": 0},
        {"max_user_share": 1.1},
        {"min_merged": 1},
        {"cell_min_users": 11},
        {"cell_min_conversations": 16},
    ],
)
def test_senseless_limits_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ObservatoryError):
        Thresholds(**values)


def test_presets_hold_the_floor_and_can_be_changed() -> None:
    aei = Thresholds.preset("aei")
    assert (aei.min_users, aei.min_conversations) == (250, 500)
    assert (aei.cells.min_users, aei.cells.min_conversations) == (5, 15)
    assert Thresholds.preset("strict").min_users == 25
    assert Thresholds.preset("default", min_users=12).nodes.min_users == 12
    assert all(not preset.unsafe_below_floor for preset in PRESETS.values())
    with pytest.raises(ObservatoryError, match="choose from"):
        Thresholds.preset("lax")
    with pytest.raises(ObservatoryError, match="floor"):
        Thresholds.preset("aei", cell_min_users=2)
