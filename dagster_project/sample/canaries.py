"""Canaries: identifiers planted in conversations so that any appearance of one in an output is a leak.

Specification: privacy, section 1.4. Types, disguises and places run through all their combinations in turn, so a sample with
360 canaries has each combination once.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

import orjson

from dagster_project.sample.identifiers import KINDS, make_identifier
from dagster_project.sample.texts import Language

DISGUISES = ("plain", "spaced", "zero_width", "full_width", "split_turns", "base64")
PLACES = ("user", "assistant", "system", "title", "tool")
ZERO_WIDTH = "\u200b"
FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


@dataclass(frozen=True, slots=True)
class Canary:
    """An identifier: its canonical `value`, and `parts`, the strings that stand in the conversation for it.

    The first part is in `place`; a second part (disguise `split_turns` only) is in the last turn of the user.
    """

    index: int
    kind: str
    disguise: str
    place: str
    language: str
    value: str
    parts: tuple[str, ...]


def make_canary(seed: int, index: int, language: Language) -> Canary:
    """Canary `index` of the sample of `seed`, as someone who writes `language` would give it."""
    kind = KINDS[index % len(KINDS)]
    turn = index // len(KINDS)
    disguise = DISGUISES[turn % len(DISGUISES)]
    place = PLACES[turn // len(DISGUISES) % len(PLACES)]
    value = make_identifier(kind, seed, index, language)
    return Canary(
        index, kind, disguise, place, language.code, value, disguised(value, disguise, kind, language)
    )


def disguised(value: str, disguise: str, kind: str, language: Language) -> tuple[str, ...]:
    """The strings that stand for `value` under a disguise: one, or two for `split_turns`."""
    if disguise == "spaced":
        return (_spaced(value, kind, language),)
    if disguise == "zero_width":
        return (_zero_width(value),)
    if disguise == "full_width":
        wide = value.translate(FULL_WIDTH)
        return (wide if wide != value else _zero_width(value),)
    if disguise == "split_turns":
        middle = len(value) // 2
        return value[:middle].rstrip(), value[middle:].lstrip()
    if disguise == "base64":
        return (base64.b64encode(value.encode()).decode(),)
    return (value,)


def _zero_width(value: str) -> str:
    return ZERO_WIDTH.join(re.findall(".{1,3}", value))


def _spaced(value: str, kind: str, language: Language) -> str:
    if kind == "email" or value.startswith("https"):
        at, dot = (f" {word.strip()} " for word in language.canary["at"].split(" | "))
        return value.replace("@", at).replace(".", dot)
    return " ".join(value)


def carrier(canary: Canary, part: str, language: Language) -> str:
    """A sentence that gives `part`, in the words of the language."""
    carriers = language.canary["carriers"].split(" | ")
    return carriers[canary.index % len(carriers)].strip().format(label=label(canary, language), value=part)


def noted(canary: Canary, part: str, language: Language) -> str:
    """A sentence with which an assistant repeats `part`."""
    return language.canary["noted"].format(label=label(canary, language), value=part)


def label(canary: Canary, language: Language) -> str:
    """What the language calls this type of identifier."""
    return language.canary["labels"].split(" | ")[KINDS.index(canary.kind)].strip()


def tool_record(canary: Canary, language: Language) -> str:
    """JSON that a tool could have returned, with the canary in it."""
    return orjson.dumps({"status": "ok", "record": {label(canary, language): canary.parts[0]}}).decode()


def is_planted(canary: Canary, record: dict) -> bool:
    """Whether the parts of a canary stand exactly where it says in a record of the sample."""
    if canary.place == "title":
        first = record["metadata"].get("title", "")
    else:
        first = "\n".join(m["content"] for m in record["messages"] if m["role"] == canary.place)
    asked = [m["content"] for m in record["messages"] if m["role"] == "user"]
    return canary.parts[0] in first and all(part in asked[-1] for part in canary.parts[1:])
