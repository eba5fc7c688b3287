"""The second matcher finds what is planted in every kind of sink and form, and agrees with the scanner of the gates."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import duckdb
import polars as pl
import pytest

from dagster_project.privacy.leaks import NamedText, scan_canaries
from dagster_project.sample.canaries import make_canary
from dagster_project.sample.texts import load_texts
from tests.privacy.adversarial_matcher import Matcher, fold, is_number

LANGUAGES = load_texts().languages
CANARIES = [make_canary(3, index, LANGUAGES[index % len(LANGUAGES)]).value for index in range(156)]
ADDRESS = next(c for c in CANARIES if "@canary" in c)
WORDS = "plain words about gardens, 12 pots and 2026-03-01"

FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper": str.upper,
    "spaced": " ".join,
    "zero width": "\u200b".join,
    "full width": lambda s: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in s),
    "reversed": lambda s: s[::-1],
    "hex": lambda s: s.encode().hex(),
    "base64": lambda s: base64.b64encode(f"ab{s}c".encode()).decode(),
    "url": lambda s: quote(s, safe=""),
    "json": json.dumps,
    "html": lambda s: "".join(f"&#{ord(c)};" for c in s),
}


@pytest.mark.parametrize("form", FORMS)
def test_both_scanners_find_every_type_of_canary_in_every_form(form: str) -> None:
    matcher = Matcher(CANARIES)
    texts = [f"about {FORMS[form](canary)} and more" for canary in CANARIES]
    # Ten digits backwards are in any log by chance.
    wanted = {at for at, canary in enumerate(CANARIES) if form != "reversed" or not is_number(canary)}
    missed = [at for at in wanted if at not in {found for _, found in matcher.found_in(texts[at])}]
    assert not missed
    assert not wanted - {leak.index for leak in scan_canaries([NamedText("x", "\n".join(texts))], CANARIES)}


def test_letters_of_other_alphabets_hide_nothing_from_the_matcher() -> None:
    disguised = ADDRESS.translate(str.maketrans("aeopcyx", "аеорсух"))
    assert disguised != ADDRESS and Matcher([ADDRESS]).found_in(disguised)


def test_eight_characters_are_enough_and_chance_is_not() -> None:
    matcher = Matcher(CANARIES)
    local = ADDRESS.split("@")[0]
    assert matcher.found_in(f"x {fold(local)[:8]} y") == {("part", CANARIES.index(ADDRESS))}
    assert matcher.found_in(f"{WORDS} canary.invalid 3f2a19c0b7d5 1714920255 page {local[:4]}") == set()


def test_words_that_run_together_are_no_part() -> None:
    matcher = Matcher(["Calle Velrudoquiscasu 102, 96357 Tarkesh"])
    assert matcher.found_in("a conversational level reached over years") == set()
    assert matcher.found_in("in velrudoquis today")


def parquet(path: Path, text: str) -> None:
    pl.DataFrame({"nested": [{"a": [WORDS, text]}]}).write_parquet(path, compression="zstd", statistics=False)


def footer(path: Path, text: str) -> None:
    pl.DataFrame({"name": [text]}).write_parquet(path, compression="zstd", statistics=True)


def dictionary(path: Path, text: str) -> None:
    pl.DataFrame({"name": pl.Series([text, WORDS] * 500, dtype=pl.Categorical)}).write_parquet(path)


def sqlite(path: Path, text: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE event_logs (event TEXT, body BLOB)")
        database.execute("INSERT INTO event_logs VALUES (?, ?)", (json.dumps({"note": text}), b""))
    database.close()


def free_pages(path: Path, text: str) -> None:
    sqlite(path, text)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("DELETE FROM event_logs")
    database.close()


def blob(path: Path, text: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE snapshots (body BLOB)")
        database.execute("INSERT INTO snapshots VALUES (?)", (zlib.compress(f"{WORDS} {text}".encode()),))
    database.close()


def warehouse(path: Path, text: str) -> None:
    with duckdb.connect(str(path)) as database:
        database.execute("CREATE TABLE clusters (names VARCHAR[])")
        database.execute("INSERT INTO clusters VALUES ([?])", [text])


def comment(path: Path, text: str) -> None:
    with duckdb.connect(str(path)) as database:
        database.execute("CREATE TABLE clusters (name VARCHAR)")
        database.execute(f"COMMENT ON COLUMN clusters.name IS '{text.replace(chr(39), '')}'")


SINKS: dict[str, Callable[[Path, str], object]] = {
    "cells.parquet": parquet,
    "footer.parquet": footer,
    "dictionary.parquet": dictionary,
    "events.db": sqlite,
    "free.db": free_pages,
    "blob.db": blob,
    "observatory.duckdb": warehouse,
    "comment.duckdb": comment,
    "page.html": lambda path, text: path.write_text(f"<td title='{FORMS['html'](text)}'>x</td>"),
    "manifest.json": lambda path, text: path.write_text(json.dumps({"a": [text]})),
    "journal.jsonl": lambda path, text: path.write_text(json.dumps({"note": text}) + "\n"),
    "step.err": lambda path, text: path.write_text(f"Traceback\nValueError: {text}\n"),
    "step.gz": lambda path, text: path.write_bytes(gzip.compress(text.encode())),
    "utf16.out": lambda path, text: path.write_text(f"{WORDS} {text}", "utf-16"),
    "head.wal": lambda path, text: path.write_bytes(b"\x00\x01" + text.encode("utf-16-be") + b"\x00"),
}


@pytest.mark.parametrize("sink", SINKS)
def test_a_canary_planted_in_a_sink_is_found_by_both_scanners(sink: str, tmp_path: Path) -> None:
    path, planted = tmp_path / sink, {0, 2, 5, 6, 8, 15}
    clean, canaries = Matcher(CANARIES), [CANARIES[at] for at in sorted(planted)]
    SINKS[sink](path, WORDS)
    assert clean.leaks([path]) == []
    path.unlink()
    SINKS[sink](path, " ; ".join(canaries))
    found = {int(line.rsplit(" ", 1)[1]) for line in clean.leaks([path])}
    assert planted <= found
    if sink != "head.wal":
        assert planted <= {leak.index for leak in scan_canaries([path], CANARIES)}


def test_a_file_name_is_a_sink(tmp_path: Path) -> None:
    (tmp_path / f"{ADDRESS}.txt").write_text(WORDS)
    assert Matcher([ADDRESS]).leaks([tmp_path])
