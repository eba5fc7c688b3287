"""Statements and votes as people have them: a Polis export, or two plain tables. Source: spec 1.2, 1.9.

Everything is joined by id, and ids are sorted as numbers where they are numbers: what is read does not depend on the
order of rows or columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dagster_project.errors import ObservatoryError
from schemas.collective import AGREE, DISAGREE, MODERATION, OUT, PASS, VOTES

HELP = (
    "give a folder with a Polis export (comments.csv and participants-votes.csv or votes.csv), or with tables "
    "statements (statement_id, text) and votes (participant_id, statement_id, vote)"
)
WORDS = {"agree": AGREE, "disagree": DISAGREE, "pass": PASS, "1": AGREE, "-1": DISAGREE, "0": PASS}

NAMES = {"comment-id": "statement_id", "comment-body": "text", "moderated": "moderation"}
VOTE_NAMES = {"comment-id": "statement_id", "voter-id": "participant_id", "timestamp": "time"}
READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": lambda path: pl.read_csv(path, infer_schema_length=0),
    ".jsonl": lambda path: pl.read_ndjson(path, infer_schema_length=None),
    ".parquet": pl.read_parquet,
}


@dataclass(frozen=True)
class Conversation:
    """What was voted on and how, sorted by id.

    statements: statement_id, text, moderation. votes: participant_id, statement_id, vote; no row where nothing was seen.
    participants: participant_id, among them those without a vote.
    """

    statements: pl.DataFrame
    votes: pl.DataFrame
    participants: pl.DataFrame


def read_conversation(folder: Path) -> Conversation:
    """The statements and votes of a folder.

    Of several votes of a participant on a statement the latest counts. Raises ObservatoryError where files, columns or
    ids lack, an id is given twice, a vote means nothing, or two that differ have no time that tells which is the latest.
    """
    statements = _statements(folder)
    wide = folder / "participants-votes.csv"
    if wide.is_file():
        people = _people(_table(wide))
        votes = _from_wide(people, statements)
        participants = people.select("participant_id")
    else:
        votes = _latest(_events(_named(folder, "votes")))
        participants = votes.select("participant_id").unique()
    if {"agrees", "disagrees"} <= set(statements.columns):
        votes = oriented(votes, statements)
    unknown = votes.join(statements, on="statement_id", how="anti").height
    if unknown:
        raise ObservatoryError(f"{unknown} votes are on statements that are not there; {HELP}")
    if participants["participant_id"].is_duplicated().any():
        raise ObservatoryError("a participant has two rows; give each only one")
    return Conversation(
        sorted_by_id(statements, "statement_id"),
        sorted_by_id(votes, "participant_id", "statement_id"),
        sorted_by_id(participants, "participant_id"),
    )


def sorted_by_id(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The rows in the order of ids: numbers by size and before words, so that 2 comes before 10."""
    keys = [key for name in columns for key in (pl.col(name).cast(pl.Int64, strict=False), pl.col(name))]
    return frame.sort(keys, nulls_last=True)


def read_ids(path: Path) -> list[str]:
    """Ids, one a line. Raises ObservatoryError where there is no such file."""
    if not path.is_file():
        raise ObservatoryError(f"there is no file {path.name} of participants to leave out")
    return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]


def oriented(votes: pl.DataFrame, tallies: pl.DataFrame) -> pl.DataFrame:
    """The votes with 1 for agreement: turned round where the statements' own tallies say that -1 stands for it.

    In: statement_id, vote; statement_id, agrees, disagrees. Raises ObservatoryError where tallies and votes tell nothing.
    """
    counted = votes.group_by("statement_id").agg(margin=pl.col("vote").cast(pl.Int64).sum())
    both = counted.join(tallies, on="statement_id").with_columns(told=pl.col("agrees") - pl.col("disagrees"))
    product = both.select((pl.col("margin") * pl.col("told")).sum()).item()
    if votes.height and not product:
        raise ObservatoryError("the statements' tallies do not tell whether 1 or -1 stands for agreement")
    return votes if product > 0 else votes.with_columns(-pl.col("vote"))


