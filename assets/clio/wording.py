"""Names and summaries as sentences, made of terms that were chosen elsewhere; pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import count

NAME_TERMS = 3
SUMMARY_TERMS = 6
LONGEST_NAME = 80
MOST_WORDS = 10
UNNAMED = "Mixed requests"
# What is published as the namer of names made of shared terms.
SHARED_TERMS = "shared-terms-2"


@dataclass(frozen=True)
class Term:
    """A term as it is shown, and the words that carry it."""

    text: str
    key: str
    users: int


@dataclass(frozen=True)
class Wording:
    """Terms of a cluster in the order in which they are shown, its own before borrowed ones.

    `weak` are its own too, but words of asking, or no more frequent here than elsewhere.
    """

    terms: list[Term]
    weak: list[Term]


def name_options(wording: Wording, language: str | None, theme: str | None) -> list[str]:
    """Names for a cluster, the best first: with other terms behind the first ones, then by what is above it."""
    terms, spare = wording.terms, [*wording.terms[NAME_TERMS:], *wording.weak]
    options: list[str] = []
    if terms:
        options = [_compose(terms[:NAME_TERMS])]
        options += [_compose([*terms[: NAME_TERMS - 1], term]) for term in spare]
        options += [_compose([*terms[:NAME_TERMS], term]) for term in spare]
        options += [f"{options[0]} in {language}"] if language else []
    options += [f"Requests in {language}"] if language else []
    options += [f"{theme}: other requests"] if theme and theme != UNNAMED else []
    return [*options, UNNAMED]


def first_free(options: Sequence[str], taken: Collection[str]) -> str:
    """The first name that no node of the level has; numbered where nothing else sets it apart."""
    for option in options:
        if option.casefold() not in taken:
            return option
    numbered = (f"{options[0]} {number}" for number in count(2))
    return next(name for name in numbered if name.casefold() not in taken)


def _compose(terms: Sequence[Term]) -> str:
    """`First: second, third` in sentence case, at most ten words and 80 characters."""
    chosen = list(terms)
    while len(chosen) > 1 and (
        sum(len(term.text.split()) for term in chosen) > MOST_WORDS
        or sum(len(term.text) + 2 for term in chosen) > LONGEST_NAME
    ):
        chosen.pop()
    first = chosen[0].text
    rest = ", ".join(term.text for term in chosen[1:])
    return first[:1].upper() + first[1:] + (f": {rest}" if rest else "")


def summary_text(wording: Wording, language: str | None) -> str:
    """One sentence of up to six terms, and the cluster's main language where it has one."""
    texts = [term.text for term in (wording.terms or wording.weak)[:SUMMARY_TERMS]]
    if not texts:
        body = "Requests that have no words in common that enough people use"
    elif len(texts) == 1:
        body = f"Requests about {texts[0]}"
    else:
        body = f"Requests about {', '.join(texts[:-1])} and {texts[-1]}"
    return f"{body}; mostly in {language}." if language else f"{body}."
