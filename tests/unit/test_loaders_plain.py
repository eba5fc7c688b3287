"""Plain text, CSV, and columns that the person names."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.conversations.containers.delimited import read_delimited
from assets.conversations.ingest import probe
from assets.conversations.loaders.registry import detect_format
from assets.conversations.reading import Row
from dagster_project.errors import ObservatoryError
from tests.reading_support import ingest, key, said, spoken, write_rows


def save(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_each_line_of_text_is_a_request(tmp_path: Path) -> None:
    path = save(tmp_path / "t.txt", "\ufeffhow are you\r\n\n  \nwas ist das?\n{not json}\n\u4f60\u597d")
    assert detect_format(path) == "text"
    conversations, quarantine, counts = ingest(path, "text")
    assert [turns[0][1] for turns in spoken(conversations)] == [
        "how are you",
        "was ist das?",
        "{not json}",
        "\u4f60\u597d",
    ]
    assert (quarantine.height, counts.rows_in) == (0, 4)


def test_records_with_a_text_are_requests_too(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "t.jsonl", {"text": "a", "user": "u"}, {"text": ""}, {"text": 3}, {"txt": "x"}
    )
    assert detect_format(path) == "text"
    conversations, quarantine, _ = ingest(path, "text")
    assert conversations["user_key"].to_list() == [key("u")]
    assert quarantine["reason"].to_list() == ["no_messages", "wrong_type", "missing_field"]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_a_delimited_file_with_a_text_column(tmp_path: Path, delimiter: str) -> None:
    rows = [
        ["text", "user_id", "created_at"],
        ['one\n\ntwo, "three"', "u1", "2026-01-01"],
        ["four;|", "", "soon"],
    ]
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows(rows)
    path = save(tmp_path / "t.csv", stream.getvalue())
    assert detect_format(path) == "text"
    conversations, _, counts = ingest(path, "text")
    assert spoken(conversations) == [[("user", rows[1][0])], [("user", "four;|")]]
    assert conversations["user_key"].to_list() == [key("u1"), None]
    assert conversations["started_at"].to_list() == [datetime(2026, 1, 1, tzinfo=UTC), None]
    assert counts.times_unparsable == 1


def test_clinc150_as_text(data_dir: Path, tmp_path: Path) -> None:
    texts = [
        text for text, _ in orjson.loads((data_dir / "clinc150" / "data_full.json").read_bytes())["test"]
    ]
    path = save(tmp_path / "clinc.txt", "\n".join(texts))
    conversations, quarantine, _ = ingest(path, detect_format(path), privacy_unit="conversation")
    assert [turns[0][1] for turns in spoken(conversations)] == texts
    assert quarantine.height == 0
    assert conversations["conversation_id"].n_unique() == len(texts) == 4500


MAPPING = {"text": "q", "response": "a", "user": "who.mail", "time": "t", "id": "n", "model": "m"}


def test_a_mapping_reads_any_columns(tmp_path: Path) -> None:
    record = {"q": "why?", "a": "because", "who": {"mail": "x@y"}, "t": 1700000000, "n": 5, "m": "gpt"}
    path = write_rows(tmp_path / "d.jsonl", record, record | {"n": 6, "a": None}, record | {"q": None})
    conversations, quarantine, _ = ingest(path, "mapping", mapping=MAPPING)
    row = conversations.row(0, named=True)
    assert spoken(conversations) == [[("user", "why?"), ("assistant", "because")], [("user", "why?")]]
    assert (row["conversation_id"], row["user_key"], row["model"], row["source"]) == (
        "5",
        key("x@y"),
        "gpt",
        "mapping",
    )
    assert quarantine["reason"].to_list() == ["missing_field"]
    assert probe(path, "mapping", MAPPING).has_times


@pytest.mark.parametrize("kind", ["jsonl", "array", "csv", "parquet"])
def test_a_mapping_reads_every_container(tmp_path: Path, kind: str) -> None:
    rows = [{"prompt": f"p{n}", "person": f"u{n % 2}"} for n in range(5)]
    path = tmp_path / "data"
    if kind == "jsonl":
        write_rows(path, *rows)
    elif kind == "array":
        path.write_bytes(orjson.dumps(rows))
    elif kind == "csv":
        pl.DataFrame(rows).write_csv(path)
    else:
        pl.DataFrame(rows).write_parquet(path)
    conversations, _, _ = ingest(path, "mapping", mapping={"text": "prompt", "user": "person"})
    assert spoken(conversations) == [[("user", row["prompt"])] for row in rows]
    assert conversations["user_key"].to_list() == [key(row["person"]) for row in rows]


def test_mapped_messages_may_be_json_inside_a_cell(tmp_path: Path) -> None:
    cells = [orjson.dumps(said("hi", "ho")).decode(), '[{"from": "human", "value": "x"}]', "[{", '"\\ud800"']
    path = tmp_path / "d.csv"
    pl.DataFrame({"talk": cells}).write_csv(path)
    conversations, quarantine, _ = ingest(path, "mapping", mapping={"messages": "talk"})
    assert spoken(conversations) == [[("user", "hi"), ("assistant", "ho")], [("user", "x")]]
    assert quarantine["reason"].to_list() == ["bad_json", "lone_surrogate"]


def test_whole_numbers_with_gaps_are_ids(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    pl.DataFrame({"text": ["a", "b", "c"], "user": [17.0, float("nan"), None]}).write_parquet(path)
    assert ingest(path, "text")[0]["user_key"].to_list() == [key("17"), None, None]


def test_a_mapping_of_unknown_or_absent_things_is_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "d.jsonl", {"q": "secret text"})
    with pytest.raises(ObservatoryError, match="knows no field author"):
        probe(path, "mapping", {"author": "q"})
    with pytest.raises(ObservatoryError, match="--map text=question") as caught:
        probe(path, "mapping", {"text": "question"})
    assert "secret" not in str(caught.value)


def test_a_stray_quote_costs_one_line(tmp_path: Path) -> None:
    path = save(tmp_path / "d.csv", 'text,user\ngood,u1\n"bad,u2\nfine,u3\n"two\nlines",u4\nlast,u5\n')
    conversations, quarantine, _ = ingest(path, "text")
    assert [turns[0][1] for turns in spoken(conversations)] == ["good", "fine", "two\nlines", "last"]
    assert quarantine.rows() == [("d.csv", 18, 3, "bad_csv")]


def test_cells_that_do_not_fit_the_header_cost_their_row(tmp_path: Path) -> None:
    path = save(tmp_path / "d.csv", "text,user\na,u,extra\nb\nc,u\n")
    conversations, quarantine, _ = ingest(path, "text")
    assert [turns[0][1] for turns in spoken(conversations)] == ["c"]
    assert quarantine["line"].to_list() == [2, 3]


def test_a_file_without_a_readable_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_bytes(b"te\xffxt,user\na,b\n")
    with pytest.raises(ObservatoryError, match="no readable header"):
        list(read_delimited(tmp_path / "d.csv"))


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=8)


@given(st.lists(st.tuples(CELL, CELL), max_size=8))
def test_delimited_text_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list
) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("a", "b"), *rows])
    path = save(tmp_path_factory.getbasetemp() / "round.csv", stream.getvalue())
    found = [item.value for item in read_delimited(path) if isinstance(item, Row)]
    assert found == [{"a": a or None, "b": b or None} for a, b in rows]
