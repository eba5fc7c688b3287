"""A map of the world as a grid of tiles, one for each country: how like its people a subject answers, and what a persona changes.

Places and other names of countries lie in `tiles.v1.yaml`; what a file calls otherwise is not shown, only scored.
Source: specs/global_opinions.md 3.7 and 3.9.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from assets.global_opinions.items import DEFAULT
from assets.global_opinions.scores import ALL, COUNTRY
from schemas.evaluation import BY_ITEM

TEMPLATE, TILES = "world.svg.jinja", "tiles.v1.yaml"
FEWEST = 100
"""Questions below which a country is grey: its mean then hangs on which questions it was asked."""
SAMPLE = re.compile(r" \((?:Non|Current|Old)[- ]national sample\)$", re.IGNORECASE)
TILE, GAP, HEAD, FOOT, MARGIN = 26, 2, 34, 44, 16
LOW, HIGH, MIDDLE = (0xF3, 0xE9, 0xC8), (0x14, 0x4B, 0x7D), (0xF4, 0xF4, 0xF4)
LESS, MORE = (0xB3, 0x50, 0x1E), (0x1F, 0x5F, 0xA8)
GREY, EMPTY = "#d9d9d9", "#f7f7f7"
LEGEND_STEPS = 6
Colour = tuple[int, int, int]


@lru_cache(maxsize=1)
def tiles() -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Code, column and row of each country, and its other names."""
    import yaml

    found = yaml.safe_load((Path(__file__).parent / TILES).read_text("utf-8"))
    return found["tiles"], found["aliases"]


def country_of(label: str) -> str | None:
    """The country on the map that a label of the file belongs to; None where there is none."""
    places, aliases = tiles()
    plain = SAMPLE.sub("", label)
    name = aliases.get(plain, plain)
    return name if name in places else None


def world_map(metrics: pl.DataFrame) -> bytes:
    """An SVG with a map for each subject and condition.

    In: schemas.evaluation.EvalMetric of the suite. Drawn: similarity by default, shift under any other condition, over all
    surveys, every item counting once. Of several samples of a country the one with most questions; the title of a tile
    tells the figure with its interval, or that there are fewer than FEWEST questions.
    """
    rows = metrics.filter(
        (pl.col("group") == COUNTRY)
        & (pl.col("dataset") == ALL)
        & (pl.col("weighting") == BY_ITEM)
        & pl.col("estimate").is_not_null()
        & (
            pl.col("metric")
            == pl.when(pl.col("condition") == DEFAULT).then(pl.lit("similarity")).otherwise(pl.lit("shift"))
        )
    )
    labels = {label: country_of(label) for label in rows["level"].unique()}
    rows = rows.with_columns(
        country=pl.col("level").replace_strict(labels, default=None, return_dtype=pl.String)
    )
    unplaced = sorted(label for label, country in labels.items() if country is None)
    rows = rows.sort("n", "level", descending=[True, False]).unique(
        ["subject", "condition", "country"], keep="first", maintain_order=True
    )
    parts = (
        rows.drop_nulls("country")
        .sort("subject", pl.col("condition") != DEFAULT, "condition", "country")
        .partition_by("subject", "condition", as_dict=True, maintain_order=True)
    )
    panels = [
        _panel(str(subject), str(condition), part, place)
        for place, ((subject, condition), part) in enumerate(parts.items())
    ]
    return _drawn(panels, unplaced)


def _size() -> tuple[int, int]:
    places = tiles()[0].values()
    columns, rows = (max(place[name] for place in places) + 1 for name in ("column", "row"))
    return columns * TILE + 2 * MARGIN, rows * TILE + HEAD + FOOT


def _panel(subject: str, condition: str, part: pl.DataFrame, place: int) -> dict[str, Any]:
    scale = _Scale(part.filter(pl.col("n") >= FEWEST)["estimate"], around_zero=condition != DEFAULT)
    known = {row["country"]: row for row in part.iter_rows(named=True)}
    top = place * _size()[1]
    drawn = [
        {
            "x": MARGIN + at["column"] * TILE,
            "y": top + HEAD + at["row"] * TILE,
            "code": at["code"],
            **_tile(name, known.get(name), scale),
        }
        for name, at in tiles()[0].items()
    ]
    what = (
        "similarity to the people of each country"
        if condition == DEFAULT
        else "change of it against the default"
    )
    return {"title": f"{subject}, {condition}: {what}", "top": top, "tiles": drawn, "legend": scale.legend()}


def _tile(name: str, row: dict[str, Any] | None, scale: _Scale) -> dict[str, Any]:
    if row is None:
        return {"colour": EMPTY, "ink": "#b0b0b0", "told": f"{name}: not asked"}
    if row["n"] < FEWEST:
        return {"colour": GREY, "ink": "#555555", "told": f"{row['level']}: {row['n']} questions, too few"}
    interval = "" if row["ci_low"] is None else f" [{row['ci_low']:.3f}, {row['ci_high']:.3f}]"
    told = f"{row['level']}: {row['estimate']:.3f}{interval}, {row['n']} questions"
    colour, dark = scale.colour(row["estimate"])
    return {"colour": colour, "ink": "#ffffff" if dark else "#222222", "told": told}


class _Scale:
    """From figures to colours: from low to high, or from less through nothing to more."""

    def __init__(self, values: pl.Series, *, around_zero: bool) -> None:
        low, high = (0.0, 1.0) if values.is_empty() else (float(values.min()), float(values.max()))  # type: ignore[arg-type]
        largest = max(abs(low), abs(high))
        self.low, self.high = (-largest, largest) if around_zero else (low, high)
        self.around_zero = around_zero

    def colour(self, value: float) -> tuple[str, bool]:
        """Colour of a figure, and whether it is dark."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        if not self.around_zero:
            return _mixed(LOW, HIGH, share)
        return _mixed(MIDDLE, MORE if share >= 0.5 else LESS, abs(2 * share - 1))

    def legend(self) -> list[dict[str, Any]]:
        """Colours with their figures, from low to high."""
        values = [
            self.low + (self.high - self.low) * step / (LEGEND_STEPS - 1) for step in range(LEGEND_STEPS)
        ]
        return [
            {"x": MARGIN + 62 * place, "colour": self.colour(value)[0], "name": f"{value:.3f}"}
            for place, value in enumerate(values)
        ]


def _mixed(first: Colour, second: Colour, share: float) -> tuple[str, bool]:
    red, green, blue = (
        round(a + (b - a) * min(max(share, 0), 1)) for a, b in zip(first, second, strict=True)
    )
    return f"#{red:02x}{green:02x}{blue:02x}", 0.3 * red + 0.59 * green + 0.11 * blue < 140


def _drawn(panels: list[dict[str, Any]], unplaced: list[str]) -> bytes:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    width, height = _size()
    return (
        environment.get_template(TEMPLATE)
        .render(
            title="Global opinions: similarity by country"
            if panels
            else "Global opinions: no subject has been scored yet",
            width=width,
            height=max(len(panels), 1) * height,
            foot=height - FOOT,
            tile=TILE - GAP,
            panels=panels,
            grey=GREY,
            fewest=FEWEST,
            unplaced=unplaced,
        )
        .encode()
    )
