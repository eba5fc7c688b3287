"""Threads through a conversation that was edited or answered again: messages know their parents only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from assets.conversations.reading import UnreadableError

Node = dict[str, Any]


def walk_thread(nodes: Mapping[str, Node], leaf: object, parent_of: Callable[[Node], object]) -> list[Node]:
    """Nodes from the first one to the leaf, along the parents that `parent_of` gives (None where there is none).

    Raises UnreadableError where an id is no text, a node is no object or absent, or the parents run in a circle.
    """
    path: list[Node] = []
    seen: set[str] = set()
    here = leaf
    while here is not None:
        if not isinstance(here, str):
            raise UnreadableError("wrong_type")
        if here in seen or here not in nodes:
            raise UnreadableError("broken_thread")
        node = nodes[here]
        if not isinstance(node, dict):
            raise UnreadableError("wrong_type")
        seen.add(here)
        path.append(node)
        here = parent_of(node)
    return path[::-1]
