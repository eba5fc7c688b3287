"""Single requests, and records whose columns the person names: `text` rows and the generic mapping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from assets.conversations.loaders.base import AROUND, MAPPABLE, Fields, Outcome, Parsed, Plain, RecordLoader
from assets.conversations.loaders.messages import read_messages, require_user
from assets.conversations.reading import Fault, Row, UnreadableError, parse_json


class TextLoader(RecordLoader):
    """One request per line of text, or per record with a `text`. Each is a conversation of one message."""

    name = "text"
    description = "one request per line of a .txt file, or per record with a text column"
    plain: Plain = "lines"
    mappable = AROUND | {"text"}
    content_columns = frozenset({"text"})

    def matches(self, record: dict[str, Any]) -> bool:
        """Whether there is a text; records of message trees have one too, with a role beside it."""
        return isinstance(record.get("text"), str) and "role" not in record and "message_id" not in record

    def read(self, rows: Iterable[Row | Fault], fields: Fields) -> Iterator[Outcome]:
        """One conversation or one fault per row."""
        named = (
            row._replace(value={"text": row.value})
            if isinstance(row, Row) and isinstance(row.value, str)
            else row
            for row in rows
        )
        return super().read(named, fields)

    def parse(self, byte_offset: int, line: int, record: dict[str, Any], fields: Fields) -> Parsed:
        """The conversation of one record."""
        text = require_text(fields.get(record, "text"))
        if not text:
            raise UnreadableError("no_messages")
        return Parsed(byte_offset, line, ["user"], [text], **fields.envelope(record))


class MappingLoader(RecordLoader):
    """Records of any shape: `--map` says which column holds what; columns under usual names need no mapping.

    Either `messages` (role/content or from/value) or `text`, with the answer in `response` where there is
    one.
    """

    name = "mapping"
    description = (
        "any JSON lines, CSV or Parquet: --map text=COLUMN, messages=, response=, user=, time=, id=, model="
    )
    plain: Plain = "csv"
    mappable = frozenset(MAPPABLE)

    def columns(self, fields: Fields) -> frozenset[str] | None:
        """Exactly the columns that the mapping or the usual names lead to."""
        return fields.columns

    def matches(self, record: dict[str, Any]) -> bool:
        """Never by itself: what a column means is for the person to say."""
        return False

    def parse(self, byte_offset: int, line: int, record: dict[str, Any], fields: Fields) -> Parsed:
        """The conversation of one record."""
        text, messages = fields.get(record, "text"), fields.get(record, "messages")
        if messages is not None and "text" not in fields.mapping:
            roles, contents = read_messages(parse_embedded(messages))
        else:
            said = (
                ("user", require_text(text)),
                ("assistant", optional_text(fields.get(record, "response"))),
            )
            roles = [role for role, content in said if content]
            contents = [content for _, content in said if content]
        require_user(roles)
        return Parsed(byte_offset, line, roles, contents, **fields.envelope(record))


def parse_embedded(messages: object) -> object:
    """Messages, parsed where they come as JSON text inside a cell. Raises UnreadableError."""
    return parse_json(messages.encode("utf-8", "surrogatepass")) if isinstance(messages, str) else messages


def require_text(value: object) -> str:
    """The text of a field that has to be there; "" where it is blank. Raises UnreadableError."""
    if value is None:
        raise UnreadableError("missing_field")
    return optional_text(value)


def optional_text(value: object) -> str:
    """The text of a field, "" where it is absent or blank. Raises UnreadableError on another type."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnreadableError("wrong_type")
    return value if value.strip() else ""
