"""Ideas as principles by which the better of two answers is chosen; by rule, or by a model. Source: spec 1.6.

The statement itself is kept beside the principle, and where no rule fits its form it stands in it unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from assets.collective_constitution.prompts import FOLDER
from assets.evaluation.prompts import NOBODY, render
from schemas.constitution import MODEL, RULE, WRAPPED
from schemas.identifiers import ANY_IDENTIFIER

if TYPE_CHECKING:
    from dagster_project.language_models import Asker

PROMPT = "write_principle.v1.jinja"
OPENING = "Choose the response that"
LONGEST, TOKENS = 400, 160
SUBJECT = r"(?:the |an? |all |any )?(?:ai|a\.i\.|artificial intelligence|chatbot|assistant)(?:['’]s|s)?(?: (?:system|model|assistant|chatbot|bot|tool|program)s?)?"
DUTY = re.compile(
    rf"^(?:i (?:think|believe|feel)(?: that)? )?{SUBJECT} (?:should|must|shall|needs? to|has to|have to|ought to)"
    r"(?P<no>n['’]t| not| never)? (?:also )?(?:always )?(?P<no2>not |never )?(?P<rest>[^.!?]+)[.!?]*$",
    re.IGNORECASE,
)
FURTHER = re.compile(r"\b(?:should|must|shall|needs? to|has to|have to|ought to)\b", re.IGNORECASE)
"""A second duty: what is asked of the first, most or least, may be the reverse of what is asked of it."""
CONTRAST = re.compile(r"\b(?:but|instead|rather)\b", re.IGNORECASE)
"""What follows upon a denial is not denied."""
FRAME = re.compile(
    r"^(?:please )?(?:choose|select|pick|prefer|which)(?: the)?(?: \w+)? (?:response|answer|reply)s?"
    r"(?: that| which)?(?: (?:does|is|are|would be|do))?(?: the)?(?: (?:most|least|best|more|less))?(?: to)?\s*",
    re.IGNORECASE,
)
SCHEMA = {"text": pl.String, "editor": pl.String, "rationale": pl.String, "writer": pl.String}


def by_rule(statement: str) -> tuple[str, str, str]:
    """Principle, editor and rationale of one statement: "AI should (not) X" asks for what does the most (least) to X."""
    duty = DUTY.match(" ".join(statement.split()))
    denied = duty is not None and bool(duty["no"]) != bool(duty["no2"])
    if duty is None or FURTHER.search(duty["rest"]) or (denied and CONTRAST.search(duty["rest"])):
        plain = statement.strip().rstrip(".")
        return (
            f'{OPENING} is most in line with this: "{plain}".',
            WRAPPED,
            "no single duty of an AI can be read in its form",
        )
    amount, asked = ("least", "should not") if denied else ("most", "should")
    return f"{OPENING} does the {amount} to {duty['rest'].strip()}.", RULE, f"what an AI {asked} do"


def principles(statements: Sequence[Sequence[str]], asker: Asker | None, name: str | None) -> pl.DataFrame:
    """One row per idea, in their order: text, editor, rationale, writer.

    statements: of each idea, the leading one first. asker: the writer, None: by rule; name: as it is published. Where
    the writer gives no principle of the form that was asked for, the rule does. Raises what the asker does.
    """
    said = {} if asker is None else _written(statements, asker)
    rows = []
    for place, texts in enumerate(statements):
        text, fault = read_principle(said.get(str(place)))
        if text is not None:
            rows.append((text, MODEL, f"written from {len(texts)} statements", name))
            continue
        ruled, editor, why = by_rule(texts[0])
        rows.append((ruled, editor, why if asker is None else f"{why}; the writer gave none: {fault}", None))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def read_principle(said: str | None) -> tuple[str | None, str]:
    """The principle in what a writer said, or None and why there is none."""
    if said is None:
        return None, "no answer"
    lines = [line.strip(" \"'*-") for line in said.strip().splitlines() if line.strip()]
    if len(lines) != 1 or not lines[0].startswith(OPENING):
        return None, "not one sentence of the form"
    if len(lines[0]) > LONGEST:
        return None, "too long"
    return (None, "holds an identifier") if re.search(ANY_IDENTIFIER, lines[0]) else (lines[0], "")


def concept(principle: str) -> str:
    """What a principle is about, without the frame that all of them share and that would make them look alike."""
    return FRAME.sub("", principle).strip() or principle


def _written(statements: Sequence[Sequence[str]], asker: Asker) -> Mapping[str, str | None]:
    from dagster_project.language_models import Message, Request, Sampling

    sampling = Sampling(temperature=0.0, max_tokens=TOKENS)
    requests = (
        Request(
            str(place),
            (Message("user", render(FOLDER, PROMPT, statements=[" ".join(text.split()) for text in texts])),),
            sampling,
            sources=NOBODY,
        )
        for place, texts in enumerate(statements)
    )
    return {response.id: response.text for response in asker.generate(requests)}
