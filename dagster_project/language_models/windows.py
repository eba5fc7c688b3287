"""Requests come one by one and go in batches of like length; no more than a window of them is held."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def windows(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Some items at a time; the next are drawn when these are done."""
    source = iter(items)
    while some := list(islice(source, size)):
        yield some


def batches(
    items: Iterable[Item], length: Callable[[Item], int], rows: int, tokens: int
) -> Iterator[list[Item]]:
    """The items, longest first, in batches of at most `rows` that hold `tokens` at most when padded to their longest.

    One that is longer than `tokens` goes alone.
    """
    batch: list[Item] = []
    for item in sorted(items, key=length, reverse=True):
        if batch and (len(batch) == rows or length(batch[0]) * (len(batch) + 1) > tokens):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
