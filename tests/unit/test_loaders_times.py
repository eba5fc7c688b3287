"""Times as files write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.conversations.timestamps import parse_times

MOMENT = datetime(2023, 2, 7, 17, 29, 24, 727400, tzinfo=UTC)
SECOND = MOMENT.replace(microsecond=0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2023-02-07T17:29:24.727400+00:00", MOMENT),
        ("2023-02-07T17:29:24.7274Z", MOMENT),
        ("2023-02-07 17:29:24.727400", MOMENT),
        ("2023-02-07T22:59:24.7274+0530", MOMENT),
        ("2023-02-07T12:29:24,7274-05", MOMENT),
        ("2023-02-07 17:29:24.727400123 UTC", MOMENT),
        (" 2023-02-07t17:29:24z ", SECOND),
        ("2023-02-07T17:29", SECOND.replace(second=0)),
        ("2023-02-07", datetime(2023, 2, 7, tzinfo=UTC)),
        (1675790964, SECOND),
        (1675790964.7274, MOMENT),
        (1675790964727.4, MOMENT),
        (1675790964727400, MOMENT),
        (1675790964727400000, MOMENT),
        ("1675790964", SECOND),
        ("1675790964.7274", MOMENT),
        (MOMENT, MOMENT),
        (MOMENT.astimezone(timezone(timedelta(hours=9))), MOMENT),
        (MOMENT.replace(tzinfo=None), MOMENT),
        (date(2023, 2, 7), datetime(2023, 2, 7, tzinfo=UTC)),
    ],
)
def test_every_way_to_write_a_time(value: Any, expected: datetime) -> None:
    times = parse_times([value])
    assert (times.column.to_list(), times.unparsable, times.absurd) == ([expected], 0, 0)


@pytest.mark.parametrize(
    "value", ["soon", "2023-13-07", "2023-02-30T00:00:00Z", "07/02/2023", True, {"a": 1}, [1], float("nan")]
)
def test_what_is_no_time_is_null_and_counted(value: Any) -> None:
    assert parse_times([value, None, MOMENT])[1:] == (1, 0)
    assert parse_times([value, None, MOMENT]).column.to_list() == [None, None, MOMENT]


@pytest.mark.parametrize("value", [0, -5, 1, "1989-12-31T23:59:59Z", "2100-01-01", "0001-01-01", 9e18, 1e14])
def test_absurd_times_are_null_and_counted(value: Any) -> None:
    times = parse_times([value])
    assert (times.column.to_list(), times.absurd) == ([None], 1)


def test_nothing_given_is_nothing_counted() -> None:
    times = parse_times([None, "", None])
    assert (times.column.null_count(), times.unparsable, times.absurd) == (3, 0, 0)
    assert parse_times([]).column.len() == 0


def test_one_odd_value_does_not_change_its_neighbours() -> None:
    mixed = ["2023-02-07T17:29:24.727400+00:00", "soon", 1675790964727400, None, "2023-02-07 17:29:24.7274"]
    assert parse_times(mixed).column.to_list() == [MOMENT, None, MOMENT, None, MOMENT]


@given(st.datetimes(datetime(1990, 1, 2), datetime(2099, 12, 30)), st.integers(-14 * 60, 14 * 60))
def test_iso_times_of_any_zone_are_read_exactly(moment: datetime, offset: int) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    written = [zoned.isoformat(), zoned.isoformat(" "), zoned.isoformat().replace(":", ":")]
    assert parse_times(written).column.to_list() == [zoned.astimezone(UTC)] * 3


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates(), st.lists(st.integers())
)


@given(st.lists(VALUES, max_size=20))
def test_nothing_crashes_it_and_every_value_is_accounted_for(values: list) -> None:
    times = parse_times(values)
    given_values = sum(value is not None and value != "" for value in values)
    assert times.column.len() == len(values)
    assert times.column.len() - times.column.null_count() == given_values - times.unparsable - times.absurd
