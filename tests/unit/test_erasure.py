"""What an erasure takes out of the lake: whose versions of which conversations, in which tables, from which places."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from assets.conversations.batch import BatchReading, no_versions, read_batch
from dagster_project import definitions, forgetting, running
from dagster_project.doctor import _home
from dagster_project.erasure import rewriting
from dagster_project.erasure.record import Record, read_record, write_record
from dagster_project.erasure.survey import HOLDS_NOBODY, PERSONAL, catalogued, columns_of, personal_tables
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home
from dagster_project.lake import WHOLE, Lake
from dagster_project.plan import expected_fingerprints
from dagster_project.privacy.tombstones import Tombstones
from dagster_project.steps import SPECS
from schemas.catalogue import CONVERSATIONS, EMBEDDINGS
from tests.export_support import observation
from tests.reading_support import write_rows

Row = tuple[str | None, str | None, str]


@pytest.fixture(autouse=True)
def no_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests look at the lake alone; the graph's tests publish."""
    monkeypatch.setattr(running, "bring_up_to_date", lambda *_, **__: running.Materialised([], []))


def read(home: Home, file: Path, rows: Sequence[Row], unit: str = "user") -> BatchReading:
    """Add a file of (conversation id, user, text) and commit what is read of it."""
    lines = []
    for number, (identity, user, text) in enumerate(rows):
        entry = {"id": identity, "user": user, "created_at": f"2026-03-{number + 1:02d}T10:00:00Z"}
        entry = {name: value for name, value in entry.items() if value is not None}
        lines.append(json.dumps({**entry, "messages": [{"role": "user", "content": text}]}))
    file.write_text("\n".join(lines))
    return commit(home, file, "openai", unit)


def commit(home: Home, file: Path, format_name: str, unit: str = "user") -> BatchReading:
    """Add a file and commit what is read of it as the step does."""
    assert definitions.defs
    ((batch, _),) = running.add_files(home, [file], format_name=format_name, privacy_unit=unit, mapping={})
    tombstones = read_record(home).tombstones
    reading = read_batch(
        home.lake, batch, file, home.secret, no_versions(), home.settings(), lambda done: None, tombstones
    )
    expected = expected_fingerprints(list(SPECS.values()), home.settings(), home.batches())
    fingerprint = expected[CONVERSATIONS.name, batch.key]
    home.lake.commit(reading.conversations, code_version="1", fingerprint=fingerprint)
    return reading


def held(home: Home, batch: int) -> list[str]:
    key = home.batches()[batch].key
    return home.lake.scan(CONVERSATIONS.zone, CONVERSATIONS.name, key).collect()["conversation_id"].to_list()


def test_every_restricted_table_is_rewritten_or_holds_nobody() -> None:
    withdrawn = {table.name for table in catalogued() if table.suite}
    restricted = {table.name for table in catalogued() if table.zone == "restricted"} - withdrawn
    rewritten = {table.name for batched in (True, False) for table in personal_tables(batched=batched)}
    assert restricted == rewritten | set(HOLDS_NOBODY)
    assert not rewritten & set(HOLDS_NOBODY)
    assert personal_tables(batched=True)[-1] == CONVERSATIONS
    published = [table for table in catalogued() if table.zone == "published"]
    assert not any(PERSONAL & set(columns_of(table)) for table in published)


def test_a_conversation_that_moved_goes_with_its_user_and_stays_with_the_other(
    home: Path, tmp_path: Path
) -> None:
    opened = Home(home)
    read(opened, tmp_path / "a.jsonl", [("c1", "ann", "old words"), ("c2", "bob", "hello")])
    read(opened, tmp_path / "b.jsonl", [("c1", "bob", "new words"), ("c3", "ann", "more")])
    outcome = forgetting.forget(opened, ["Ann "])
    assert outcome.conversations == 2
    assert (held(opened, 0), held(opened, 1)) == (["c2"], ["c1"])


def test_who_speaks_second_in_a_shared_session_is_known_and_goes(home: Path, tmp_path: Path) -> None:
    opened = Home(home)
    rows = [
        observation(f"t{n}", n, f"words of {user}", "ok", user_id=user, session_id="default")
        for n, user in enumerate(["ann", "bob"])
    ]
    commit(opened, write_rows(tmp_path / "a.jsonl", *rows), "langfuse")
    outcome = forgetting.forget(opened, ["Bob"])
    assert (outcome.unknown, outcome.conversations, held(opened, 0)) == (0, 1, ["default"])
    again = commit(opened, write_rows(tmp_path / "b.jsonl", *rows), "langfuse")
    assert again.counts["rows_forgotten"] == 1


def test_a_version_without_a_user_goes_with_the_user_of_the_other(home: Path, tmp_path: Path) -> None:
    opened = Home(home)
    read(opened, tmp_path / "a.jsonl", [("c1", None, "old words"), ("c2", None, "hi"), ("c3", "bob", "yes")])
    read(opened, tmp_path / "b.jsonl", [("c1", "ann", "new words")])
    forgetting.forget(opened, ["ann"])
    assert (held(opened, 0), held(opened, 1)) == (["c2", "c3"], [])
    again = read(opened, tmp_path / "c.jsonl", [("c1", None, "stripped of its user"), ("c4", "bob", "ok")])
    assert again.counts["rows_forgotten"] == 1


