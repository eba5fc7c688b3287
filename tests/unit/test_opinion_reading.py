"""Opinions of a public as files have them: what is read, turned round, or refused."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from assets.collective_constitution.reading import oriented, read_conversation
from dagster_project.errors import ObservatoryError
from tests.opinion_support import statements, votes, write_tables


def test_plain_tables_are_read_and_the_latest_vote_counts(tmp_path: Path) -> None:
    said = pl.DataFrame(
        {
            "participant_id": ["2", "10", "2", "2"],
            "statement_id": ["0", "0", "1", "0"],
            "vote": ["agree", "disagree", "pass", "disagree"],
            "time": [1, 1, 2, 3],
        }
    )
    read = read_conversation(write_tables(tmp_path, said, statements(2)))
    assert read.votes.rows() == [("2", "0", -1), ("2", "1", 0), ("10", "0", -1)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (pl.lit("maybe").alias("vote"), "agree, disagree or pass"),
        (pl.lit("99").alias("statement_id"), "statements that are not there"),
    ],
)
def test_what_means_nothing_is_refused(tmp_path: Path, change: pl.Expr, said: str) -> None:
    folder = write_tables(tmp_path, votes(5, 3).cast(pl.String).with_columns(change), statements(3))
    with pytest.raises(ObservatoryError, match=said):
        read_conversation(folder)


def test_an_empty_folder_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(ObservatoryError, match="Polis export"):
        read_conversation(tmp_path)


def test_a_sign_that_is_the_other_way_round_is_turned() -> None:
    said = votes(30, 6).cast({"vote": pl.Int8})
    tallies = said.group_by("statement_id").agg(
        agrees=(pl.col("vote") == 1).sum(), disagrees=(pl.col("vote") == -1).sum()
    )
    tallies = tallies.cast({"agrees": pl.Int64, "disagrees": pl.Int64})
    assert oriented(said.with_columns(-pl.col("vote")), tallies).equals(said)


TALLIED = "comment-id,agrees,disagrees,moderated,comment-body\n0,2,0,1,AI is good\n1,0,2,1,AI is bad\n"
EVENTS = (
    "timestamp,comment-id,voter-id,vote\n1,0,a,{agree}\n2,0,b,{agree}\n3,1,a,{disagree}\n4,1,b,{disagree}\n"
)


def test_events_of_either_sign_are_the_same_votes(tmp_path: Path) -> None:
    (tmp_path / "comments.csv").write_text(TALLIED)
    found = []
    for agree in (1, -1):
        (tmp_path / "votes.csv").write_text(EVENTS.format(agree=agree, disagree=-agree))
        found.append(read_conversation(tmp_path).votes)
    assert found[0].equals(found[1]) and found[0].filter(statement_id="0")["vote"].to_list() == [1, 1]


def test_the_latest_vote_does_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    rows = ["a,0,agree,5", "a,0,disagree,30", "a,1,pass,1", "a,0,,40", "b,0,agree,2", "b,0,agree,2"]
    found = []
    for order in (rows, rows[::-1]):
        (tmp_path / "votes.csv").write_text("participant_id,statement_id,vote,time\n" + "\n".join(order))
        statements(2).write_csv(tmp_path / "statements.csv")
        found.append(read_conversation(tmp_path).votes.rows())
    assert found[0] == found[1] == [("a", "0", -1), ("a", "1", 0), ("b", "0", 1)]


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("participant_id,statement_id,vote\na,0,1\na,0,-1\n", "no column `time` tells"),
        ("participant_id,statement_id,vote,time\na,0,1,5\n a,0,-1,5\n", "no column `time` tells"),
        ("participant_id,statement_id,vote\n,0,1\n", "rows lack participant_id"),
        ("participant_id,statement_id,vote,time\na,0,1,private words\n", "time of a vote is a number"),
        ("participant_id,statement_id,vote,time\na,0,1,nan\n", "time of a vote is a number"),
    ],
)
def test_a_vote_that_cannot_be_told_is_refused_and_not_dropped(tmp_path: Path, said: str, wrong: str) -> None:
    statements(2).write_csv(tmp_path / "statements.csv")
    (tmp_path / "votes.csv").write_text(said)
    with pytest.raises(ObservatoryError, match=wrong) as raised:
        read_conversation(tmp_path)
    assert "private" not in str(raised.value)


@pytest.mark.parametrize("said", ["person,0,1\na,1,1\n", "participant,0,1\n,1,1\na,1,1\n"])
def test_a_wide_table_without_participants_is_refused(tmp_path: Path, said: str) -> None:
    (tmp_path / "comments.csv").write_text(TALLIED)
    (tmp_path / "participants-votes.csv").write_text(said)
    with pytest.raises(ObservatoryError, match="participant"):
        read_conversation(tmp_path)
