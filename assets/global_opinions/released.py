"""What people answered: GlobalOpinionQA as it is released (CSV), and as one object for each question and country (JSON).

Source: the dataset card of llm_global_opinions; specs/global_opinions.md 3.2. Text is read with `ast.literal_eval` alone,
never evaluated.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from assets.global_opinions.scales import is_ordinal, substantive
from dagster_project.errors import ObservatoryError
from schemas.opinions import HumanOpinion

CSV_FIELDS = ("question", "selections", "options", "source")
JSON_FIELDS = ("country", "question", "options", "distribution")
NO_SOURCE = "opinions"
"""Data set of questions whose survey the file does not name."""
MOST_OPTIONS = 26
"""As many as there are letters."""
TOLERATED = 0.02
LETTERS = str.maketrans("0123456789", "ghijklmnop")
COLUMNS = {name: column.dtype.type for name, column in HumanOpinion.to_schema().columns.items()}


@dataclass(frozen=True)
class Released:
    """opinions: schemas.opinions.HumanOpinion, with column `question` (its text). left_out: step, rows.

    Of left_out: questions (of the JSON form: also objects) read, without text, unreadable, with fewer than two options or more than letters; answers of a
    country that are unreadable or of another length than the options, that sum to nothing; rescaled, which are kept.
    """

    opinions: pl.DataFrame
    left_out: pl.DataFrame


@dataclass(frozen=True)
class _Question:
    """One row of the CSV, or all objects of the JSON about one question."""

    source: str
    text: str
    options: list[str]
    shares: Mapping[str, Any]


def read_released(path: Path) -> Released:
    """The file's questions with the shares of each country, normalised.

    A question's id is made of its content, so the same question has the same id in both forms of one source; those that say
    the same again (asked in another year) are told apart by their ordinal. Raises ObservatoryError where the file is in neither
    form or nothing of it can be used.
    """
    counts: dict[str, int] = dict.fromkeys(
        ("read", "without text", "unreadable", "options", "shares unreadable", "shares empty", "rescaled"), 0
    )
    questions = _from_json(path, counts) if path.suffix == ".json" else _from_csv(path, counts)
    seen: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    for question in questions:
        counts["read"] += 1
        if not question.text.strip():
            counts["without text"] += 1
        elif not 2 <= len(question.options) <= MOST_OPTIONS:
            counts["options"] += 1
        else:
            unit = _digest(question)
            seen[unit] = seen.get(unit, 0) + 1
            name = unit if seen[unit] == 1 else f"{unit}-{seen[unit]}"
            rows += _rows(question, unit, name, counts)
    if not rows:
        raise ObservatoryError(f"{path.name} holds no question with answers of people")
    opinions = pl.DataFrame(rows, schema={**COLUMNS, "question": pl.String}, orient="row")
    return Released(
        opinions.sort("question_id", "country"),
        pl.DataFrame({"step": list(counts), "rows": list(counts.values())}),
    )


def _from_csv(path: Path, counts: dict[str, int]) -> Iterator[_Question]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error):
        raise ObservatoryError(f"{path.name} cannot be read as CSV or JSON of survey questions") from None
    if absent := sorted(set(CSV_FIELDS) - set(rows[0] if rows else ())):
        raise ObservatoryError(
            f"{path.name} lacks {', '.join(absent)}; give the released CSV, or JSON with {JSON_FIELDS}"
        )
    for row in rows:
        options, selections = _literal(row["options"] or ""), _literal(_braces(row["selections"] or ""))
        if not isinstance(options, list) or not isinstance(selections, dict):
            counts["read"] += 1
            counts["unreadable"] += 1
            continue
        names = [option_text(option) for option in options]
        yield _Question(row["source"] or NO_SOURCE, row["question"] or "", names, selections)


def _from_json(path: Path, counts: dict[str, int]) -> list[_Question]:
    try:
        rows = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise ObservatoryError(f"{path.name} cannot be read as JSON") from None
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and set(JSON_FIELDS) <= set(row) for row in rows
    ):
        raise ObservatoryError(f"{path.name} is no list of objects with {', '.join(JSON_FIELDS)}")
    asked: dict[tuple[str, str, tuple[str, ...]], list[dict[str, Any]]] = {}
    for row in rows:
        country = row["country"]
        if not isinstance(row["options"], list) or not isinstance(country, str):
            counts["read"] += 1
            counts["unreadable"] += 1
            continue
        options = tuple(map(option_text, row["options"]))
        key = (str(row.get("source") or NO_SOURCE), str(row["question"] or ""), options)
        years = asked.setdefault(key, [])
        # Who has answered the question before is asked it again: in another year, which makes it another question.
        free = next((year for year in years if country not in year), None)
        if free is None:
            years.append(free := {})
        free[country] = row["distribution"]
    return [
        _Question(source, text, list(options), shares)
        for (source, text, options), years in asked.items()
        for shares in years
    ]


def option_text(option: Any) -> str:
    """An option in words: numbers of a scale come as 1.0 where a column of a table held them."""
    whole = isinstance(option, float) and option.is_integer()
    return str(int(option) if whole else option).strip()


def _braces(text: str) -> str:
    """The part in braces of `defaultdict(<class 'list'>, {...})`."""
    first, last = text.find("{"), text.rfind("}")
    return text[first : last + 1] if first >= 0 else text


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _digest(question: _Question) -> str:
    content = json.dumps([question.source, question.text, question.options], ensure_ascii=False)
    # Letters alone: a run of digits could pass for somebody's number.
    return (
        f"{question.source}-{hashlib.blake2b(content.encode(), digest_size=8).hexdigest().translate(LETTERS)}"
    )


def _rows(question: _Question, unit: str, name: str, counts: dict[str, int]) -> Iterator[dict[str, Any]]:
    kept = substantive(question.options)
    facts = {
        "question_id": name,
        "unit": unit,
        "dataset": question.source,
        "options": question.options,
        "substantive": kept,
        "ordinal": is_ordinal([it for it, counted in zip(question.options, kept, strict=True) if counted]),
        "question": question.text.strip(),
    }
    for country, given in question.shares.items():
        shares = _shares(given, len(question.options)) if str(country).strip() else None
        total = sum(shares or ())
        if shares is None or not total:
            counts["shares unreadable" if shares is None else "shares empty"] += 1
            continue
        counts["rescaled"] += abs(total - 1) > TOLERATED
        yield facts | {"country": str(country), "shares": [share / total for share in shares]}


def _shares(given: Any, length: int) -> Sequence[float] | None:
    if not isinstance(given, list) or len(given) != length:
        return None
    numbers = all(
        isinstance(share, int | float) and not isinstance(share, bool) and math.isfinite(share) and share >= 0
        for share in given
    )
    return [float(share) for share in given] if numbers else None
