"""Histories of one conversation, each with what was said before as its sender chose to repeat it, made into one."""

from __future__ import annotations

from collections.abc import Iterable

Messages = tuple[list[str], list[str]]
Turn = tuple[str, str]


def join_histories(histories: Iterable[Messages]) -> Messages:
    """Roles and contents of a conversation from successive histories, nothing said twice.

    A history may repeat everything, only its last messages, or nothing of what came before. Instructions of the
    system are kept once each, at their first place.
    """
    said: list[Turn] = []
    for roles, contents in histories:
        said = _continue(said, list(zip(roles, contents, strict=True)))
    return [role for role, _ in said], [content for _, content in said]


def _continue(said: list[Turn], history: list[Turn]) -> list[Turn]:
    known = {turn for turn in said if turn[0] == "system"}
    history = [turn for turn in history if turn not in known]
    spoken = [turn for turn in said if turn[0] != "system"]
    if _repeats_all(spoken, history):
        return [turn for turn in said if turn[0] == "system"] + history
    return said + history[_overlap(spoken, history) :]


def _repeats_all(spoken: list[Turn], history: list[Turn]) -> bool:
    """Whether a history holds all that the user said. Answers are not compared: they may come back reworded."""
    before, now = _asked(spoken), _asked(history)
    return bool(before) and now[: len(before)] == before and len(history) >= len(spoken)


def _asked(turns: list[Turn]) -> list[str]:
    return [content.strip() for role, content in turns if role == "user"]


def _overlap(spoken: list[Turn], history: list[Turn]) -> int:
    """Length of the longest start of the history that ends what was spoken (Knuth, Morris and Pratt)."""
    fallback = [0] * len(history)
    for place in range(1, len(history)):
        length = fallback[place - 1]
        while length and history[place] != history[length]:
            length = fallback[length - 1]
        fallback[place] = length + (history[place] == history[length])
    length = 0
    for turn in spoken[-len(history) :] if history else []:
        while length and turn != history[length]:
            length = fallback[length - 1]
        length += turn == history[length]
    return length
