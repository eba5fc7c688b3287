"""Reads the public data sets of the data folder as lists of user turns, for the benchmarks."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
SENTENCES = Path(__file__).parent / "language_sentences.tsv"
FLAGS = ("S", "H", "V", "HR", "SH", "S3", "H2", "V2")


def every(rows: list, count: int) -> list:
    """About `count` of the rows, evenly spaced."""
    return rows[:: max(1, len(rows) // count)]


def clinc_texts(data: Path) -> list[str]:
    """The 4,500 English utterances of the clinc150 test split."""
    return [text for text, _ in json.loads((data / "clinc150" / "data_full.json").read_bytes())["test"]]


def hh_turns(data: Path, part: str) -> list[list[str]]:
    """User turns of each chosen transcript of an hh-rlhf test split."""
    with gzip.open(data / "hh-rlhf" / part / "test.jsonl.gz", "rt", encoding="utf-8") as file:
        transcripts = [json.loads(line)["chosen"] for line in file]
    return [
        [turn.split("\n\nAssistant:")[0].strip() for turn in text.split("\n\nHuman:")[1:]]
        for text in transcripts
    ]


def moderation(data: Path) -> tuple[list[str], pl.DataFrame]:
    """The texts of the moderation set, and whether each category is flagged: Boolean columns of FLAGS."""
    with gzip.open(data / "moderation" / "data" / "samples-1680.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    flags = pl.DataFrame({flag: [row.get(flag) == 1 for row in rows] for flag in FLAGS})
    return [row["prompt"] for row in rows], flags


def language_sentences() -> pl.DataFrame:
    """Columns `language`, `sentence`: the project's own short requests in many languages."""
    return pl.read_csv(SENTENCES, separator="\t", quote_char=None)


def as_tables(conversations: list[list[str]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The conversations and redacted_conversations tables that the reader takes, from lists of user turns."""
    messages = [[{"role": "user", "content": turn} for turn in turns] for turns in conversations]
    redacted = pl.DataFrame({"messages": messages}, schema={"messages": MESSAGES}).with_row_index("row")
    redacted = redacted.select(conversation_id=pl.col("row").cast(pl.String), messages="messages")
    nothing = pl.lit(None, dtype=pl.String)
    unflagged = pl.lit(None, dtype=pl.Boolean)
    started = pl.lit(None, dtype=pl.Datetime("us", "UTC"))
    return redacted.select(
        "conversation_id", user_key=nothing, started_at=started, model=nothing, flagged=unflagged
    ), redacted
