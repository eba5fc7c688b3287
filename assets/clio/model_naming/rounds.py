"""Names asked of a model, checked, and asked for once more where they may not be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from assets.clio.model_naming.answers import SCHEMA, Label, complaint, quotes, read_label
from assets.clio.model_naming.words import SharedWords
from assets.clio.prompts import FOLDER
from dagster_project.language_models import Message, Request, Sampling
from dagster_project.language_models.prompts import mark, render

if TYPE_CHECKING:
    from dagster_project.language_models import Asker

ATTEMPTS = 2
# The paper draws at 1.0; names are to be the same for the same sample.
NAMING = Sampling(temperature=0.2, max_tokens=300)


@dataclass(frozen=True)
class Task:
    """What is shown of one node: lists of texts by the name that the prompt gives them, and whose words they are.

    checked: the texts among them that are people's words.
    """

    prompt: str
    shown: Mapping[str, list[str]]
    checked: list[str]
    sources: frozenset[str] = frozenset()

    def request(self, node: str, secret: bytes, complaint: str) -> Request:
        """The question, with a mark that follows from the texts."""
        texts = [text for part in self.shown.values() for text in part]
        content = render(FOLDER, self.prompt, **self.shown, mark=mark(secret, texts), complaint=complaint)
        return Request(node, (Message("user", content),), NAMING, SCHEMA, sources=self.sources)


@dataclass(frozen=True)
class Naming:
    """Asks for the names of one level, and checks what comes back."""

    asker: Asker
    words: SharedWords
    secret: bytes
    report: Callable[[int], None] = lambda done: None

    def names(self, tasks: Mapping[str, Task], counts: pl.DataFrame, taken: set[str]) -> dict[str, Label]:
        """Labels of the nodes that got one; whoever has none is to be named without a model.

        In: tasks by node, those that get the plainest name first; `SharedWords.counts` of the nodes; names that other
        nodes of the level have, in lower case. No two labels share a name.
        """
        accepted: dict[str, Label] = {}
        complaints = dict.fromkeys(tasks, "")
        for _ in range(ATTEMPTS):
            answers = self._answers(tasks, complaints)
            specific = self.words.too_specific(
                {node: label.text for node, label in answers.items()},
                counts,
                {node: tasks[node].checked for node in answers},
            )
            again = {}
            for node in (node for node in complaints if node in answers):
                label = answers[node]
                wrong = (
                    complaint(label)
                    or _too_specific(specific[node])
                    or _quoted(label, tasks[node].checked)
                    or _doubled(label, taken)
                )
                if wrong is None:
                    accepted[node] = label
                    taken.add(label.name.casefold())
                else:
                    again[node] = wrong
            if not again:
                break
            complaints = again
        return accepted

    def _answers(self, tasks: Mapping[str, Task], complaints: Mapping[str, str]) -> dict[str, Label]:
        def requests() -> Iterator[Request]:
            for node, wrong in complaints.items():
                yield tasks[node].request(node, self.secret, wrong)

        found: dict[str, Label] = {}
        for response in self.asker.generate(requests()):
            if response.fault is None:
                found[response.id] = read_label(response.value)
            self.report(len(found))
        return found


def _too_specific(words: list[str]) -> str | None:
    if not words:
        return None
    return (
        f"These words are too specific, do without them and without anything like them: {', '.join(words)}."
    )


def _quoted(label: Label, texts: list[str]) -> str | None:
    return "It repeated a request word for word." if quotes(label, texts) else None


def _doubled(label: Label, taken: set[str]) -> str | None:
    if label.name.casefold() not in taken:
        return None
    return f"Another group is already called {label.name!r}: say what sets this one apart."
