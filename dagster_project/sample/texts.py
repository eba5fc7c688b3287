"""The wording of the sample: languages, topics, code blocks and traffic, read from the data files."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

SHARED_FILLERS = ("python_debugging", "sql_queries", "regular_expressions", "web_pages", "spreadsheets")


@dataclass(frozen=True, slots=True)
class Topic:
    """A subtopic with its parent topic, its share of traffic and how an assistant treats it."""

    index: int
    topic: str
    subtopic: str
    share: float
    concerning: bool
    passages: bool
    support: bool
    code: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Language:
    """Everything said in one language: phrases for every topic, and pieces per subtopic."""

    code: str
    share: float
    hours_from_utc: int
    boost: Mapping[str, float]
    joiner: str
    phrases: Mapping[str, tuple[str, ...]]
    pieces: Mapping[str, Mapping[str, tuple[str, ...]]]
    canary: Mapping[str, Any]

    def capitalise(self, text: str) -> str:
        """The text with its first letter in upper case (Turkish dots its capital i)."""
        first = "\u0130" if self.code == "tr" and text[:1] == "i" else text[:1].upper()
        return first + text[1:]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Shares of models, of hours of the day, of days of the week and of conversation lengths."""

    models: Mapping[str, float]
    hours: tuple[float, ...]
    weekdays: tuple[float, ...]
    user_turns: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Texts:
    """All data files, in a fixed order: languages by share, topics as listed."""

    languages: tuple[Language, ...]
    topics: tuple[Topic, ...]
    traffic: Traffic
    syllables: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    us_areas: tuple[str, ...]


def _read(name: str) -> dict[str, Any]:
    text = (files("dagster_project.sample") / "data" / name).read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(unicodedata.normalize("NFC", text), Loader=loader)  # noqa: S506 - a safe loader either way


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(" | "))


def _pieces(given: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The pieces of a subtopic; tasks marked with `!` are also `orders`: an assistant can simply be told to do them."""
    pieces = {key: _split(text) for key, text in given.items()}
    marked = pieces["tasks"]
    pieces["tasks"] = tuple(task.removeprefix("!") for task in marked)
    pieces["orders"] = tuple(task[1:] for task in marked if task.startswith("!"))
    return pieces


def _language(
    code: str, raw: dict[str, Any], shared: Mapping[str, Any], canary: Mapping[str, Any]
) -> Language:
    pieces = {}
    for subtopic, given in raw["subtopics"].items():
        fallback = shared.get(subtopic, {}) if subtopic in SHARED_FILLERS else {}
        fillers = {key: fallback[key] for key in ("a", "b") if key in fallback}
        pieces[subtopic] = _pieces(fillers | given)
    phrases = {key: _split(text) for key, text in raw.items() if isinstance(text, str) and key != "joiner"}
    phrases["order_frames"] = _split(raw.get("order_frames", raw["frames"]))
    phrases["titles"] = (raw.get("title", "{T}"),)
    joiner = raw.get("joiner", " ")
    boost = raw.get("boost", {})
    return Language(code, raw["share"], raw["hours_from_utc"], boost, joiner, phrases, pieces, canary)


def _topics() -> tuple[Topic, ...]:
    raw, code = _read("topics.yaml"), _read("code.yaml")
    total = sum(sum(shares.values()) for shares in raw["topics"].values())
    harmful = sum(raw["concerning"].values())
    listed = [(topic, sub, s / total) for topic, shares in raw["topics"].items() for sub, s in shares.items()]
    listed += [("concerning", sub, share / harmful) for sub, share in raw["concerning"].items()]
    return tuple(
        Topic(
            index=index,
            topic=topic,
            subtopic=subtopic,
            share=share,
            concerning=topic == "concerning",
            passages=subtopic in raw["passages"],
            support=subtopic in raw["support"],
            code=tuple(code.get(subtopic, ())),
        )
        for index, (topic, subtopic, share) in enumerate(listed)
    )


def _languages() -> tuple[Language, ...]:
    folder = files("dagster_project.sample") / "data" / "languages"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    raw = {name.removesuffix(".yaml"): _read(f"languages/{name}") for name in names}
    canaries = _read("canaries.yaml")["languages"]
    shared = raw["en"]["subtopics"]
    found = [_language(code, given, shared, canaries[code]) for code, given in raw.items()]
    return tuple(sorted(found, key=lambda language: (-language.share, language.code)))


@lru_cache(maxsize=1)
def load_texts() -> Texts:
    """Read the data files once per process.

    Out: `Texts`; topics are numbered in the order of `topics.yaml` with the concerning ones last.
    """
    traffic = _read("traffic.yaml")
    canaries = _read("canaries.yaml")
    return Texts(
        languages=_languages(),
        topics=_topics(),
        traffic=Traffic(
            traffic["models"],
            tuple(traffic["hours"]),
            tuple(traffic["weekdays"]),
            tuple(traffic["user_turns"]),
        ),
        syllables={
            script: (tuple(given["first"].split()), tuple(given["next"].split()))
            for script, given in canaries["syllables"].items()
        },
        us_areas=tuple(canaries["us_areas"].split()),
    )
