"""Parsed conversations gathered into frames, by way of flat lists: no object per message."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import orjson
import polars as pl
import pyarrow as pa

from assets.conversations.duplicates import Repetitions
from assets.conversations.loaders.base import Parsed
from assets.conversations.loaders.messages import require_user
from assets.conversations.reading import Fault, UnreadableError
from assets.conversations.shortening import shorten
from assets.conversations.timestamps import parse_times
from schemas.conversations import MESSAGES

DIGEST_CHARACTERS = 32
CACHED_USERS = 100_000
# A frame is also full at this many characters, so that its size in memory does not depend on how long people
# talk.
CHUNK_CHARACTERS = 32_000_000
ESCAPED_NUL = b"\\u0000"

QUARANTINE_COLUMNS = {"file": pl.String, "byte_offset": pl.Int64, "line": pl.Int64, "reason": pl.String}


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of rows: rows_in = rows_ok + rows_skipped + rows_quarantined, rows_ok = conversations + rows_folded."""

    rows_in: int = 0
    rows_ok: int = 0
    rows_skipped: int = 0
    """Rows that by their format hold no conversation, and share none with a row that does (formats of traces)."""
    rows_quarantined: int = 0
    conversations: int = 0
    rows_folded: int = 0
    """Rows that share a conversation with an earlier row (formats with one message or one call per row)."""
    truncated: int = 0
    nul_removed: int = 0
    """Conversations out of whose text NUL characters were taken."""
    times_unparsable: int = 0
    times_absurd: int = 0
    """Times before 1990 or from 2100 on."""

    def __add__(self, other: Counts) -> Counts:
        """Sum, field by field."""
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True)
class IngestChunk:
    """Some of a file's conversations and faults, in the schemas `Conversation` and `Quarantine`.

    `owners` holds the user key of each conversation's user, whatever the privacy unit; null where the file names none.
    """

    conversations: pl.DataFrame
    owners: pl.Series
    quarantine: pl.DataFrame
    counts: Counts


@dataclass
class _Columns:
    """Values gathered since the last chunk; the messages of all conversations are two flat lists."""

    ids: list[str | None] = field(default_factory=list)
    users: list[str | None] = field(default_factory=list)
    started: list[object] = field(default_factory=list)
    updated: list[object] = field(default_factory=list)
    models: list[str | None] = field(default_factory=list)
    metadata: list[str | None] = field(default_factory=list)
    flagged: list[bool | None] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    truncated: list[bool] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    characters: int = 0
    rows_ok: int = 0
    rows_skipped: int = 0
    nul_removed: int = 0


