"""What the writer is asked for: statements, choices, biographies and sentences, each draw with a seed of its own.

Source: specs/model_written_evals.md 2.2: statements zero-shot at temperature 1.4 and top-p 0.975, 48 tokens, ended by a
line, a full stop or the next item of the list; choices from five gold examples drawn without replacement, flipped
where (B) is to match; ten sentences a call.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from assets.evaluation.prompts import render, sources_of
from assets.model_written_evals.behaviours import SHOTS, Example, Persona, Risk, Sycophancy
from assets.model_written_evals.prompts import FOLDER
from schemas.model_written import BIOGRAPHY, CHOICE, NO, SENTENCE, STATEMENT, YES

if TYPE_CHECKING:
    from dagster_project.language_models import Asker, Request, Sampling

TEMPERATURE, TOP_P = 1.4, 0.975
STATEMENT_TOKENS, CHOICE_TOKENS, BIOGRAPHY_TOKENS, SENTENCES_TOKENS = 48, 320, 200, 480
STATEMENT_STOPS = ("\n", ".", " -")
OPEN, CLOSE = "<blockquote>", "</blockquote>"
LETTERS = ("(A)", "(B)")
SENTENCES_A_CALL = 10
PER_OCCUPATION = 10
CALLS_PER_OCCUPATION = 15
OCCUPATION = "occupation"
RAW_SCHEMA = {
    "gen_id": pl.String,
    "behaviour": pl.String,
    "kind": pl.String,
    "stratum": pl.String,
    "label": pl.String,
    "prompt": pl.String,
    "examples": pl.List(pl.UInt16),
    "temperature": pl.Float64,
    "top_p": pl.Float64,
    "max_tokens": pl.UInt16,
    "seed": pl.UInt64,
    "raw": pl.String,
    "fault": pl.String,
}
Report = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Draft:
    """One call of the writer. examples: ordinals of the gold examples in the prompt; seed_cluster_id: of the usage in it."""

    behaviour: str
    kind: str
    stratum: str
    label: str
    draw: int
    prompt: str
    content: str
    prefill: str | None
    sampling: Sampling
    examples: tuple[int, ...] = ()
    seed_cluster_id: str | None = None

    @property
    def gen_id(self) -> str:
        """Names the call: the same draw has the same id in every run."""
        return "/".join(filter(None, (self.behaviour, self.stratum, self.label, str(self.draw))))


def statement_drafts(personas: Iterable[Persona], samples: int, seed: int) -> Iterator[Draft]:
    """`samples` statements of each label for each behaviour; those drafted from usage share them among their clusters."""
    from dagster_project.language_models import Sampling

    personas = list(personas)
    strata = {one.id: sum(other.id == one.id for other in personas) for one in personas}
    for one in personas:
        for label in (YES, NO):
            prompt = "write_statement.v1.jinja"
            content = render(
                FOLDER, prompt, subject=one.subject, description=one.description, agree=label == YES
            )
            for draw in range(math.ceil(samples / strata[one.id])):
                how = Sampling(TEMPERATURE, TOP_P, STATEMENT_TOKENS, STATEMENT_STOPS, seed + draw)
                stratum = one.seed_cluster_id or ""
                yield Draft(
                    one.id,
                    STATEMENT,
                    stratum,
                    label,
                    draw,
                    prompt,
                    content,
                    "-",
                    how,
                    seed_cluster_id=one.seed_cluster_id,
                )


def choice_drafts(risks: Iterable[Risk], samples: int, seed: int) -> Iterator[Draft]:
    """`samples` choices of each label for each behaviour, each call with five gold examples drawn without replacement."""
    from dagster_project.language_models import Sampling

    for one in risks:
        for label in LETTERS:
            random = np.random.default_rng((seed, zlib.crc32(f"{one.id}/{label}".encode())))
            gold = [choice_text(example, label, answered=True) for example in one.examples]
            for draw in range(samples):
                drawn = tuple(int(place) for place in random.permutation(len(gold))[:SHOTS])
                prompt = "write_choice.v1.jinja"
                content = render(
                    FOLDER,
                    prompt,
                    description=one.description,
                    letter=label.strip("()"),
                    examples=[gold[place] for place in drawn],
                )
                how = Sampling(TEMPERATURE, TOP_P, CHOICE_TOKENS, (CLOSE,), seed + draw)
                yield Draft(one.id, CHOICE, "", label, draw, prompt, content, OPEN, how, drawn)


def biography_drafts(suites: Iterable[Sycophancy], samples: int, seed: int) -> Iterator[Draft]:
    """Biographies of people with each of the views, `samples` for each behaviour and view, shared among its questions."""
    from dagster_project.language_models import Sampling

    for suite in suites:
        for question in suite.questions:
            for label, view in enumerate(question.views):
                prompt = "write_biography.v1.jinja"
                content = render(FOLDER, prompt, view=view, question=question.question)
                for draw in range(math.ceil(samples / len(suite.questions))):
                    how = Sampling(TEMPERATURE, TOP_P, BIOGRAPHY_TOKENS, seed=seed + draw)
                    yield Draft(
                        suite.id, BIOGRAPHY, question.id, str(label), draw, prompt, content, None, how
                    )


def sentence_drafts(occupations: pl.DataFrame, seed: int, behaviour: str) -> Iterator[Draft]:
    """Calls for sentences about each occupation. In: occupation, other_person."""
    from dagster_project.language_models import Sampling

    for occupation, other in occupations.select("occupation", "other_person").iter_rows():
        prompt = "write_sentence.v1.jinja"
        content = render(FOLDER, prompt, count=SENTENCES_A_CALL, occupation=occupation, other_person=other)
        for draw in range(CALLS_PER_OCCUPATION):
            how = Sampling(TEMPERATURE, TOP_P, SENTENCES_TOKENS, seed=seed + draw)
            yield Draft(behaviour, SENTENCE, occupation, OCCUPATION, draw, prompt, content, None, how)


def choice_text(example: Example, label: str, *, answered: bool = False) -> str:
    """A question with its two choices, the matching one under the letter of `label`; with the answer where `answered`."""
    choices = (example.match, example.differ) if label == LETTERS[0] else (example.differ, example.match)
    listed = "\n".join(f" {letter} {choice}" for letter, choice in zip(LETTERS, choices, strict=True))
    return f"{example.question}\n\nChoices:\n{listed}" + (f"\n\nAnswer: {label}" if answered else "")


def write(asker: Asker, drafts: Iterable[Draft], report: Report = lambda done, total: None) -> pl.DataFrame:
    """What the writer said to each draft: columns of RAW_SCHEMA, in the drafts' order.

    raw is null where `fault` says why nothing came. Raises BudgetSpentError and ObservatoryError as the asker does.
    """
    calls = {draft.gen_id: draft for draft in drafts}
    said: dict[str, tuple[str | None, str | None]] = {}
    for response in asker.generate(map(_request, calls.values())):
        said[response.id] = (response.text, None if response.fault is None else response.fault.value)
        report(len(said), len(calls))
    rows = [_row(draft, *said[name]) for name, draft in calls.items()]
    return pl.DataFrame(rows, schema=RAW_SCHEMA, orient="row")


def _request(draft: Draft) -> Request:
    from dagster_project.language_models import Message, Request

    return Request(
        draft.gen_id,
        (Message("user", draft.content),),
        draft.sampling,
        prefill=draft.prefill,
        sources=sources_of(draft.seed_cluster_id),
    )


def _row(draft: Draft, raw: str | None, fault: str | None) -> Mapping[str, Any]:
    how = draft.sampling
    return {
        **{
            name: getattr(draft, name)
            for name in ("gen_id", "behaviour", "kind", "stratum", "label", "prompt")
        },
        "examples": list(draft.examples),
        "temperature": how.temperature,
        "top_p": how.top_p,
        "max_tokens": how.max_tokens,
        "seed": how.seed,
        "raw": raw,
        "fault": fault,
    }
