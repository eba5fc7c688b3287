"""Errors whose message is safe to print, log and store: they never carry restricted text."""

from __future__ import annotations


class ObservatoryError(Exception):
    """A failure that a person can act on. Its message holds no conversation text, user id or identifier."""
