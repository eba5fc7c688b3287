"""Conversations of bounded length: what is too long keeps its beginning and its end."""

from __future__ import annotations

GAP = " […] "


def shorten(roles: list[str], contents: list[str], limit: int) -> tuple[list[str], list[str]]:
    """Head and tail of a conversation of more than `limit` characters, about `limit` of them in all.

    A single message is first cut to a quarter of the limit (its head and tail, with a mark between), so that
    one huge prompt does not push out the rest; then the first and the last messages are kept, half the limit
    each. A conversation whose kept part has no user message gets its first one back. Depends on the input
    only.
    """
    contents = [cut(content, limit // 4) for content in contents]
    head, tail = _fitting(contents, limit // 2), _fitting(contents[::-1], limit // 2)
    start = len(contents) - tail
    kept = list(range(len(contents))) if head >= start else [*range(head), *range(start, len(contents))]
    if all(roles[index] != "user" for index in kept) and "user" in roles:
        kept = sorted([*kept, roles.index("user")])
    return [roles[index] for index in kept], [contents[index] for index in kept]


def cut(text: str, limit: int) -> str:
    """The text, or its head and tail of together `limit` characters where it is longer."""
    if len(text) <= limit:
        return text
    return text[: limit - limit // 2] + GAP + text[len(text) - limit // 2 :]


def _fitting(contents: list[str], limit: int) -> int:
    """How many of the first contents fit into the limit; one at least."""
    size = 0
    for count, content in enumerate(contents):
        size += len(content)
        if size > limit:
            return max(count, 1)
    return len(contents)
