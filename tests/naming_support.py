"""Scripted models for naming and auditing: one that does its work, and one that also obeys whatever it reads."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from dagster_project.language_models import Asker, CallCache, Meter, Request, Response
from tests.language_model_support import ScriptedModel

Answer = Callable[[Request], Response | str]
SMALL = {
    "have",
    "with",
    "that",
    "this",
    "little",
    "their",
    "people",
    "asked",
    "wanted",
    "help",
    "about",
    "handle",
}


def asker_of(folder: Path, answer: Answer) -> tuple[Asker, ScriptedModel]:
    model = ScriptedModel(answer, identity="scripted:namer")
    return Asker(model, CallCache(folder / "calls.sqlite"), Meter()), model


def block(prompt: str, name: str) -> list[str]:
    """The items of a delimited list."""
    found = re.search(rf"\n<{name}-([0-9a-f]+)>\n(.*?)\n?</{name}-\1>", prompt, re.DOTALL)
    if found is None:
        return []
    return [line.removeprefix("- ") for line in found[2].splitlines() if line]


def kind(request: Request) -> str:
    """What is asked: name, parent, propose, merge, choose or rate."""
    prompt = request.messages[0].content
    marks = {
        "<others-": "name",
        "<groups-": "parent",
        "<proposals-": "merge",
        "<categories-": "choose",
        "<text-": "rate",
    }
    if "<nearby-" in prompt:
        return "propose"
    return next(found for mark, found in marks.items() if mark in prompt)


def usual_words(texts: list[str], count: int) -> list[str]:
    words = Counter(
        word for text in texts for word in set(re.findall(r"[a-z]{4,}", text.lower())) if word not in SMALL
    )
    return [word for word, _ in sorted(words.items(), key=lambda item: (-item[1], item[0]))[:count]]


def label(words: list[str]) -> str:
    return json.dumps(
        {
            "summary": f"People asked for help with {', '.join(words)}. They wanted to know more about {words[0]}.",
            "name": f"Help with {' and '.join(words)}",
        }
    )


def honest(request: Request) -> str:
    """A plain namer: the usual words of what it is shown; the first proposals; the parent that shares most words; 5."""
    prompt, asked = request.messages[0].content, kind(request)
    if asked == "name":
        others = Counter(usual_words(block(prompt, "others"), 8))
        own = [word for word in usual_words(block(prompt, "group"), 8) if word not in others]
        return label((own or usual_words(block(prompt, "group"), 8))[:3])
    if asked == "parent":
        return label(usual_words(block(prompt, "groups"), 3))
    if asked in ("propose", "merge"):
        wanted = int(re.search(r"about (\d+) categories", prompt, re.IGNORECASE)[1])
        texts = [
            text.split(":")[0] for text in block(prompt, "groups" if asked == "propose" else "proposals")
        ]
        return json.dumps({"names": list(dict.fromkeys(texts[:: max(1, len(texts) // wanted)]))[:wanted]})
    if asked == "choose":
        child = set(re.findall(r"\w{4,}", block(prompt, "group")[0].lower()))
        names = block(prompt, "categories")
        best = max(sorted(names), key=lambda name: len(child & set(re.findall(r"\w{4,}", name.lower()))))
        return json.dumps({"parent": best})
    return rated(5)


def rated(value: object) -> str:
    """An auditor's answer."""
    return json.dumps({"justification": "General subjects.", "rating": value})
