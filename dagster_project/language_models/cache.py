"""Answers that were paid for, kept: content-addressed, checked, and erased with the people whose words led to them.

A SQLite file in write-ahead mode: several processes read and add at once, and what was added survives a `kill -9`.
Rows are added and erased, never changed. A row whose checksum does not hold is no answer, and is asked for again.
Source: specs/privacy_reliability.md 2, rows `kill -9`, `cache` and `cache vs erasure`.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from dagster_project.errors import ObservatoryError
from dagster_project.files import make_private

# Raised when what a stored answer means changes.
FORMAT = "1"
BUSY_SECONDS = 60.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer BLOB NOT NULL, checksum BLOB NOT NULL, at REAL NOT NULL)
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources (source TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (source, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_time ON answers (at);
"""


def call_key(identity: str, kind: str, question: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a model's identity, what is asked for (`generate`, `options`) and the whole question."""
    facts = {"format": FORMAT, "model": identity, "kind": kind, "question": question}
    return hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()


class CallCache:
    """The cache in a file, made with the first call. Threads and processes may share one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._of_thread = threading.local()

    def find(self, keys: Collection[str]) -> dict[str, Any]:
        """The answers to those of the keys that were asked before."""
        query = "SELECT key, answer, checksum FROM answers WHERE key IN (SELECT value FROM json_each(?))"
        with self._open() as database:
            rows = database.execute(query, (_list(keys),)).fetchall()
        return {
            key: orjson.loads(answer) for key, answer, checksum in rows if checksum == _checksum(key, answer)
        }

    def keep(self, answers: Iterable[tuple[str, Any, Collection[str]]]) -> None:
        """Add answers: key, answer (JSON) and its sources. Where two asked at once, the first answer stays."""
        with self._open() as database, database:
            for key, answer, sources in answers:
                content = orjson.dumps(answer, option=orjson.OPT_SORT_KEYS)
                held = database.execute(
                    "SELECT answer, checksum FROM answers WHERE key = ?", (key,)
                ).fetchone()
                if held is not None and held[1] != _checksum(key, held[0]):
                    database.execute("DELETE FROM answers WHERE key = ?", (key,))
                row = (key, content, _checksum(key, content), time.time())
                database.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", row)
                links = [(source, key) for source in sources]
                database.executemany("INSERT OR IGNORE INTO sources VALUES (?, ?)", links)

    def link(self, answers: Iterable[tuple[str, Collection[str]]]) -> None:
        """Note further sources (keys with theirs) of answers that are held: they asked the same in the same words."""
        with self._open() as database, database:
            links = [(source, key) for key, sources in answers for source in sources]
            database.executemany("INSERT OR IGNORE INTO sources VALUES (?, ?)", links)

    def sources(self) -> list[str]:
        """Every source of any answer."""
        with self._open() as database:
            return [source for (source,) in database.execute("SELECT DISTINCT source FROM sources")]

    def answers(self) -> int:
        """How many answers are held."""
        with self._open() as database:
            return database.execute("SELECT count(*) FROM answers").fetchone()[0]

    def forget(self, sources: Collection[str]) -> int:
        """Erase every answer that any of the sources had a part in; no freed page keeps it. Returns how many there were.

        Answers without a source go as well: they were made of what the answers about people had become, such as names of
        clusters. Can be done twice: also without a source it clears what an erasure that was cut off has left in the file.
        Raises ObservatoryError while another process uses the cache.
        """
        if not self.path.exists():
            return 0
        chosen = (
            "SELECT key FROM sources WHERE source IN (SELECT value FROM json_each(?))"
            " UNION SELECT key FROM answers WHERE key NOT IN (SELECT key FROM sources)"
        )
        return self._erase(chosen, _list(sources))

    def expire(self, seconds: float) -> int:
        """Erase answers older than this. Returns how many there were."""
        if not self.path.exists():
            return 0
        oldest = time.time() - seconds
        with self._open() as database:
            if database.execute("SELECT 1 FROM answers WHERE at < ? LIMIT 1", (oldest,)).fetchone() is None:
                return 0
        return self._erase("SELECT key FROM answers WHERE at < ?", oldest)

    def _erase(self, chosen: str, value: object) -> int:
        with self._open() as database:
            with database:
                database.execute("CREATE TEMP TABLE IF NOT EXISTS gone (key TEXT PRIMARY KEY)")
                database.execute("DELETE FROM gone")
                database.execute(f"INSERT OR IGNORE INTO gone {chosen}", (value,))
                gone = "(SELECT key FROM gone)"
                count = database.execute(f"DELETE FROM answers WHERE key IN {gone}").rowcount  # noqa: S608
                database.execute(f"DELETE FROM sources WHERE key IN {gone}")  # noqa: S608
            try:
                database.execute("VACUUM")
                busy = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.OperationalError:
                busy = True
        if busy:
            raise ObservatoryError(
                f"{self.path.name} is in use; end the other run, then run the same command again"
            )
        return count

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            if not hasattr(self._of_thread, "database"):
                self._of_thread.database = self._connect()
            yield self._of_thread.database
        except sqlite3.OperationalError as error:
            raise ObservatoryError(
                f"{self.path.name} cannot be used now ({type(error).__name__}: in use, or the disk is full); end other "
                "runs or make room, then run the same command again"
            ) from None
        except sqlite3.DatabaseError as error:
            raise ObservatoryError(
                f"{self.path.name} cannot be used ({type(error).__name__}); where it is damaged, delete it: what it held "
                "will be asked and paid for again"
            ) from None

    def _connect(self) -> sqlite3.Connection:
        make_private(self.path.parent)
        # SQLite gives the files beside it the mode of this one.
        self.path.touch(mode=0o600)
        database = sqlite3.connect(self.path, timeout=BUSY_SECONDS)
        _write_ahead(database)
        # A commit is in the file before it returns; at a power cut the last ones may be lost, and are asked again.
        database.execute("PRAGMA synchronous=NORMAL")
        database.execute("PRAGMA secure_delete=ON")
        # What VACUUM copies would otherwise lie for a while in a file outside the home.
        database.execute("PRAGMA temp_store=MEMORY")
        database.executescript(SCHEMA)
        return database


def _write_ahead(database: sqlite3.Connection) -> None:
    """Set the mode; SQLite does not wait for others here, so whoever comes while another sets it tries again."""
    last = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            database.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > last:
                raise
            time.sleep(0.02)
        else:
            return


def _checksum(key: str, content: bytes) -> bytes:
    return hashlib.sha256(key.encode() + content).digest()


def _list(values: Collection[str]) -> str:
    return orjson.dumps(list(values)).decode()
