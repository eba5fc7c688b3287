"""Which options say something about the question, and whether these stand on a scale in the order in which they are listed.

An order is only assumed where words or numbers of the options show it; what is not recognised is nominal, and the earth mover's
distance leaves it out. Source: specs/global_opinions.md 3.3 and 3.5.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

NONSUBSTANTIVE = re.compile(
    r"^(?:dk\b|don[’']?t know|do not know|no answer|no response|refused|not asked|not applicable|missing\b|other missing|n/?a$)",
    re.IGNORECASE,
)
AGAINST = re.compile(
    r"\b(?:disagree|dis\w*approve\w*|dissatisfied|distrust|unfavou?rable|unimportant|unlikely|unacceptable|unhappy|unsafe|oppose\w*"
    r"|against|bad|badly|poor|poorly|worse|worst|negative|decrease\w*|less|fewer|weaker|wrong|harder|pessimistic|unfair)\b",
    re.IGNORECASE,
)
FOR = re.compile(
    r"\b(?:agree|approve|satisfied|favou?rable|likely|acceptable|happy|safe|favou?r|support|good|well|better|best|positive"
    r"|increase\w*|more|stronger|right|easier|optimistic|fair)\b",
    re.IGNORECASE,
)
DEGREES: tuple[tuple[float, re.Pattern[str]], ...] = tuple(
    (degree, re.compile(rf"\b(?:{words})\b", re.IGNORECASE))
    for degree, words in (
        (0, r"neither|same|unchanged|neutral|undecided|stay\w* about"),
        (
            0,
            r"not at all|at all|never|none|nothing|not a (?:problem|threat)|no (?:confidence|trust|influence|risk) at all",
        ),
        (3, r"quite a lot"),
        (
            1,
            r"not too|not very|not \w+ very|not much|hardly|rarely|seldom|a little|only a little|minor|small|not (?:often|frequently)",
        ),
        (
            4,
            r"very|strongly|completely|totally|definitely|extremely|always|a great deal|great deal|a lot|lot|major|most|excellent",
        ),
        (
            2,
            r"somewhat|mostly|fairly|rather|quite|some|probably|moderately|sometimes|occasionally|a fair amount|fair amount|only fair",
        ),
        (3, r"often|frequently|usually|much"),
    )
)
"""Words of degree, those first that others are part of."""
PLAIN = 3.0
NUMBER = re.compile(r"^\d+$")


def substantive(options: Sequence[str]) -> list[bool]:
    """Whether each option answers the question; `DK/Refused` and the like do not."""
    return [NONSUBSTANTIVE.match(option.strip()) is None for option in options]


def is_ordinal(options: Sequence[str]) -> bool:
    """Whether the options, in this order, go up or down one scale. Two options always do."""
    if len(options) <= 2:
        return len(options) == 2
    if _numbered(options):
        return True
    found = [_place(option) for option in options]
    places = [place for place in found if place is not None]
    if len(places) < len(found):
        return False
    steps = [after - before for before, after in pairwise(places)]
    return all(step > 0 for step in steps) or all(step < 0 for step in steps)


def _numbered(options: Sequence[str]) -> bool:
    """Numbers that follow each other, with at most a name for the lowest and for the highest."""
    inner = [int(option) for option in options[1:-1] if NUMBER.match(option)]
    if len(inner) < max(len(options) - 2, 2):
        return False
    ends = [int(option) for option in (options[0], options[-1]) if NUMBER.match(option)]
    steps = {
        after - before
        for before, after in pairwise([*ends[:1], *inner] if NUMBER.match(options[0]) else inner)
    }
    return steps in ({1}, {-1})


def _place(option: str) -> float | None:
    """Place of an option on the line from full disagreement to full agreement; None where no word tells it."""
    degree = next((degree for degree, words in DEGREES if words.search(option)), None)
    if degree == 0:
        return 0.0
    if AGAINST.search(option):
        return -(PLAIN if degree is None else degree)
    if degree is not None:
        return degree
    return PLAIN if FOR.search(option) else None