def test_rows_of_the_forgotten_are_counted_and_never_written(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Home(home)
    forgetting.forget(opened, ["ann"])
    written: list[pl.DataFrame] = []
    stage = Lake.stage

    def watched(lake, zone, table, frames, partition="all"):
        return stage(lake, zone, table, (written.append(frame) or frame for frame in frames), partition)

    monkeypatch.setattr(Lake, "stage", watched)
    rows = [
        ("c1", "ANN", "a"),
        ("c2", "bob", "b"),
        ("c2", "bob", "b"),
        ("c3", "ann", "c"),
        ("c4", "cyd", "d"),
    ]
    reading = read(opened, tmp_path / "a.jsonl", rows)
    counts = reading.counts
    assert set(pl.concat(written)["conversation_id"]) == {"c2", "c4"} == set(held(opened, 0))
    assert reading.rows_in == counts["rows_ok"] + counts["rows_quarantined"] == 5
    dropped = counts["dropped_identical"] + counts["superseded"] + counts["already_known"]
    assert counts["rows_ok"] == counts["conversations"] + dropped + counts["rows_forgotten"]
    assert (counts["rows_forgotten"], counts["conversations"]) == (2, 2)


def test_conversations_that_are_the_unit_are_forgotten_by_id(home: Path, tmp_path: Path) -> None:
    opened = Home(home)
    read(opened, tmp_path / "a.jsonl", [("C-1", None, "one"), ("c-2", None, "two")], unit="conversation")
    outcome = forgetting.forget(opened, [], ["c-1"])
    assert (outcome.unknown, outcome.conversations, held(opened, 0)) == (0, 1, ["c-2"])
    again = read(
        opened, tmp_path / "b.jsonl", [("c-1", "ann", "other"), ("c-3", None, "x")], unit="conversation"
    )
    assert again.counts["rows_forgotten"] == 1


def test_a_user_whom_only_the_file_names_is_found_there(home: Path, tmp_path: Path) -> None:
    opened = Home(home)
    rows = [("c1", "ann", "one"), (None, "ann", "two"), ("c3", "bob", "three")]
    read(opened, tmp_path / "a.jsonl", rows, unit="conversation")
    outcome = forgetting.forget(opened, ["ann"])
    assert (outcome.unknown, outcome.conversations, held(opened, 0)) == (0, 2, ["c3"])
    (tmp_path / "a.jsonl").unlink()
    assert [batch.ordinal for batch in forgetting.forget(opened, ["bob"]).unreadable] == [1]


def test_unknown_ids_are_kept_out_but_nothing_is_rewritten(home: Path, tmp_path: Path) -> None:
    opened = Home(home)
    read(opened, tmp_path / "a.jsonl", [("c1", "bob", "one")])
    before = {path: path.stat().st_mtime_ns for path in opened.restricted.rglob("manifest.json")}
    outcome = forgetting.forget(opened, ["ann", "ANN", "cyd"])
    assert (outcome.asked, outcome.unknown, outcome.sources) == (2, 2, [])
    assert {path: path.stat().st_mtime_ns for path in opened.restricted.rglob("manifest.json")} == before
    assert read(opened, tmp_path / "b.jsonl", [("c2", "ann", "two")]).counts["rows_forgotten"] == 1


@pytest.mark.parametrize(("users", "reason"), [([], "give whom"), ([" \u200b "], "empty")])
def test_an_id_that_names_nobody_is_refused(home: Path, users: list[str], reason: str) -> None:
    with pytest.raises(ObservatoryError, match=reason):
        forgetting.forget(Home(home), users)
    assert not Home(home).forgotten.exists()


def test_what_lies_around_the_tables_goes_too(home: Path, tmp_path: Path) -> None:
    opened = Home(home)
    read(opened, tmp_path / "a.jsonl", [("c1", "ann", "one"), ("c2", "bob", "two")])
    key, words = opened.batches()[0].key, b"words of ann"
    places = [
        opened.restricted / "errors" / "run-facets.txt",
        opened.scratch / "tmp1" / "vectors.npy",
        opened.restricted / "facets" / key / ".staging" / "x.parquet",
        opened.restricted / "conversations" / key / "0123456789abcdef.parquet",
        opened.restricted / "facets" / "never-registered" / "x.parquet",
        opened.restricted / ".batches.json.17.tmp",
        opened.published / ".data_docs.x1" / "index.html",
        opened.root / ".observatory.duckdb.next.wal",
        opened.warehouse,
    ]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(words)
    forgetting.forget(opened, ["ann"])
    assert [place.name for place in places if place.exists()] == []
    assert opened.lake.path("restricted", "conversations", key).exists()


def test_the_journal_counts_who_is_left(home: Path, tmp_path: Path) -> None:
    opened = Home(home)
    read(opened, tmp_path / "a.jsonl", [("c1", "ann", "one"), ("c2", "bob", "two")])
    read(opened, tmp_path / "b.jsonl", [("c3", "bob", "three")])
    first, second = (batch.key for batch in opened.batches())
    for batch, rows in ((first, 2), (second, 1), (None, 3)):
        opened.lake.record({"run_id": "r", "stage": "s", "batch": batch, "rows_in": rows, "rows_out": rows})
    forgetting.forget(opened, ["ann"])
    entries = [
        (entry["batch"], entry["rows_in"], entry["rows_out"]) for entry in opened.lake.finished_steps()
    ]
    assert entries == [(first, 1, 1), (second, 1, 1)]


def test_a_rewritten_table_has_the_slices_of_one_made_anew(home: Path) -> None:
    lake = Home(home).lake
    rows = pl.DataFrame({"conversation_id": [f"c{n}" for n in range(25)]}).with_columns(
        embedding=pl.Series([[float(n)] * 4 for n in range(25)], dtype=pl.Array(pl.Float32, 4))
    )
    going = pl.col("conversation_id").is_in(["c0", "c3", "c12", "c13", "c24"])

    def write(frame: pl.DataFrame) -> str:
        slices = [frame.slice(start, 10) for start in range(0, max(frame.height, 1), 10)]
        staged = lake.stage("restricted", EMBEDDINGS.name, slices, "b")
        return lake.commit(staged, code_version="1", fingerprint="f").sha256

    for gone in (going, pl.col("conversation_id") != "c7", pl.lit(True)):
        anew = write(rows.filter(~gone))
        write(rows)
        rewriting._rewrite(lake, EMBEDDINGS, "b", gone)
        manifest = lake.manifest("restricted", EMBEDDINGS.name, "b")
        assert manifest is not None and manifest.sha256 == anew and manifest.fingerprint == "f"


def test_a_damaged_table_goes_and_a_damaged_source_is_named(home: Path, tmp_path: Path) -> None:
    opened = Home(home)
    read(opened, tmp_path / "a.jsonl", [("c1", "ann", "one"), ("c2", "bob", "two")])
    key = opened.batches()[0].key
    staged = opened.lake.stage("restricted", "concerns", pl.DataFrame({"conversation_id": ["c1", "c2"]}), key)
    opened.lake.commit(staged, code_version="1", fingerprint="f")
    next((opened.restricted / "concerns" / key).glob("*.parquet")).write_bytes(b"torn")
    forgetting.forget(opened, ["ann"])
    assert opened.lake.manifest("restricted", "concerns", key) is None
    next((opened.restricted / "conversations" / key).glob("*.parquet")).write_bytes(b"torn")
    with pytest.raises(ObservatoryError, match="does not match its manifest"):
        forgetting.forget(opened, ["bob"])


@pytest.mark.parametrize("where", ["restricted/facets", "restricted/projections", "published/clusters"])
def test_a_damaged_manifest_does_not_keep_an_erasure_open(home: Path, tmp_path: Path, where: str) -> None:
    opened = Home(home)
    read(opened, tmp_path / "a.jsonl", [("c1", "ann", "one"), ("c2", "bob", "two")])
    zone, table = where.split("/")
    key = opened.batches()[0].key if table == "facets" else WHOLE
    staged = opened.lake.stage(zone, table, pl.DataFrame({"conversation_id": ["c1", "c2"]}), key)
    opened.lake.commit(staged, code_version="1", fingerprint="f")
    (home / where / key / "manifest.json").write_text("{")
    forgetting.forget(opened, ["ann"])
    assert read_record(opened).pending is None
    assert not (home / where / key).exists()


def test_a_refused_batch_does_not_keep_an_erasure_open(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Home(home)
    read(opened, tmp_path / "a.jsonl", [("c1", "ann", "one"), ("c2", "bob", "two")])
    monkeypatch.setattr(
        running, "bring_up_to_date", lambda *_, **__: running.Materialised([], ["b was not added"])
    )
    assert forgetting.forget(opened, ["ann"]).refusals == ["b was not added"]
    assert read_record(opened).pending is None


def test_the_doctor_names_an_erasure_that_is_open(home: Path) -> None:
    def finding() -> list[bool]:
        return [finding.ok for finding in _home(home) if finding.subject == "erasure"]

    opened = Home(home)
    assert finding() == []
    write_record(opened, Record(Tombstones(), {"b": []}))
    assert finding() == [False]
    write_record(opened, Record(Tombstones()))
    assert finding() == [True]
    opened.forgotten.write_text("{")
    assert finding() == [False]


def test_a_damaged_record_is_not_taken_for_an_empty_one(home: Path) -> None:
    opened = Home(home)
    write_record(opened, Record(Tombstones(user=frozenset("a")), {"b": ["a"]}))
    assert read_record(opened).pending == {"b": ["a"]}
    opened.forgotten.write_text("{")
    with pytest.raises(ObservatoryError, match="damaged"):
        read_record(opened)
