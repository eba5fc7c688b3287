"""The leak scanner: every sink, every disguise, no false alarm, nothing of the text in what it reports."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import re
import sqlite3
import unicodedata
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.home import Home
from dagster_project.leak_gate import find_leaks
from dagster_project.privacy import canary_index, sinks
from dagster_project.privacy.leaks import (
    Leak,
    NamedText,
    leak_report,
    normalise,
    published_strings,
    scan_canaries,
    scan_identifiers,
    scan_verbatim,
)

EMAIL = "zqv7-k3x9m2p8w4ra@canary.invalid"
PHONE = "+1 202 555 0187"
CARD = "4000 0012 3456 7899"
NAME = "Velquis Tarmora Zanfena"
HAN = "韦尔莫尔奎塔尔赞布雷利奥"
SHORT = "240.1.2.3"
CANARIES = [
    EMAIL,
    PHONE,
    CARD,
    NAME,
    HAN,
    SHORT,
    "DE89370400440532013000",
    "ghp_zqv7AbC9dEfGh1JkLmN0pQrStUvW2xYz3",
]
CLEAN = [
    "Cooking and meal planning", "Python help", "2024-05-03T12:30:45.123456+00:00", "1714739445.2918",
    "b7e23ec29af22b0b4e41da31e868d57226121c84", "123e4567-e89b-12d3-a456-426614174000", "share 0.0123456789",
    "花园规划与植物养护的建议以及许多其他常见问题的回答", "canary islands travel", "street 12", "1,234,567", "version 1.13.27",
    "paraphrase-multilingual-MiniLM-L12-v2", "all_conversations_by_week",
]  # fmt: skip


def wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": lambda s: s,
    "upper": str.upper,
    "spaced": " ".join,
    "full width": wide,
    "zero width": "\u200b".join,
    "punctuated": "-".join,
    "reversed": lambda s: s[::-1],
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 of a text around it": lambda s: base64.b64encode(f"my id is {s}, thanks".encode()).decode(),
    "base64 shifted": lambda s: base64.urlsafe_b64encode(f"x{s}".encode()).decode(),
    "hex": lambda s: s.encode().hex(),
    "hex upper spaced": lambda s: s.encode().hex(" ").upper(),
    "url": lambda s: quote(s, safe=""),
    "url of every byte": lambda s: "".join(f"%{b:02X}" for b in s.encode()),
    "json escape": json.dumps,
    "character references": lambda s: s.encode("ascii", "xmlcharrefreplace").decode(),
}


@pytest.mark.parametrize("canary", [EMAIL, CARD, NAME, HAN, CANARIES[6], CANARIES[7]])
@pytest.mark.parametrize("disguise", DISGUISES)
def test_every_disguise_is_found(canary: str, disguise: str) -> None:
    text = f"cluster about {DISGUISES[disguise](canary)} and more"
    found = scan_canaries([NamedText("names", text)], CANARIES)
    assert {leak.index for leak in found} == {CANARIES.index(canary)}
    assert all(leak.sink == "names" and leak.kind.startswith("canary") for leak in found)


@pytest.mark.parametrize(
    "spelling", ["+1 202 555 0187", "(202) 555-0187", "202.555.0187", "12025550187", "２０２５５５０１８７"]
)
def test_a_telephone_is_found_by_its_digits(spelling: str) -> None:
    assert scan_canaries([NamedText("x", f"at 12:30 call {spelling}, 42 times")], CANARIES) == [
        Leak("x", "canary_digits", 1)
    ]


def test_digits_inside_longer_numbers_are_no_telephone() -> None:
    assert scan_canaries([NamedText("x", "1714920255501877.25 99202555018711")], CANARIES) == []


def test_a_short_canary_needs_its_own_place() -> None:
    assert [leak.index for leak in scan_canaries([NamedText("x", "host 240.1.2.3 down")], CANARIES)] == [5]
    assert scan_canaries([NamedText("x", "host 3240.1.2.34 down")], CANARIES) == []


@pytest.mark.parametrize("part", ["k3x9m2p8", "9m2p8w4r", "tarmorazan", "莫尔奎塔尔赞布雷", "zqv7AbC9"])
def test_a_telling_part_of_eight_is_found(part: str) -> None:
    assert [leak.kind for leak in scan_canaries([NamedText("x", f"a {part} b")], CANARIES)] == [
        "canary_partial"
    ]


@pytest.mark.parametrize("part", ["k3x9m2p", "canary.i", "00123456"])
def test_shorter_or_telltale_free_parts_are_not(part: str) -> None:
    assert scan_canaries([NamedText("x", f"a {part} b")], CANARIES) == []


def test_parts_that_many_canaries_share_are_no_finding() -> None:
    many = [f"zqv7-{i:04d}xyz{i * 7919 % 10007:05d}q@canary.invalid" for i in range(50)]
    assert scan_canaries([NamedText("x", "mail at canary.invalid")], many) == []
    assert len(scan_canaries([NamedText("x", many[7].split("@")[0])], many)) == 1


def write_parquet(path: Path, texts: list[str]) -> None:
    frame = pl.DataFrame({"name": texts * 3}).with_columns(
        pl.struct(pl.lit("k").alias("key"), pl.concat_list("name").alias("values")).alias("nested")
    )
    frame.select("nested").write_parquet(path, compression="zstd", statistics=False)


def write_dictionary(path: Path, texts: list[str]) -> None:
    pl.DataFrame({"name": pl.Series(texts * 400, dtype=pl.Categorical)}).write_parquet(
        path, compression="zstd"
    )


def write_sqlite(path: Path, texts: list[str]) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE event_logs (id INTEGER PRIMARY KEY, event TEXT, body BLOB)")
    for text in texts:
        event = json.dumps({"metadata": {"note": json.dumps({"inner": [text]})}})
        connection.execute(
            "INSERT INTO event_logs (event, body) VALUES (?, ?)", (event, zlib.compress(b"plain"))
        )
    connection.commit()
    connection.close()


def write_sqlite_blob(path: Path, texts: list[str]) -> None:
    connection = sqlite3.connect(path)
    connection.execute('CREATE TABLE "odd ""name" (body BLOB)')
    connection.executemany(
        'INSERT INTO "odd ""name" VALUES (?)', [(zlib.compress(t.encode()),) for t in texts]
    )
    connection.commit()
    connection.close()


def write_duckdb(path: Path, texts: list[str]) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA published")
        connection.execute("CREATE TABLE published.clusters (names VARCHAR[])")
        connection.executemany("INSERT INTO published.clusters VALUES ([?])", [[t] for t in texts])


def write_html(path: Path, texts: list[str]) -> None:
    body = "".join(f"<p title='x'>{t.encode('ascii', 'xmlcharrefreplace').decode()}</p>" for t in texts)
    path.write_text(f"<!doctype html><html><body>{body}</body></html>")


WRITERS: dict[str, Callable[[Path, list[str]], None]] = {
    "nested.parquet": write_parquet,
    "dictionary.parquet": write_dictionary,
    "events.db": write_sqlite,
    "snapshots.db": write_sqlite_blob,
    "observatory.duckdb": write_duckdb,
    "page.html": write_html,
    "run.json": lambda path, texts: path.write_text(json.dumps({"names": texts})),
    "log.txt": lambda path, texts: path.write_text("\n".join(texts)),
    "log.gz": lambda path, texts: path.write_bytes(gzip.compress("\n".join(texts).encode())),
    "utf16.csv": lambda path, texts: path.write_text("\n".join(texts), encoding="utf-16"),
}


@pytest.mark.parametrize("file", WRITERS)
def test_every_sink_is_searched(file: str, tmp_path: Path) -> None:
    path = tmp_path / file
    WRITERS[file](path, [*CLEAN, *CANARIES])
    found = scan_canaries([path], CANARIES)
    assert {leak.index for leak in found} == set(range(len(CANARIES)))
    assert {leak.sink for leak in found} == {file}


@pytest.mark.parametrize("file", WRITERS)
def test_clean_sinks_give_nothing(file: str, tmp_path: Path) -> None:
    path = tmp_path / file
    WRITERS[file](path, CLEAN)
    assert scan_canaries([path], CANARIES) == []
    strings = published_strings(path)
    assert set(CLEAN) <= set(strings) and len(strings) == len(set(strings))
    assert scan_identifiers(strings) == []
    assert scan_verbatim(strings, [pl.DataFrame({"text": ["we talked about planning a garden"]})]) == []


def test_footers_free_pages_journals_and_folders_are_searched(tmp_path: Path) -> None:
    pl.DataFrame({"name": [EMAIL]}).write_parquet(tmp_path / "a.parquet", compression="uncompressed")
    pl.DataFrame({"ids": [12025550187]}).write_parquet(tmp_path / "numbers.parquet")
    database = tmp_path / "b.db"
    write_sqlite(database, CANARIES)
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("DELETE FROM event_logs")
    connection.commit()
    connection.close()
    (tmp_path / "c.db").write_bytes(b"SQLite format 3\0torn")
    (tmp_path / "c.db-wal").write_bytes(b"\0\1" + NAME.encode())
    found = scan_canaries([tmp_path], CANARIES)
    assert {leak.sink for leak in found} == {tmp_path.name}
    by_file = {
        name: scan_canaries([tmp_path / name], CANARIES)
        for name in ("a.parquet", "numbers.parquet", "b.db", "c.db")
    }
    assert [leak.index for leak in by_file["a.parquet"]] == [0]
    assert by_file["numbers.parquet"] == [Leak("numbers.parquet", "canary_digits", 1)]
    assert {0, 3} <= {leak.index for leak in by_file["b.db"]}
    assert [(leak.kind, leak.index) for leak in by_file["c.db"]] == [("canary", 3), ("unreadable", 0)]


def test_reading_a_database_leaves_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "live.db"
    write_sqlite(path, CLEAN)
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("INSERT INTO event_logs (event) VALUES (?)", (NAME,))
    writer.commit()
    before = sorted(file.name for file in tmp_path.iterdir())
    assert [leak.index for leak in scan_canaries([path], CANARIES)] == [3]
    assert sorted(file.name for file in tmp_path.iterdir()) == before
    writer.close()
    assert [leak.index for leak in scan_canaries([path], CANARIES)] == [3]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("cut", [0.0, 0.5])
@pytest.mark.parametrize("file", ["events.db", "observatory.duckdb"])
def test_a_database_that_cannot_be_read_is_no_clean_one(home: Path, file: str, cut: float) -> None:
    path = home / file
    WRITERS[file](path, [f"{text} {number}" for number in range(60) for text in CLEAN])
    assert find_leaks(Home(home), [path], strict=[]) == {}
    content = path.read_bytes()
    path.write_bytes(content[:20] if cut == 0 else content[: int(len(content) * cut)] + b"x" * 64)
    assert find_leaks(Home(home), [path], strict=[]) == {f"{file}: unreadable": 1}


def test_a_database_that_stays_locked_is_no_clean_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "BUSY_SECONDS", 0.1)
    write_sqlite(home / "a.db", CLEAN)
    with contextlib.closing(sqlite3.connect(home / "a.db")) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        assert find_leaks(Home(home), [home / "a.db"]) == {"a.db: unreadable": 1}


def test_findings_hold_nothing_restricted() -> None:
    found = scan_canaries([NamedText("x", EMAIL)], CANARIES) + scan_identifiers([EMAIL], "y")
    shown = repr(found) + str(found) + str(leak_report(found))
    assert found and EMAIL not in shown and "zqv7" not in shown


def test_no_canaries_or_sinks_is_no_leak() -> None:
    assert scan_canaries([NamedText("x", "anything")], []) == scan_canaries([], CANARIES) == []
    assert scan_canaries([NamedText("x", "anything")], ["", "--"]) == []


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1), st.text(max_size=40), st.text(max_size=40))
def test_any_canary_is_found_in_any_text(canary: str, before: str, after: str) -> None:
    text = f"{before} {canary} {after}"
    if len(normalise(canary)) >= 12 and normalise(canary) in normalise(text):
        assert scan_canaries([NamedText("x", text)], [canary])


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_normalised_text_is_composed_folded_and_alphanumeric(text: str) -> None:
    slow = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    assert normalise(text) == re.sub(r"[\W_]+", "", slow)


@pytest.mark.parametrize(
    ("part", "weaker", "disguise"),
    [
        ("compose", lambda text: text, "full width"),
        ("ASCII_LOWER", bytes(range(256)), "upper"),
        ("ASCII_DROPPED", b"", "spaced"),
        ("FOREIGN_MARKS", re.compile("(?!)"), "zero width"),
    ],
)
def test_a_weaker_normaliser_would_be_noticed(
    part: str, weaker: object, disguise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = NamedText("x", f"about {DISGUISES[disguise](NAME)}!")
    assert scan_canaries([sink], [NAME])
    monkeypatch.setattr(canary_index, part, weaker)
    assert not scan_canaries([sink], [NAME])


def test_tens_of_thousands_of_canaries_stay_findable() -> None:
    many = [
        f"zqv7-{sha256(bytes([i % 256, i // 256])).hexdigest()[:14]}zk@canary.invalid" for i in range(20_000)
    ]
    text = "plain words about gardens and 12 pots. " * 20_000 + many[12_345] + " and on " * 1_000
    assert scan_canaries([NamedText("x", text)], many) == [Leak("x", "canary", 12_345)]
