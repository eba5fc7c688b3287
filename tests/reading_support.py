"""Writing small files of rows and reading them through ingestion, with the invariants that hold for every file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from assets.conversations.chunks import Counts
from assets.conversations.ingest import ingest_file
from schemas.conversations import Conversation, Quarantine


def key(raw_id: str) -> str:
    """A stand-in for the keyed pseudonym."""
    return hashlib.sha256(raw_id.encode("utf-8", "replace")).hexdigest()[:32]


def write_rows(path: Path, *records: Any) -> Path:
    """JSON lines."""
    return save(path, lines(*records))


def lines(*records: Any) -> bytes:
    """JSON lines of records; bytes stand for themselves."""
    return b"".join(
        (record if isinstance(record, bytes) else orjson.dumps(record)) + b"\n" for record in records
    )


def save(path: Path, data: bytes) -> Path:
    """The bytes as a file."""
    path.write_bytes(data)
    return path


def said(*contents: Any) -> list[dict[str, Any]]:
    """Messages by turns, the user first."""
    return [
        {"role": "user" if index % 2 == 0 else "assistant", "content": c} for index, c in enumerate(contents)
    ]


def ingest(
    path: Path, format_name: str, *, validate: bool = True, **options: Any
) -> tuple[pl.DataFrame, pl.DataFrame, Counts]:
    """Conversations, quarantine and counts of a file, checked against each other and, if asked, the schemas."""
    options = {"format_name": format_name, "pseudonymise": key} | options
    chunks = list(ingest_file(path, **options))
    conversations = pl.concat([chunk.conversations for chunk in chunks])
    quarantine = pl.concat([chunk.quarantine for chunk in chunks])
    counts = sum((chunk.counts for chunk in chunks), Counts())
    if validate:
        # Ids may repeat until duplicates are resolved, so uniqueness is not asked for here.
        Conversation.validate(conversations.unique("conversation_id", maintain_order=True), lazy=True)
        Quarantine.validate(quarantine, lazy=True)
    assert counts.rows_in == counts.rows_ok + counts.rows_skipped + counts.rows_quarantined
    assert counts.rows_ok == counts.conversations + counts.rows_folded
    assert (counts.conversations, counts.rows_quarantined) == (conversations.height, quarantine.height)
    return conversations, quarantine, counts


def spoken(conversations: pl.DataFrame) -> list[list[tuple[str, str]]]:
    """Role and content of every message."""
    return [
        [(message["role"], message["content"]) for message in row]
        for row in conversations["messages"].to_list()
    ]
