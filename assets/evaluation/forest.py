"""Forest plots: estimates of subjects with their 95 % intervals, one line each, as an SVG."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl

TEMPLATE = "forest.svg.jinja"
COLOURS = ("#1f5fa8", "#c8641b", "#4b8b3b", "#7a4fa3", "#8a6d3b")
WIDTH, LEFT, RIGHT = 760, 190, 730
TOP, ROW, OFFSET, HEAD, FOOT = 56, 26, 6, 30, 30
ROUND = (1.0, 2.0, 5.0, 10.0)
MOST_TICKS = 9
SMALLEST_SPAN = 0.01
MARGIN = 0.04
"""Share of the axis that is left free on either side, so that no mark lies on the edge."""
FURTHEST = 4.0
"""Half widths of a middling interval up to which an interval is drawn; what goes further ends in an arrow."""


def forest(title: str, rows: pl.DataFrame) -> bytes:
    """An SVG with a panel, a line in it and a mark on it for each row, in the rows' order; marks of a series share a colour.

    A mark without an interval is hollow. An interval ends in a bar, or in an arrow where it goes on beyond the axis, which one
    interval alone does not stretch; what is told of a mark has its true ends.

    In: panel, line, series (all String), estimate, ci_low, ci_high (null where there is no interval).
    """
    series = rows["series"].unique().sort().to_list()
    scale = _Scale(rows)
    panels = _panels(rows, series, scale)
    return _drawn(
        title=title,
        width=WIDTH,
        height=panels[-1]["bottom"] + FOOT if panels else TOP,
        left=LEFT,
        legend=[
            {"name": name, "colour": _colour(place), "x": 20 + 150 * place}
            for place, name in enumerate(series)
        ],
        ticks=scale.ticks(),
        panels=panels,
    )


class _Scale:
    """From estimates to places on the page; always holds 0 and every estimate."""

    def __init__(self, rows: pl.DataFrame) -> None:
        estimate, low, high = (pl.col(name) for name in ("estimate", "ci_low", "ci_high"))
        half = rows.select(((high - low) / 2).median()).item()
        reach = FURTHEST * half if half is not None else 0.0
        ends = rows.select(
            low=pl.max_horizontal(pl.min_horizontal("estimate", "ci_low"), estimate - reach),
            high=pl.min_horizontal(pl.max_horizontal("estimate", "ci_high"), estimate + reach),
        )
        first, last = min(0.0, _number(ends["low"].min())), max(0.0, _number(ends["high"].max()))
        span = max(last - first, SMALLEST_SPAN)
        self.first, self.last = first - MARGIN * span, max(last, first + span) + MARGIN * span
        self.step = _step(self.last - self.first)

    def x(self, value: float) -> float:
        """Place of an estimate."""
        share = (value - self.first) / (self.last - self.first)
        return round(LEFT + share * (RIGHT - LEFT), 1)

    def end(self, value: float) -> dict[str, Any]:
        """Place of an end of an interval, and whether the interval goes on beyond it."""
        held = min(max(value, self.first), self.last)
        return {"x": self.x(held), "beyond": (value > held) - (value < held)}

    def ticks(self) -> list[dict[str, Any]]:
        """Place and name of each line."""
        places = range(math.ceil(self.first / self.step), math.floor(self.last / self.step) + 1)
        return [
            {"x": self.x(place * self.step), "name": f"{place * self.step:g}", "zero": place == 0}
            for place in places
        ]


def _number(value: Any) -> float:
    return 0.0 if value is None else float(value)


def _step(span: float) -> float:
    """The smallest round number of which no more than MOST_TICKS go into the span."""
    power = 10.0 ** math.floor(math.log10(span / MOST_TICKS))
    return next(power * number for number in ROUND if span / (power * number) <= MOST_TICKS)


def _panels(rows: pl.DataFrame, series: list[str], scale: _Scale) -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = []
    top = TOP
    for (panel,), part in rows.partition_by("panel", as_dict=True, maintain_order=True).items():
        lines = []
        for (line,), marks in part.partition_by("line", as_dict=True, maintain_order=True).items():
            y = top + HEAD + ROW * len(lines) + ROW // 2
            found = [_mark(mark, y, series, scale) for mark in marks.iter_rows(named=True)]
            lines.append({"name": line, "y": y, "marks": found})
        bottom = top + HEAD + ROW * len(lines)
        panels.append({"name": panel, "top": top, "bottom": bottom, "rows": lines})
        top = bottom + FOOT
    return panels


def _mark(row: dict[str, Any], y: float, series: list[str], scale: _Scale) -> dict[str, Any]:
    place = series.index(row["series"])
    bounded = row["ci_low"] is not None
    interval = f" [{row['ci_low']:.3f}, {row['ci_high']:.3f}]" if bounded else ""
    return {
        "y": y + OFFSET * (place - (len(series) - 1) / 2),
        "x": scale.x(row["estimate"]),
        "ends": [scale.end(row[name]) for name in ("ci_low", "ci_high")] if bounded else [],
        "colour": _colour(place),
        "told": f"{row['series']}, {row['line']}: {row['estimate']:.3f}{interval}",
    }


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _drawn(**values: Any) -> bytes:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(values).encode()
