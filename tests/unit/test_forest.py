"""Forest plots: nothing on the edge, nothing cut off unseen, nothing squeezed by one wide interval."""

from __future__ import annotations

from xml.etree import ElementTree

import polars as pl
import pytest

from assets.evaluation.forest import LEFT, MOST_TICKS, RIGHT, forest

Mark = tuple[str, float, float | None, float | None]


def drawn(*marks: Mark) -> ElementTree.Element:
    rows = [("model", line, "explicit", *numbers) for line, *numbers in marks]
    names = ["panel", "line", "series", "estimate", "ci_low", "ci_high"]
    return ElementTree.fromstring(forest("Title", pl.DataFrame(rows, schema=names, orient="row")))


def places(root: ElementTree.Element) -> list[float]:
    return [float(circle.get("cx", "")) for circle in root.findall(".//{*}g/{*}circle")]


@pytest.mark.parametrize("size", (1e-4, 0.5, 1.0, 300.0))
def test_estimates_at_the_ends_lie_inside_the_axis(size: float) -> None:
    root = drawn(("low", -size, -size, -size / 2), ("none", 0.0, 0.0, 0.0), ("high", size, size, size))
    found = places(root)
    assert LEFT + 5 < min(found) < max(found) < RIGHT - 5
    assert found == sorted(found) and found[1] == pytest.approx((found[0] + found[2]) / 2, abs=0.2)
    assert root.find(".//{*}path") is None
    ticks = [text for text in root.findall("{*}text") if text.get("text-anchor") == "middle"]
    assert 2 <= len(ticks) <= MOST_TICKS + 1 and any(tick.text == "0" for tick in ticks)


def test_one_wide_interval_ends_in_arrows_and_leaves_the_others_their_room() -> None:
    usual = [(f"level {place}", place / 4, place / 4 - 0.1, place / 4 + 0.1) for place in range(-2, 3)]
    root = drawn(*usual, ("wide", 0.1, -40.0, 60.0))
    found = places(root)
    assert found[4] - found[0] > (RIGHT - LEFT) / 2
    assert len(root.findall(".//{*}path")) == 2, "one arrow on either side"
    assert "wide: 0.100 [-40.000, 60.000]" in str(root.findall(".//{*}g/{*}title")[-1].text)


def test_a_mark_without_an_interval_is_hollow() -> None:
    root = drawn(("known", 0.2, 0.1, 0.3), ("unknown", 0.2, None, None))
    known, unknown = root.findall(".//{*}g")
    circles = [mark.find("{*}circle") for mark in (known, unknown)]
    assert [circle is not None and circle.get("fill") for circle in circles] == [None, "#ffffff"]
    assert len(known.findall("{*}line")) == 3 and unknown.find("{*}line") is None


def test_nothing_is_a_picture_too() -> None:
    names, numbers = ("panel", "line", "series"), ("estimate", "ci_low", "ci_high")
    rows = pl.DataFrame(
        schema=[*((name, pl.String) for name in names), *((name, pl.Float64) for name in numbers)]
    )
    assert ElementTree.fromstring(forest("Nobody", rows)).findtext("{*}text") == "Nobody"
