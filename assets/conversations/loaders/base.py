"""What every loader shares: the shape it produces, the protocol, and the fields around a conversation."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import orjson

from assets.conversations.reading import Fault, Row, UnreadableError
from dagster_project.errors import ObservatoryError

MAPPABLE = ("id", "user", "time", "updated", "model", "messages", "text", "response", "metadata", "flag")
AROUND = frozenset({"id", "user", "time", "updated", "model", "metadata", "flag"})
"""The fields around a conversation, which any format can take from a mapped column."""
USUAL_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "conversation_id"),
    "user": ("user", "user_id"),
    "time": ("started_at", "created_at", "created", "timestamp"),
    "updated": ("updated_at", "updated"),
    "model": ("model",),
    "metadata": ("metadata",),
    "flag": ("flagged",),
}

Plain = Literal["csv", "lines"] | None


class Parsed(NamedTuple):
    """One conversation as its file has it: ids and times raw, messages as two lists of equal length.

    `rows` is the number of rows of the file that it was made from; the place is that of the first.
    """

    byte_offset: int
    line: int
    roles: list[str]
    contents: list[str]
    conversation_id: str | None = None
    user: str | None = None
    started: Any = None
    updated: Any = None
    model: str | None = None
    metadata: str | None = None
    rows: int = 1
    flagged: bool | None = None
    shared: bool = False
    """Whether the id is of a session that others share, so that only the user makes it one conversation's."""


class Skipped(NamedTuple):
    """Rows that by their format hold no conversation, such as the database calls of an application's trace."""

    rows: int


Outcome = Parsed | Fault | Skipped
SAMPLED_ROWS = 50


