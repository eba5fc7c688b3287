"""What a model may answer when it is asked for a name, and what of it is refused; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import polars as pl

from assets.clio.release.words import clean
from dagster_project.privacy.instructions import speaks_to_a_model
from schemas.identifiers import ANY_IDENTIFIER
from schemas.published import NAME_LENGTH, SUMMARY_LENGTH

MOST_WORDS = 10
MOST_SENTENCES = 2
# So many words in a row of one text are a quotation, far under what the leak scan stops a release for.
QUOTED = 8
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "minLength": 1, "maxLength": SUMMARY_LENGTH},
        "name": {"type": "string", "minLength": 1, "maxLength": NAME_LENGTH},
    },
    "required": ["summary", "name"],
    "additionalProperties": False,
}
# Latin letters, numbers and the signs of plain prose: no markup, no formula of a spreadsheet, no letter that only looks Latin.
PLAIN = r"^[\p{Latin}\p{N} .,:;'’&/()+#%!?-]+$"
OPENING = " =+-@.,:;'\"#"


@dataclass(frozen=True)
class Label:
    """Name and summary of a cluster."""

    name: str
    summary: str

    @property
    def text(self) -> str:
        """Both together, as they are embedded and audited."""
        return f"{self.name}: {self.summary}"


def read_label(value: Any) -> Label:
    """The label in an answer that satisfies `SCHEMA`: no hidden characters, no stop behind the name."""
    cleaned = pl.DataFrame({"name": [value["name"]], "summary": [value["summary"]]}).select(
        clean("name"), clean("summary")
    )
    name, summary = cleaned.row(0)
    return Label(name.lstrip(OPENING).rstrip(" .,;:"), summary.lstrip(OPENING))


def complaint(label: Label) -> str | None:
    """What is wrong with the form of a label, as it is told to the model; None where nothing is."""
    if not label.name or not label.summary:
        return "Give both a name and a summary."
    if len(label.name.split()) > MOST_WORDS:
        return f"The name had more than {MOST_WORDS} words."
    if len(re.findall(r"[.!?](?:\s|$)", label.summary.rstrip(".!?") + ".")) > MOST_SENTENCES:
        return f"The summary had more than {MOST_SENTENCES} sentences."
    both = pl.DataFrame({"text": [label.text]})
    if not both["text"].str.contains(PLAIN).item():
        return "Use English words in Latin letters and plain punctuation only."
    if both["text"].str.contains(ANY_IDENTIFIER).item():
        return "It held something like an address, a link or a long number."
    if speaks_to_a_model(label.name) or speaks_to_a_model(label.summary):
        return "It spoke to a reader instead of saying what people asked for."
    return None


def quotes(label: Label, texts: list[str]) -> bool:
    """Whether a label repeats `QUOTED` words in a row of a text."""
    runs = _runs(label.name) | _runs(label.summary)
    return bool(runs) and any(runs & _runs(text) for text in texts)


def _runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[at : at + QUOTED]) for at in range(len(words) - QUOTED + 1)}
