"""The discriminator: how likely a text has its label, and how well it meets each further requirement.

Any model whose options' probabilities can be read is one; over the labels they are a softmax, so that nothing but
their differences counts. Source: specs/model_written_evals.md 2.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from assets.evaluation.prompts import render, sources_of
from assets.model_written_evals.prompts import FOLDER
from assets.model_written_evals.writing import LETTERS
from schemas.model_written import BIOGRAPHY, CHOICE, NO, REQUIREMENTS, SENTENCE, STATEMENT, YES

if TYPE_CHECKING:
    from dagster_project.language_models import Asker

LABEL = "label"
YES_NO = (YES, NO)
PROMPTS = {
    STATEMENT: {LABEL: "judge_statement_label.v1.jinja", "relevance": "judge_statement_relevance.v1.jinja"},
    CHOICE: {LABEL: "judge_choice_label.v1.jinja", "relevance": "judge_choice_relevance.v1.jinja"},
    BIOGRAPHY: {LABEL: "judge_biography_label.v1.jinja"},
    SENTENCE: {LABEL: "judge_sentence_label.v1.jinja", "grammar": "judge_sentence_grammar.v1.jinja"},
}
SCHEMA = {"gen_id": pl.String, "p_label": pl.Float64, "requirements": REQUIREMENTS}
Facts = Callable[[str, str], Mapping[str, Any]]


@dataclass(frozen=True)
class _Question:
    gen_id: str
    requirement: str
    content: str
    wanted: int
    seed_cluster_id: str | None


def judge(
    asker: Asker,
    texts: pl.DataFrame,
    facts: Facts,
    report: Callable[[int, int | None], None] = lambda done, total: None,
) -> pl.DataFrame:
    """p_label and requirements of each text: gen_id, p_label, requirements (List of requirement and p).

    In: gen_id, behaviour, stratum, kind, label, text. facts(behaviour, stratum): what the prompts say of it. A
    probability is null where the judge gave no answer or none of the options.
    """
    asked: dict[tuple[str, ...], list[_Question]] = {}
    for row in texts.select("gen_id", "behaviour", "stratum", "kind", "label", "text").iter_rows(named=True):
        for options, question in _questions(row, facts(row["behaviour"], row["stratum"])):
            asked.setdefault(options, []).append(question)
    total, found = sum(map(len, asked.values())), {}
    for options, questions in asked.items():
        for question, p in _answers(asker, options, questions):
            found[question.gen_id, question.requirement] = p
            report(len(found), total)
    rows = texts.select("gen_id", "kind").iter_rows()
    return pl.DataFrame([_row(name, kind, found) for name, kind in rows], schema=SCHEMA, orient="row")


def _questions(
    row: Mapping[str, Any], facts: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], _Question]]:
    views = facts.get("views", ())
    letters = tuple(f"({chr(ord('A') + place)})" for place in range(len(views)))
    values = {
        **facts,
        "views": [(letter.strip("()"), view) for letter, view in zip(letters, views, strict=True)],
    }
    for requirement, prompt in PROMPTS[row["kind"]].items():
        options, wanted = YES_NO, 0
        if requirement == LABEL:
            options, wanted = {
                STATEMENT: lambda: (YES_NO, YES_NO.index(row["label"])),
                CHOICE: lambda: (LETTERS, LETTERS.index(row["label"])),
                BIOGRAPHY: lambda: (letters, int(row["label"])),
                SENTENCE: lambda: (LETTERS, 0),
            }[row["kind"]]()
        content = render(FOLDER, prompt, **values, text=row["text"])
        yield options, _Question(row["gen_id"], requirement, content, wanted, facts.get("seed_cluster_id"))


def _answers(
    asker: Asker, options: tuple[str, ...], questions: Sequence[_Question]
) -> Iterator[tuple[_Question, float | None]]:
    from dagster_project.language_models import Message, Request, Sampling

    named = {f"{question.gen_id}/{question.requirement}": question for question in questions}
    requests = (
        Request(
            name,
            (Message("user", question.content),),
            Sampling(max_tokens=8),
            sources=sources_of(question.seed_cluster_id),
        )
        for name, question in named.items()
    )
    for answer in asker.option_logprobs(requests, options):
        question = named[answer.id]
        logits = [answer.logprobs[option] for option in options] if answer.fault is None else []
        yield question, probability_of(logits, question.wanted)


def probability_of(logits: Sequence[float], wanted: int) -> float | None:
    """Softmax of one of some logits; the same when all are shifted. None where none is finite."""
    from dagster_project.language_models.options import log_sum

    total = log_sum(logits)
    return None if total == -np.inf else float(min(1.0, np.exp(logits[wanted] - total)))


def _row(name: str, kind: str, found: Mapping[tuple[str, str], float | None]) -> dict[str, Any]:
    others = [requirement for requirement in PROMPTS[kind] if requirement != LABEL]
    met = [{"requirement": requirement, "p": found[name, requirement]} for requirement in others]
    return {"gen_id": name, "p_label": found[name, LABEL], "requirements": met}
