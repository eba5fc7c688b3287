"""Asking a subject model a suite's items: options by their probabilities or by samples, text, and what follows a first answer.

Every item gives rows, whatever came of it. What was answered before comes from the call cache, so only new models and
changed items are asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.evaluation.prompts import sources_of
from schemas.evaluation import (
    ANSWERED,
    FAULT,
    NO_ANSWER,
    NO_MASS,
    NO_OPTION,
    REFUSED,
    UNAVAILABLE,
    UNPARSEABLE,
    EvalAnswer,
)
from schemas.reading import PASSING

if TYPE_CHECKING:
    from dagster_project.language_models import Asker, Request

SLICE = 20_000
OPTION_TOKENS = 16
"""Tokens of a sampled answer that names an option."""
ARTICLE = re.compile(r"(?<![\w(])(?:[Aa]|I)(?=\s+[a-z])")
"""`a` or `I` as a word of a sentence, and no letter of an option."""
COLUMNS = {name: column.dtype.type for name, column in EvalAnswer.to_schema().columns.items()}
BEGINNING = 200
"""Characters of a free answer in which a refusal is looked for: later on, the words may be somebody else's."""
REFUSAL = re.compile(
    r"\b(?:I(?:'m| am) (?:sorry|unable|not able)|I (?:can(?:not|'t)|won't|will not|must decline)|as an AI)\b",
    re.IGNORECASE,
)
Item = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """Who is asked. samples: free answers drawn where an item has options; None: their probabilities are read."""

    name: str
    asker: Asker
    samples: int | None = None
    report: Callable[[int, int | None], None] = lambda done, total: None


def ask_items(items: pl.DataFrame, who: Asked) -> Iterator[pl.DataFrame]:
    """The answers of one subject (schemas.evaluation.EvalAnswer) to a suite's items (EvalItem), in the items' order.

    Raises BudgetSpentError where the next call could pass the budget, and ObservatoryError where none can succeed; the
    answers so far are in the call cache.
    """
    for done in range(0, max(items.height, 1), SLICE):
        part = items.slice(done, SLICE)
        rows = _answers(part.to_dicts(), who)
        who.report(done + part.height, items.height)
        yield pl.DataFrame(rows, schema=COLUMNS, orient="row")


def _answers(items: Sequence[Item], who: Asked) -> list[dict[str, Any]]:
    reasoned = dict(_reasonings([item for item in items if item["follow_up"] is not None], who))
    found: dict[tuple[str, int], dict[str, Any]] = {}
    asked: list[tuple[Item, int, str | None]] = []
    for item in items:
        for sample in range(_samples(item, who)):
            reasoning = reasoned.get((item["item_id"], sample))
            if (item["follow_up"] is not None and reasoning is None) or isinstance(reasoning, dict):
                found[item["item_id"], sample] = _row(item, sample, who, **(reasoning or _lost(None)))
            else:
                asked.append((item, sample, reasoning))
    by_probability = [it for it in asked if it[0]["options"] and who.samples is None]
    by_text = [it for it in asked if not it[0]["options"] or who.samples is not None]
    for item, sample, row in (*_probabilities(by_probability, who), *_texts(by_text, who)):
        found[item["item_id"], sample] = row
    return [found[key] for item in items for key in _keys(item, who)]


def _samples(item: Item, who: Asked) -> int:
    if item["options"] and who.samples is not None:
        return max(who.samples, item["samples"])
    return 1 if item["options"] and item["follow_up"] is None else item["samples"]


def _keys(item: Item, who: Asked) -> list[tuple[str, int]]:
    return [(item["item_id"], sample) for sample in range(_samples(item, who))]


def _reasonings(items: Sequence[Item], who: Asked) -> Iterator[tuple[tuple[str, int], str | dict[str, Any]]]:
    """The free first answer to each item and sample, or what stands in its row where there is none."""
    requests = {
        f"{item['item_id']}/{sample}": (item, sample)
        for item in items
        for sample in range(_samples(item, who))
    }
    asked = (_request(item, sample, name=name) for name, (item, sample) in requests.items())
    for response in who.asker.generate(asked):
        item, sample = requests[response.id]
        key = (item["item_id"], sample)
        yield key, response.text if response.text is not None else _lost(response.fault)


def _probabilities(
    asked: Sequence[tuple[Item, int, str | None]], who: Asked
) -> Iterator[tuple[Item, int, dict[str, Any]]]:
    """Options' log-probabilities; items with the same options are asked together."""
    together: dict[tuple[str, ...], dict[str, tuple[Item, int, str | None]]] = {}
    for item, sample, reasoning in asked:
        name = f"{item['item_id']}/{sample}"
        together.setdefault(tuple(item["options"]), {})[name] = (item, sample, reasoning)
    for options, some in together.items():
        requests = (
            _request(item, sample, name=name, reasoning=reasoning)
            for name, (item, sample, reasoning) in some.items()
        )
        for answer in who.asker.option_logprobs(requests, options):
            item, sample, reasoning = some[answer.id]
            if answer.fault is not None:
                facts: dict[str, Any] = _lost(answer.fault)
            else:
                logprobs = [answer.logprobs[option] for option in options]
                facts = {
                    "logprobs": logprobs,
                    "missing_mass": min(1.0, max(0.0, answer.missing_mass)),
                    "choice": _likeliest(options, logprobs),
                    **(_unread(NO_MASS) if max(logprobs) == -float("inf") else {"status": ANSWERED}),
                }
            yield item, sample, _row(item, sample, who, reasoning=reasoning, **facts)


