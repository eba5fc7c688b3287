"""OpenAssistant: trees of messages, as one message per row or one tree per row; one conversation per tree.

The conversation follows the best answer at every step: the lowest rank, then the reviewers' quality, then the
older message. Its user is who wrote the first message; other people may have written later ones.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from assets.conversations.loaders.base import (
    AROUND,
    SAMPLED_ROWS,
    Fields,
    Parsed,
    Plain,
    RecordLoader,
    as_flag,
    as_metadata,
    as_name,
    as_record,
    readable_objects,
)
from assets.conversations.loaders.messages import read_role, require_user
from assets.conversations.reading import Fault, Row, UnreadableError

MAX_HELD_MESSAGES = 10_000
LONG_MESSAGE_CHARACTERS = 4_000
MISSING_RANK = float("inf")

Message = dict[str, Any]


def best_path(root: Message, replies: Mapping[str, list[Message]] | None = None) -> list[Message]:
    """Messages from the root along the best replies, which `replies` gives by message id or messages nest."""
    path, seen = [root], {id(root)}
    while True:
        answers = replies.get(path[-1]["message_id"], []) if replies is not None else path[-1].get("replies")
        kept = [answer for answer in answers or [] if _is_kept(answer) and id(answer) not in seen]
        if not kept:
            return path
        path.append(min(kept, key=_preference))
        seen.add(id(path[-1]))


def _is_kept(message: object) -> bool:
    if not isinstance(message, dict) or message.get("deleted") is True:
        return False
    text = message.get("text")
    return isinstance(text, str) and bool(text.strip())


def _preference(message: Message) -> tuple[float, float, bool, str, str]:
    """Sorts the best reply first."""
    return (
        _number(message.get("rank"), MISSING_RANK),
        -_quality(message),
        message.get("review_result") is not True,
        str(message.get("created_date") or "~"),
        str(message.get("message_id")),
    )


def _quality(message: Message) -> float:
    """The reviewers' mean quality label, in either of the two layouts of labels; 0 where there is none."""
    labels = message.get("labels")
    if not isinstance(labels, dict):
        return 0.0
    quality = labels.get("quality")
    value = quality.get("value") if isinstance(quality, dict) else None
    names, values = labels.get("name"), labels.get("value")
    if isinstance(names, list) and isinstance(values, list) and "quality" in names[: len(values)]:
        value = values[names.index("quality")]
    return _number(value, 0.0)


def _number(value: object, otherwise: float) -> float:
    # Parquet files written through pandas hold NaN for an absent rank, which would make the order arbitrary.
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else otherwise


def to_conversation(
    byte_offset: int,
    line: int,
    path: list[Message],
    conversation_id: str | None,
    fields: Fields,
    rows: int = 1,
    tree: Message | None = None,
) -> Parsed:
    """The conversation along a path of messages, mapped columns also from their tree's row. Raises UnreadableError."""
    roles = [read_role(message) for message in path]
    require_user(roles)
    root, last = path[0] | (tree or {}), path[-1] | (tree or {})
    models = (as_name(message.get("model_name")) for message in path if message.get("role") == "assistant")
    return Parsed(
        byte_offset,
        line,
        roles,
        [message["text"] for message in path],
        as_name(fields.unless_mapped(root, "id", conversation_id)),
        fields.text(root, "user"),
        fields.unless_mapped(root, "time", path[0].get("created_date")),
        fields.unless_mapped(last, "updated", path[-1].get("created_date")),
        as_name(fields.unless_mapped(root, "model", next(filter(None, models), None))),
        as_metadata(fields.unless_mapped(root, "metadata", {"language": root.get("lang")})),
        rows,
        as_flag(fields.get(root, "flag")),
    )


class OasstTreeLoader(RecordLoader):
    """One tree per record: `prompt` with nested `replies`."""

    name = "oasst-tree"
    description = "OpenAssistant trees, one per row: {message_tree_id, prompt: {text, replies}}"
    content_columns = frozenset({"message_tree_id", "prompt"})

    def matches(self, record: dict[str, Any]) -> bool:
        """Whether there is a prompt with a text."""
        prompt = record.get("prompt")
        return (
            isinstance(prompt, dict)
            and "text" in prompt
            and ("replies" in prompt or "message_tree_id" in record)
        )

    def parse(self, byte_offset: int, line: int, record: dict[str, Any], fields: Fields) -> Parsed:
        """The conversation along the best path of one tree."""
        root = record.get("prompt")
        if root is None:
            raise UnreadableError("missing_field")
        if not _is_kept(as_record(root)):
            raise UnreadableError("no_messages")
        tree = as_name(record.get("message_tree_id")) or as_name(root.get("message_id"))
        return to_conversation(byte_offset, line, best_path(root), tree, fields, tree=record)

    def records(self, rows: Iterable[Row | Fault]) -> Iterator[dict[str, Any]]:
        """First messages, with what their tree's row holds beside them."""
        for record in readable_objects(rows):
            root = record.get("prompt")
            yield (root if isinstance(root, dict) else {}) | record