def _statements(folder: Path) -> pl.DataFrame:
    polis = folder / "comments.csv"
    table = _table(polis).rename(NAMES, strict=False) if polis.is_file() else _named(folder, "statements")
    if not {"statement_id", "text"} <= set(table.columns):
        raise ObservatoryError(f"the table of statements lacks columns; {HELP}")
    if "moderation" not in table.columns:
        table = table.with_columns(moderation=pl.lit("0"))
    tallied = {"agrees", "disagrees"} & set(table.columns)
    read = table.select(
        pl.col("statement_id", "text").cast(pl.String).str.strip_chars(),
        pl.col("moderation").cast(pl.Int8, strict=False),
        *(pl.col(name).cast(pl.Int64, strict=False) for name in sorted(tallied)),
    )
    if not read["moderation"].is_in(MODERATION).fill_null(False).all():
        raise ObservatoryError("moderation of a statement is 1 (in), 0 (not looked at) or -1 (out)")
    if _with_ids(read, "statement_id")["statement_id"].is_duplicated().any():
        raise ObservatoryError("a statement has two rows; give each only one")
    # Nobody could have voted on words that are not there.
    blank = pl.col("text").fill_null("") == ""
    return read.with_columns(
        text=pl.when(blank).then(pl.lit("(no text)")).otherwise("text"),
        moderation=pl.when(blank).then(pl.lit(OUT, pl.Int8)).otherwise("moderation"),
    )


def _people(table: pl.DataFrame) -> pl.DataFrame:
    if "participant" not in table.columns:
        raise ObservatoryError(f"the table of participants' votes lacks the column participant; {HELP}")
    people = table.rename({"participant": "participant_id"})
    return _with_ids(people.with_columns(pl.col("participant_id").str.strip_chars()), "participant_id")


def _from_wide(people: pl.DataFrame, statements: pl.DataFrame) -> pl.DataFrame:
    known = set(statements["statement_id"])
    columns = [name for name in people.columns if name in known or name.isdigit()]
    long = people.select("participant_id", *columns).unpivot(
        index="participant_id", variable_name="statement_id", value_name="vote"
    )
    return _votes(long.filter(pl.col("vote").fill_null("").str.strip_chars() != ""))


def _events(table: pl.DataFrame) -> pl.DataFrame:
    """participant_id, statement_id, vote, and time where the table has it; a row without a vote says nothing."""
    events = table.rename({old: new for old, new in VOTE_NAMES.items() if old in table.columns})
    if not {"participant_id", "statement_id", "vote"} <= set(events.columns):
        raise ObservatoryError(f"the table of votes lacks columns; {HELP}")
    said = events.filter(pl.col("vote").cast(pl.String).str.strip_chars().fill_null("") != "")
    read = _votes(said)
    if "time" not in said.columns:
        return read
    times = said["time"].cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
    if not times.is_finite().fill_null(False).all():
        raise ObservatoryError("the time of a vote is a number, such as milliseconds, in every row")
    return read.with_columns(time=times)


def _latest(events: pl.DataFrame) -> pl.DataFrame:
    key = ["participant_id", "statement_id"]
    if "time" in events.columns:
        events = events.filter(pl.col("time") == pl.col("time").max().over(key)).drop("time")
    latest = events.unique()
    unclear = latest.select(key).is_duplicated().sum()
    if unclear:
        raise ObservatoryError(
            f"{unclear} votes of the same participant on the same statement differ, and no column `time` tells which is "
            "the latest; add it, or leave the earlier ones out"
        )
    return latest


def _with_ids(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The frame. Raises ObservatoryError where an id is missing: whose vote that is, nobody could tell."""
    if frame.select(pl.any_horizontal(pl.col(columns).fill_null("") == "").any()).item():
        raise ObservatoryError(f"rows lack {' or '.join(columns)}; {HELP}")
    return frame


def _votes(frame: pl.DataFrame) -> pl.DataFrame:
    """participant_id, statement_id, vote, the vote as a number whatever it was written as."""
    written = pl.col("vote").cast(pl.String).str.strip_chars().str.to_lowercase()
    plain = written.str.replace(r"\.0+$", "")
    votes = frame.select(
        pl.col("participant_id", "statement_id").cast(pl.String).str.strip_chars(),
        vote=plain.replace_strict(WORDS, default=None, return_dtype=pl.Int8),
    )
    if votes["vote"].null_count():
        raise ObservatoryError(f"a vote is agree, disagree or pass, or one of {', '.join(map(str, VOTES))}")
    return _with_ids(votes, "participant_id", "statement_id")


def _named(folder: Path, name: str) -> pl.DataFrame:
    for ending in READERS:
        if (folder / f"{name}{ending}").is_file():
            return _table(folder / f"{name}{ending}")
    raise ObservatoryError(f"{folder.name} holds no table {name}; {HELP}")


def _table(path: Path) -> pl.DataFrame:
    try:
        return READERS[path.suffix](path)
    except (pl.exceptions.PolarsError, OSError):
        raise ObservatoryError(f"{path.name} cannot be read; {HELP}") from None
