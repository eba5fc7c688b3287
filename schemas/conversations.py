"""Tables of the conversations room: what was read, what could not be, and the text after redaction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, get_args

import pandera.polars as pa
import polars as pl

Role = Literal["system", "user", "assistant", "tool"]
MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
KEY = r"^[0-9a-f]{32}$"

Reason = Literal[
    "bad_encoding",
    "bad_json",
    "bad_csv",
    "bad_parquet",
    "bad_compression",
    "broken_array",
    "broken_thread",
    "lone_surrogate",
    "line_too_long",
    "missing_field",
    "no_messages",
    "no_user_message",
    "orphan_message",
    "truncated_file",
    "unknown_role",
    "wrong_type",
]
REASONS: dict[Reason, str] = {
    "bad_encoding": "the row is not valid UTF-8",
    "bad_json": "the row is not one complete JSON value",
    "bad_csv": "the row does not have the header's number of cells, or its quotes do not close",
    "bad_parquet": "the row belongs to a row group that cannot be decoded",
    "bad_compression": "the compressed stream is damaged here; nothing after this place could be read",
    "broken_array": "the JSON array's structure is lost here; nothing after this place could be read",
    "broken_thread": "the messages' parents run in a circle or lead to a message that is not there",
    "lone_surrogate": "a string holds half of a UTF-16 surrogate pair, which no text encoding can store",
    "line_too_long": "the row is longer than the limit of one row in memory",
    "missing_field": "the row lacks the field that its format keeps the conversation in",
    "no_messages": "no message of the conversation has any text",
    "no_user_message": "no message of the conversation is from a user",
    "orphan_message": "the message answers none that is there, or its tree's first message is deleted",
    "truncated_file": "the file ends in the middle of this row",
    "unknown_role": "a message has a role that means none of system, user, assistant and tool",
    "wrong_type": "a field holds another type than its format says",
}


def _known_roles(data: pa.PolarsData) -> pl.LazyFrame:
    roles = pl.col(data.key).list.explode().struct.field("role")
    return data.lazyframe.select(roles.is_in(list(get_args(Role))))


class Conversation(pa.DataFrameModel):
    """Conversations as they were read from one file: one row each, whatever the format of the file.

    Restricted. Ids are unique within a batch; across batches `current_conversations` says which version
    counts.
    """

    conversation_id: str = pa.Field(
        str_length={"min_value": 1},
        description="Id given by the file, else derived from user, time, content and which repetition it is.",
    )
    user_key: str = pa.Field(
        nullable=True,
        str_matches=KEY,
        description="Keyed pseudonym of the user; null where the file names none.",
    )
    started_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(
        nullable=True, ge=EARLIEST, lt=LATEST, description="When the conversation began; null where unknown."
    )
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(
        nullable=True, ge=EARLIEST, lt=LATEST, description="When it last changed; null where unknown."
    )
    model: str = pa.Field(nullable=True, description="Name of the model that answered; null where unknown.")
    source: str = pa.Field(str_length={"min_value": 1}, description="Name of the loader that read the row.")
    messages: pl.List = pa.Field(
        dtype_kwargs={"inner": MESSAGES.inner},
        description="Messages in order: role (system, user, assistant, tool) and content.",
    )
    content_hash: str = pa.Field(
        str_matches=KEY,
        description="Hash of all roles and contents, before any shortening; same text, same hash.",
    )
    truncated: bool = pa.Field(
        description="Whether the conversation was too long and kept its head and tail only."
    )
    metadata: str = pa.Field(
        nullable=True,
        description="JSON object of further facts that the file gives; the pipeline never reads it.",
    )
    flagged: bool = pa.Field(
        nullable=True, description="What a classifier of the file said of it; null where it said nothing."
    )

    @pa.check("messages", name="known_roles")
    @classmethod
    def known_roles(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Every message has one of the four roles."""
        return _known_roles(data)

    @pa.check("messages", name="not_empty")
    @classmethod
    def not_empty(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Every conversation has a message."""
        return data.lazyframe.select(pl.col(data.key).list.len() > 0)

    class Config:
        """Exactly these columns."""

        strict = True
        unique = ["conversation_id"]  # noqa: RUF012 pandera reads a plain list


class Quarantine(pa.DataFrameModel):
    """Rows that could not be read: where they are and why, never what they hold."""

    file: str = pa.Field(
        str_matches=r"^[^/]+$",
        description="Base name of the file; in an archive, followed by a colon and that of the file inside.",
    )
    byte_offset: int = pa.Field(
        ge=-1,
        description="Where the row starts, in the decompressed file; -1 where a format has no such place.",
    )
    line: int = pa.Field(
        ge=0, description="Line, counted from 1; in JSON arrays and Parquet, which row it is."
    )
    reason: str = pa.Field(isin=get_args(Reason), description="Reason code; see docs/data_formats.md.")

    class Config:
        """Exactly these columns."""

        strict = True


class RedactedConversation(pa.DataFrameModel):
    """Conversations with direct identifiers replaced by placeholders: the text that later steps read."""

    conversation_id: str = pa.Field(str_length={"min_value": 1}, description="Id of the conversation.")
    messages: pl.List = pa.Field(
        dtype_kwargs={"inner": MESSAGES.inner}, description="Messages in order, redacted: role and content."
    )
    redactions: pl.UInt32 = pa.Field(description="Number of identifiers replaced in the conversation.")

    @pa.check("messages", name="known_roles")
    @classmethod
    def known_roles(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Every message has one of the four roles."""
        return _known_roles(data)

    class Config:
        """Exactly these columns."""

        strict = True
        unique = ["conversation_id"]  # noqa: RUF012 pandera reads a plain list


class CurrentConversation(pa.DataFrameModel):
    """Which batch holds the version of each conversation that counts: the latest one, once."""

    conversation_id: str = pa.Field(str_length={"min_value": 1}, description="Id of the conversation.")
    batch: str = pa.Field(str_length={"min_value": 1}, description="Batch whose version counts.")

    class Config:
        """Exactly these columns."""

        strict = True
        unique = ["conversation_id"]  # noqa: RUF012 pandera reads a plain list
