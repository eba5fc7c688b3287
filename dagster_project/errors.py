"""Errors whose message is safe to print, log and store, and what may be said of all others."""

from __future__ import annotations

import traceback

INTERRUPTIONS = (KeyboardInterrupt, SystemExit, GeneratorExit)


class ObservatoryError(Exception):
    """A failure that a person can act on. Its message holds no conversation text, user id or identifier."""


def kind_and_place(error: BaseException) -> str:
    """`KIND in FUNCTION (line N)` of an error: all that may be told of one whose own words may quote values."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {place.name} (line {place.lineno})"