def _texts(
    asked: Sequence[tuple[Item, int, str | None]], who: Asked
) -> Iterator[tuple[Item, int, dict[str, Any]]]:
    requests = {f"{item['item_id']}/{sample}": (item, sample, reasoning) for item, sample, reasoning in asked}
    responses = who.asker.generate(
        _request(item, sample, name=name, reasoning=reasoning, drawn=who.samples is not None)
        for name, (item, sample, reasoning) in requests.items()
    )
    for response in responses:
        item, sample, reasoning = requests[response.id]
        row = _read(item, response.text, response.fault)
        yield item, sample, _row(item, sample, who, reasoning=reasoning, **row)


def _read(item: Item, text: str | None, fault: Any) -> dict[str, Any]:
    """What a sampled answer says."""
    if text is None:
        return _lost(fault)
    declined = {"status": REFUSED, "reason": REFUSED}
    if not item["options"]:
        refused = REFUSAL.search(text[:BEGINNING]) is not None
        return {"text": text, **(declined if refused else {"status": ANSWERED})}
    choice = read_option(text, item["options"])
    if choice is not None:
        return {"text": text, "choice": choice, "status": ANSWERED}
    return {"text": text, **(declined if REFUSAL.search(text) else _unread(NO_OPTION))}


def read_option(text: str, options: Sequence[str]) -> str | None:
    """The option that an answer names: with which it begins, or the only one that it holds; None where that is not clear.

    Options are compared without case and brackets, and only as whole words: "No" is not in "Nothing". A letter that goes on
    as a sentence is a word of it: "A good answer" does not choose (A).
    """
    plain = {option: option.strip().strip("().").casefold() for option in options}
    lettered = all(len(word) == 1 for word in plain.values())
    said = (ARTICLE.sub("", text) if lettered else text).strip().lstrip("\"'*( ").casefold()
    starting = [option for option, word in plain.items() if re.match(rf"{re.escape(word)}(?!\w)", said)]
    if starting:
        return max(starting, key=lambda option: len(plain[option]))
    within = [option for option, word in plain.items() if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", said)]
    return within[0] if len(within) == 1 else None


def _request(
    item: Item, sample: int, *, name: str, reasoning: str | None = None, drawn: bool = True
) -> Request:
    """The question as it is sent; without a reasoning, of an item that has a follow-up, its first part."""
    from dagster_project.language_models import Message, Request, Sampling

    messages = [Message(turn["role"], turn["content"]) for turn in item["messages"]]
    last = item["follow_up"] is None or reasoning is not None
    if reasoning is not None:
        messages += [Message("assistant", reasoning), Message("user", str(item["follow_up"]))]
    naming = last and bool(item["options"])
    tokens = OPTION_TOKENS if naming else item["max_tokens"]
    sampling = Sampling(
        temperature=item["temperature"] if drawn or not naming else 0.0, max_tokens=tokens, seed=sample
    )
    return Request(
        name,
        tuple(messages),
        sampling,
        prefill=item["prefill"] if last else None,
        sources=sources_of(item["seed_cluster_id"]),
    )


def _likeliest(options: Sequence[str], logprobs: Sequence[float]) -> str | None:
    best = max(logprobs)
    found = [option for option, logprob in zip(options, logprobs, strict=True) if logprob == best]
    return found[0] if len(found) == 1 and best > -float("inf") else None


def _lost(fault: Any) -> dict[str, Any]:
    """Status and reason of an answer that never came."""
    from dagster_project.language_models import Fault

    status = REFUSED if fault == Fault.REFUSED else UNAVAILABLE if fault in PASSING else FAULT
    return {"status": status, "reason": NO_ANSWER if fault is None else str(fault)}


def _unread(reason: str) -> dict[str, Any]:
    return {"status": UNPARSEABLE, "reason": reason}


def _row(item: Item, sample: int, who: Asked, **facts: Any) -> dict[str, Any]:
    of_options = "logprobs" if who.samples is None else "samples"
    protocol = of_options if item["options"] else "text"
    empty = dict.fromkeys(("logprobs", "missing_mass", "choice", "text", "reasoning", "reason"))
    known = {"suite": item["suite"], "subject": who.name, "item_id": item["item_id"], "sample": sample}
    made = {**known, "protocol": protocol, **empty, **facts}
    return {name: made[name] for name in COLUMNS}