class OasstLoader:
    """One message per record, with `parent_id`; a tree's messages may lie apart in the file."""

    name = "oasst"
    description = "OpenAssistant messages, one per row: {message_id, parent_id, text, role, message_tree_id}"
    plain: Plain = None
    sampled_rows: int = SAMPLED_ROWS
    mappable: frozenset[str] = AROUND
    max_held_messages = MAX_HELD_MESSAGES

    def columns(self, fields: Fields) -> frozenset[str] | None:
        """What trees and their order are made of."""
        own = {
            "message_id",
            "parent_id",
            "message_tree_id",
            "text",
            "role",
            "lang",
            "created_date",
            "user_id",
        }
        return frozenset(own | {"rank", "review_result", "deleted", "labels", "model_name"}) | fields.columns

    def matches(self, record: dict[str, Any]) -> bool:
        """Whether the record is a message of a tree."""
        return (
            "message_id" in record
            and "text" in record
            and ("parent_id" in record or "message_tree_id" in record)
        )

    def records(self, rows: Iterable[Row | Fault]) -> Iterator[dict[str, Any]]:
        """The messages."""
        return readable_objects(rows)

    def read(self, rows: Iterable[Row | Fault], fields: Fields) -> Iterator[Parsed | Fault]:
        """One conversation per tree; trees not met for long are finished once too many messages are held."""
        trees: OrderedDict[str, list[Row]] = OrderedDict()
        held = 0
        for row in rows:
            if isinstance(row, Fault):
                yield row
                continue
            try:
                tree = _tree_of(row.value)
            except UnreadableError as error:
                yield Fault(row.byte_offset, row.line, error.reason)
                continue
            trees.setdefault(tree, []).append(row)
            trees.move_to_end(tree)
            held += _weight(row)
            while held > self.max_held_messages:
                tree, messages = trees.popitem(last=False)
                held -= sum(map(_weight, messages))
                yield from _finish_tree(tree, messages, fields)
        for tree, messages in trees.items():
            yield from _finish_tree(tree, messages, fields)


def _weight(row: Row) -> int:
    """Messages that this one counts for while it is held: long ones count for several."""
    return 1 + len(row.value["text"]) // LONG_MESSAGE_CHARACTERS


def _tree_of(value: object) -> str:
    """The tree that a message belongs to. Raises UnreadableError where the message cannot be placed."""
    message = as_record(value)
    own, parent = as_name(message.get("message_id")), as_name(message.get("parent_id"))
    tree = as_name(message.get("message_tree_id")) or (own if parent is None else None)
    if own is None or tree is None:
        raise UnreadableError("missing_field")
    if not isinstance(message.get("text"), str):
        raise UnreadableError("missing_field" if message.get("text") is None else "wrong_type")
    return tree


def _finish_tree(tree: str, rows: list[Row], fields: Fields) -> Iterator[Parsed | Fault]:
    """The tree's conversation; messages that no kept first message leads to become faults."""
    root = next((row for row in rows if not row.value.get("parent_id")), None)
    if root is None or not _is_kept(root.value):
        yield from (Fault(row.byte_offset, row.line, "orphan_message") for row in rows)
        return
    replies: dict[str, list[Message]] = {}
    known = {row.value["message_id"] for row in rows}
    orphans = []
    for row in rows:
        parent = row.value.get("parent_id")
        if parent and parent not in known:
            orphans.append(Fault(row.byte_offset, row.line, "orphan_message"))
        elif parent:
            replies.setdefault(parent, []).append(row.value)
    try:
        path = best_path(root.value, replies)
        yield to_conversation(root.byte_offset, root.line, path, tree, fields, len(rows) - len(orphans))
    except UnreadableError as error:
        yield from (Fault(row.byte_offset, row.line, error.reason) for row in rows)
        return
    yield from orphans
