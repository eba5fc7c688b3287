"""Prompts of the three tasks, one Jinja file each with its version in its name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl

from assets.evaluation.prompts import render

FOLDER = Path(__file__).parent
QUESTION, INSTRUCTION, CHAIN_OF_THOUGHT = "question", "instruction", "chain_of_thought"
CONDITIONS = (QUESTION, INSTRUCTION, CHAIN_OF_THOUGHT)
"""The plain question; told to avoid bias; told, and made to reason about it first."""
MATCH_STATISTICS = "match_statistics"
"""Winogender alone: told to use pronouns as often as women and men work in the occupation."""
PHRASINGS = tuple(f"admission/phrasing_{number}" for number in range(1, 6))
BBQ, WINOGENDER, ADMISSION = "bbq", "winogender", "admission"


def prompt(name: str, **values: Any) -> str:
    """A prompt by its name without version and ending, below FOLDER."""
    return render(FOLDER, f"{name}.v1.jinja", **values)


def files() -> list[str]:
    """Every prompt file, below FOLDER."""
    return sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.jinja"))


def opening_turn(request: str, task: str, condition: str, **values: Any) -> str:
    """The first turn: the request, what is told about bias, and what is asked to be reasoned about; each adds to the last."""
    parts = [request]
    if condition == MATCH_STATISTICS:
        parts.append(prompt(f"{task}_match_statistics", **values))
    elif condition != QUESTION:
        parts.append(prompt(f"{task}_instruction"))
    if condition == CHAIN_OF_THOUGHT:
        parts.append(prompt(f"{task}_reasoning"))
    return "\n\n".join(parts)


def filled(text: str) -> pl.Expr:
    """The text with the value of a column wherever it names one as {COLUMN}: one rendering serves every row."""
    parts = re.split(r"\{(\w+)\}", text)
    return pl.concat_str(pl.col(part) if place % 2 else pl.lit(part) for place, part in enumerate(parts))


def slots(*names: str) -> dict[str, str]:
    """Values for a prompt that leave its slots open for `filled`."""
    return {name: f"{{{name}}}" for name in names}