class ChunkBuilder:
    """Takes conversations and faults one by one and gives them back as chunks."""

    def __init__(
        self,
        file: str,
        source: str,
        *,
        by_user: bool,
        pseudonymise: Callable[[str], str],
        chunk_rows: int,
        max_characters: int,
    ) -> None:
        """`by_user` is False where every conversation counts as its own user; `file` names the source in faults."""
        self.file = file
        self.source = source
        self.by_user = by_user
        self.pseudonymise = pseudonymise
        self.user_key = lru_cache(CACHED_USERS)(pseudonymise)
        self.chunk_rows = chunk_rows
        self.max_characters = max_characters
        self.repetitions = Repetitions()
        self.columns = _Columns()

    @property
    def is_full(self) -> bool:
        """Whether it is time to take a chunk."""
        columns = self.columns
        rows = len(columns.ids) + len(columns.faults)
        return rows >= self.chunk_rows or columns.characters >= CHUNK_CHARACTERS

    def add_fault(self, fault: Fault) -> None:
        """Take a row that could not be read."""
        self.columns.faults.append((self.file, fault))

    def add_skipped(self, rows: int) -> None:
        """Take rows that hold no conversation."""
        self.columns.rows_skipped += rows

    def add(self, parsed: Parsed) -> None:
        """Take a conversation."""
        columns = self.columns
        try:
            roles, contents, digest = self._clean(parsed.roles, parsed.contents)
        except UnreadableError as error:
            fault = Fault(parsed.byte_offset, parsed.line, error.reason)
            columns.faults += [(self.file, fault)] * parsed.rows
            return
        characters = sum(map(len, contents))
        too_long = characters > self.max_characters
        if too_long:
            roles, contents = shorten(roles, contents, self.max_characters)
            characters = sum(map(len, contents))
        columns.ids.append(self._id_of(parsed))
        columns.users.append(_without_nul(parsed.user))
        columns.started.append(parsed.started)
        columns.updated.append(parsed.updated)
        columns.models.append(_without_nul(parsed.model))
        columns.metadata.append(parsed.metadata)
        columns.flagged.append(parsed.flagged)
        columns.hashes.append(digest)
        columns.truncated.append(too_long)
        columns.lengths.append(len(roles))
        columns.roles += roles
        columns.contents += contents
        columns.characters += characters + len(parsed.metadata or "")
        columns.rows_ok += parsed.rows

    def _id_of(self, parsed: Parsed) -> str | None:
        """The file's own id, made one user's where several share it: by a pseudonym, since the id is kept."""
        identity = _without_nul(parsed.conversation_id)
        if identity is None or not parsed.shared:
            return identity
        own = self.pseudonymise(":".join(("session", identity, parsed.user or "")))
        return f"{identity}:{own}"

    def _clean(self, roles: list[str], contents: list[str]) -> tuple[list[str], list[str], str]:
        """Roles and contents without NUL characters, and the hash of them. Raises UnreadableError."""
        try:
            payload = orjson.dumps((roles, contents))
        except orjson.JSONEncodeError:
            raise UnreadableError("lone_surrogate") from None
        # A NUL ends a string for many readers and can hide an identifier from a pattern: none gets further.
        if ESCAPED_NUL in payload and any("\x00" in content for content in contents):
            self.columns.nul_removed += 1
            spoken = [(role, text.replace("\x00", "")) for role, text in zip(roles, contents, strict=True)]
            roles = [role for role, text in spoken if text.strip()]
            contents = [text for _, text in spoken if text.strip()]
            require_user(roles)
            payload = orjson.dumps((roles, contents))
        return roles, contents, _digest(payload)

    def take(self) -> IngestChunk:
        """Everything taken since the last chunk, as frames."""
        columns, self.columns = self.columns, _Columns()
        started, updated = parse_times(columns.started), parse_times(columns.updated)
        ids = self._complete_ids(columns, started.column)
        owners = self._owners(columns)
        conversations = pl.DataFrame(
            {
                "conversation_id": pl.Series(ids, dtype=pl.String),
                "user_key": owners if self.by_user else self._keys_of(ids),
                "started_at": started.column,
                "updated_at": updated.column,
                "model": pl.Series(columns.models, dtype=pl.String),
                "source": pl.Series([self.source] * len(ids), dtype=pl.String),
                "messages": _messages(columns),
                "content_hash": pl.Series(columns.hashes, dtype=pl.String),
                "truncated": pl.Series(columns.truncated, dtype=pl.Boolean),
                "metadata": pl.Series(columns.metadata, dtype=pl.String),
                "flagged": pl.Series(columns.flagged, dtype=pl.Boolean),
            },
        )
        counts = Counts(
            rows_in=columns.rows_ok + columns.rows_skipped + len(columns.faults),
            rows_ok=columns.rows_ok,
            rows_skipped=columns.rows_skipped,
            rows_quarantined=len(columns.faults),
            conversations=len(ids),
            rows_folded=columns.rows_ok - len(ids),
            truncated=sum(columns.truncated),
            nul_removed=columns.nul_removed,
            times_unparsable=started.unparsable + updated.unparsable,
            times_absurd=started.absurd + updated.absurd,
        )
        return IngestChunk(conversations, owners, _quarantine(columns.faults), counts)

    def _owners(self, columns: _Columns) -> pl.Series:
        keys = [None if user is None else self.user_key(user) for user in columns.users]
        return pl.Series(keys, dtype=pl.String)

    def _keys_of(self, ids: list[str]) -> pl.Series:
        return pl.Series([self.pseudonymise(f"conversation:{identity}") for identity in ids], dtype=pl.String)

    def _complete_ids(self, columns: _Columns, started: pl.Series) -> list[str]:
        """Ids; where the file gives none, derived from user, time, content and which repetition it is.

        So a longer export of the same log gives its old rows their old ids, and equal rows stay apart.
        """
        absent = [index for index, identity in enumerate(columns.ids) if identity is None]
        if absent:
            times = started.dt.timestamp("us").to_list()
            keys = [
                hashlib.sha256(orjson.dumps((columns.users[row], times[row], columns.hashes[row]))).digest()
                for row in absent
            ]
            digests = np.frombuffer(b"".join(key[:8] for key in keys), dtype=np.uint64)
            for row, key, before in zip(absent, keys, self.repetitions.count(digests).tolist(), strict=True):
                columns.ids[row] = _digest(key + before.to_bytes(8, "big"))
        return [identity for identity in columns.ids if identity is not None]


def _messages(columns: _Columns) -> pl.Series:
    offsets = np.zeros(len(columns.lengths) + 1, dtype=np.int64)
    np.cumsum(columns.lengths, out=offsets[1:])
    messages = pa.StructArray.from_arrays(
        [pa.array(columns.roles, pa.large_string()), pa.array(columns.contents, pa.large_string())],
        ["role", "content"],
    )
    column = pl.from_arrow(pa.LargeListArray.from_arrays(pa.array(offsets), messages))
    return pl.Series("messages", column, dtype=MESSAGES)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:DIGEST_CHARACTERS]


def _without_nul(text: str | None) -> str | None:
    if text is None or "\x00" not in text:
        return text
    return text.replace("\x00", "").strip() or None


def _quarantine(faults: list[tuple[str, Fault]]) -> pl.DataFrame:
    rows = [(file, *fault) for file, fault in faults]
    return pl.DataFrame(rows, schema=QUARANTINE_COLUMNS, orient="row")
