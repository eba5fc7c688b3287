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
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
MOST_TICKS = 9


def forest(title: str, rows: pl.DataFrame) -> bytes:
    """An SVG with a panel, a line in it and a mark on it for each row, in the rows' order; marks of a series share a colour.

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
    """From estimates to places on the page; always holds 0."""

    def __init__(self, rows: pl.DataFrame) -> None:
        ends = rows.select(
            low=pl.min_horizontal("estimate", "ci_low"), high=pl.max_horizontal("estimate", "ci_high")
        )
        low, high = min(0.0, _number(ends["low"].min())), max(0.0, _number(ends["high"].max()))
        span = max(high - low, STEPS[0])
        self.step = next((step for step in STEPS if span / step <= MOST_TICKS), span)
        self.first, self.last = math.floor(low / self.step), math.ceil(max(high, low + span) / self.step)

    def x(self, value: float) -> float:
        """Place of an estimate."""
        share = (value / self.step - self.first) / (self.last - self.first)
        return round(LEFT + share * (RIGHT - LEFT), 1)

    def ticks(self) -> list[dict[str, Any]]:
        """Place and name of each line."""
        return [
            {"x": self.x(place * self.step), "name": f"{place * self.step:g}", "zero": place == 0}
            for place in range(self.first, self.last + 1)
        ]


def _number(value: Any) -> float:
    return 0.0 if value is None else float(value)


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
        "low": scale.x(row["ci_low"]) if bounded else None,
        "high": scale.x(row["ci_high"]) if bounded else None,
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