class Fields:
    """Where the fields around a conversation are: usual names, or the column that `--map FIELD=COLUMN` gives.

    A mapped name may lead into nested objects with dots (`user=account.id`). `account` is the raw id of the one
    person whose export the file is, where an archive says so.
    """

    def __init__(self, mapping: Mapping[str, str] | None = None, account: str | None = None) -> None:
        """Take the mapping. Raises ObservatoryError where it maps a field that does not exist."""
        self.mapping = dict(mapping or {})
        self.account = account
        unknown = sorted(set(self.mapping) - set(MAPPABLE))
        if unknown:
            raise ObservatoryError(
                f"--map knows no field {', '.join(unknown)}; it knows {', '.join(MAPPABLE)}"
            )
        self._names = {field: self._candidates(field) for field in MAPPABLE}

    def _candidates(self, field: str) -> tuple[str, ...]:
        return (self.mapping[field],) if field in self.mapping else USUAL_NAMES.get(field, (field,))

    @property
    def columns(self) -> frozenset[str]:
        """Top-level columns that any field may come from."""
        names = {name for names in self._names.values() for name in names}
        return frozenset(names | {name.split(".")[0] for name in names})

    def get(self, record: Mapping[str, Any], field: str) -> Any:
        """Value of a field, or None."""
        for name in self._names[field]:
            value = record.get(name)
            if value is None and "." in name:
                value = _descend(record, name)
            if value is not None:
                return value
        return None

    def unless_mapped(self, record: Mapping[str, Any], field: str, usual: Any) -> Any:
        """What a format itself says of a field, unless the mapping names a column for it."""
        return self.get(record, field) if field in self.mapping else usual

    def text(self, record: Mapping[str, Any], field: str) -> str | None:
        """A field that names something: a string or an integer. Raises UnreadableError on another type."""
        return as_name(self.get(record, field))

    def envelope(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Everything around the messages, as keyword arguments of `Parsed`."""
        return {
            "conversation_id": self.text(record, "id"),
            "user": self.text(record, "user"),
            "started": self.get(record, "time"),
            "updated": self.get(record, "updated"),
            "model": self.text(record, "model"),
            "metadata": as_metadata(self.get(record, "metadata")),
            "flagged": as_flag(self.get(record, "flag")),
        }


def _descend(record: Mapping[str, Any], path: str) -> Any:
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def as_name(value: object) -> str | None:
    """Name or id as text, None where it is empty. Raises UnreadableError on another type."""
    if value is None:
        return None
    if isinstance(value, float):
        # In tables written through pandas, a column with gaps holds whole numbers as floats and NaN for none.
        if math.isnan(value):
            return None
        value = int(value) if value.is_integer() else value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise UnreadableError("wrong_type")
    return value.strip() or None


WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def as_flag(value: object) -> bool | None:
    """What a classifier said: a boolean, 0 or 1, or a word for one; None where there is no such answer."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, int | float | str):
        return None
    return WORDS.get(str(value).strip().lower().removesuffix(".0"))


def either_flag(one: bool | None, other: bool | None) -> bool | None:
    """Whether either says yes; None where neither says anything."""
    return other if one is None else one or bool(other)


def any_flagged(judgements: object) -> bool | None:
    """Whether any of a conversation's moderation results says `flagged`; None where none says anything."""
    results = judgements if isinstance(judgements, list) else []
    found = [result.get("flagged") for result in results if isinstance(result, dict)]
    said = [flag for flag in found if isinstance(flag, bool)]
    return any(said) if said else None


def as_metadata(value: object) -> str | None:
    """Metadata as text of a JSON object (what is none is put into one), None where it cannot be written."""
    if value is None:
        return None
    try:
        if isinstance(value, str):
            value = _object_in(value)
        return orjson.dumps(value if isinstance(value, dict) else {"value": value}, default=str).decode()
    except (orjson.JSONEncodeError, RecursionError):
        return None


def _object_in(text: str) -> object:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return value if isinstance(value, dict) else text


class Loader(Protocol):
    """A format: which records are its own, and how its rows become conversations."""

    name: str
    description: str
    plain: Plain
    """How to read text that is not JSON; None where the format has no such form."""
    sampled_rows: int
    """How many rows a look at a file takes: formats that join rows need more of them."""
    mappable: frozenset[str]
    """Fields that a mapped column can give; a mapping of any other is refused."""

    def columns(self, fields: Fields) -> frozenset[str] | None:
        """Top-level columns that are read, so that Parquet decodes no others; None means all."""
        ...

    def matches(self, record: dict[str, Any]) -> bool:
        """Whether a record looks like this format."""
        ...

    def records(self, rows: Iterable[Row | Fault]) -> Iterator[dict[str, Any]]:
        """What mapped columns are looked up in, of every row that can be read."""
        ...

    def read(self, rows: Iterable[Row | Fault], fields: Fields) -> Iterator[Outcome]:
        """Conversations of a stream of rows; each row is in one of them, in one fault, or skipped and counted."""
        ...


class RecordLoader(ABC):
    """A format with one conversation per row: a subclass says how one record is parsed."""

    name: ClassVar[str]
    description: ClassVar[str]
    plain: Plain = None
    sampled_rows: int = SAMPLED_ROWS
    mappable: frozenset[str] = AROUND
    content_columns: ClassVar[frozenset[str] | None] = None

    def columns(self, fields: Fields) -> frozenset[str] | None:
        """The format's own columns and those of the fields around a conversation."""
        return None if self.content_columns is None else self.content_columns | fields.columns

    @abstractmethod
    def matches(self, record: dict[str, Any]) -> bool:
        """Whether a record looks like this format."""

    @abstractmethod
    def parse(self, byte_offset: int, line: int, record: dict[str, Any], fields: Fields) -> Parsed:
        """The conversation of one record. Raises UnreadableError with the reason."""

    def records(self, rows: Iterable[Row | Fault]) -> Iterator[dict[str, Any]]:
        """The rows themselves."""
        return readable_objects(rows)

    def read(self, rows: Iterable[Row | Fault], fields: Fields) -> Iterator[Outcome]:
        """One conversation or one fault per row."""
        for row in rows:
            if isinstance(row, Fault):
                yield row
                continue
            offset, line, record = row
            try:
                yield self.parse(offset, line, as_record(record), fields)
            except UnreadableError as error:
                yield Fault(offset, line, error.reason)
            except RecursionError:
                yield Fault(offset, line, "wrong_type")


def as_record(value: object) -> dict[str, Any]:
    """The value as an object. Raises UnreadableError."""
    if not isinstance(value, dict):
        raise UnreadableError("wrong_type")
    return value


def readable_objects(rows: Iterable[Row | Fault]) -> Iterator[dict[str, Any]]:
    """The objects among rows."""
    return (row.value for row in rows if isinstance(row, Row) and isinstance(row.value, dict))
