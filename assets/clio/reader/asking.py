"""From conversations to requests and from responses to rows, in a stream: memory does not grow with the batch.

Conversations are read slice by slice as the model has room; answers come in any order and wait in files beside each
other until their slice is put together (`assets.clio.model_facets`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl

from assets.clio.reader.distrust import disarm
from assets.clio.reader.fitting import Turn, fit
from assets.clio.reader.questions import (
    BLOCK,
    FOLDER,
    SCREENING_TOKENS,
    YES,
    answer_row,
    answer_schema,
    answer_tokens,
    custom_column,
    reading_rules,
    screening_rules,
    screening_schema,
)
from dagster_project.custom_facets import CustomFacet
from dagster_project.errors import ObservatoryError
from dagster_project.language_models import Asker, Message, Request, Response, Sampling
from dagster_project.language_models.prompts import mark, render, without
from schemas.reading import SCREENED_OUT

# What the block's frame and a chat template take around a conversation.
FRAME_TOKENS = 200
LEAST_TOKENS = 200
ANSWERS_A_FILE = 2_000
Frames = Callable[[], Iterator[pl.DataFrame]]


@dataclass(frozen=True)
class Inquiry:
    """One way of asking about every conversation: the rules, the form of the answer, and how long it may be."""

    rules: str
    schema: dict
    answer: int


@dataclass(frozen=True)
class Reader:
    """A model that reads. most_tokens: of a conversation that are shown; secret: the home's, for the marks."""

    asker: Asker
    secret: bytes
    most_tokens: int
    custom: tuple[CustomFacet, ...] = ()
    screener: str | None = None

    def facets(self) -> Inquiry:
        """Asks for all facets at once."""
        return Inquiry(reading_rules(self.custom), answer_schema(self.custom), answer_tokens(self.custom))

    def screening(self) -> Inquiry:
        """Asks the screener's question."""
        return Inquiry(screening_rules(self.screener or ""), screening_schema(), SCREENING_TOKENS)

    def room(self, inquiry: Inquiry) -> int:
        """Tokens that a conversation may take. Raises ObservatoryError where the model's context is too small."""
        model = self.asker.model
        if model.context_tokens is None:
            return self.most_tokens
        rules = model.count_tokens([inquiry.rules])[0]
        left = model.context_tokens - rules - inquiry.answer - FRAME_TOKENS
        if left < LEAST_TOKENS:
            raise ObservatoryError(
                f"the reader's context of {model.context_tokens} tokens leaves no room for a conversation beside "
                f"{rules} tokens of questions and {inquiry.answer} of answer; take another model or fewer custom facets"
            )
        return min(self.most_tokens, left)


@dataclass
class Books:
    """What is known of each conversation by its place in the batch: whether it was shown in part, and why it has no facets."""

    truncated: np.ndarray
    faults: dict[int, str] = field(default_factory=dict)
    screened_out: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    @classmethod
    def of(cls, total: int) -> Books:
        """Books of so many conversations, of which nothing is known yet."""
        return cls(np.zeros(total, dtype=np.bool_), {}, np.zeros(total, dtype=np.bool_))

    def fault(self, row: int) -> str | None:
        """Why a conversation has no answer; None where it has one."""
        return SCREENED_OUT if self.screened_out[row] else self.faults.get(row)


def screen(reader: Reader, frames: Frames, books: Books, on_answer: Callable[[], None]) -> None:
    """Ask the screener's question about every conversation, and enter those it sorts out, and faults, into the books."""
    for response in reader.asker.generate(requests(reader, reader.screening(), frames, books)):
        row = int(response.id)
        if response.fault is not None:
            books.faults[row] = response.fault.value
        else:
            books.screened_out[row] = response.value["answer"] != YES
        on_answer()


def ask(
    reader: Reader, frames: Frames, books: Books, folder: Path, on_answer: Callable[[], None]
) -> list[tuple[int, int, Path]]:
    """Ask for the facets of every conversation that the books do not exclude; faults go into the books.

    Returns the files of answers with the lowest and highest row in each: row UInt32, request, task, language, concern and
    the custom facets, in no order.
    """
    files: list[tuple[int, int, Path]] = []
    answers = _answers(reader, frames, books, on_answer)
    while rows := list(islice(answers, ANSWERS_A_FILE)):
        frame = pl.DataFrame(rows, schema=answer_columns(reader.custom))
        path = folder / f"answers-{len(files)}.parquet"
        frame.write_parquet(path)
        low, high = frame.select(pl.col("row").min().alias("low"), pl.col("row").max().alias("high")).row(0)
        files.append((low, high, path))
    return files


def answer_columns(custom: Sequence[CustomFacet]) -> dict[str, pl.DataType | type[pl.DataType]]:
    """Columns of a file of answers."""
    fixed = {
        "row": pl.UInt32,
        "request": pl.String,
        "task": pl.String,
        "language": pl.String,
        "concern": pl.UInt8,
    }
    return {**fixed, **{custom_column(facet): pl.String for facet in custom}}


def _answers(
    reader: Reader, frames: Frames, books: Books, on_answer: Callable[[], None]
) -> Iterator[dict[str, object]]:
    response: Response
    for response in reader.asker.generate(requests(reader, reader.facets(), frames, books)):
        row = int(response.id)
        if response.fault is not None:
            books.faults[row] = response.fault.value
        else:
            yield {"row": row, **answer_row(response.value, reader.custom)}
        on_answer()


def requests(reader: Reader, inquiry: Inquiry, frames: Frames, books: Books) -> Iterator[Request]:
    """One request for each conversation that may still be read; its id is the conversation's place in the batch."""
    room, row = reader.room(inquiry), 0
    for frame in frames():
        for conversation_id, user_key, turns in _conversations(frame):
            if books.fault(row) is None:
                fitted, truncated = fit(turns, room, reader.asker.model.count_tokens)
                books.truncated[row] = truncated
                yield Request(
                    str(row),
                    (
                        Message("system", inquiry.rules),
                        Message("user", _block(fitted, truncated, reader.secret)),
                    ),
                    Sampling(max_tokens=inquiry.answer),
                    inquiry.schema,
                    sources=frozenset(filter(None, (conversation_id, user_key))),
                )
            row += 1


def _conversations(frame: pl.DataFrame) -> Iterable[tuple[str, str | None, list[Turn]]]:
    """conversation_id, user_key and disarmed messages of each row of a frame with conversation_id, user_key, messages."""
    messages = frame.with_row_index("row").explode("messages", empty_as_null=False).unnest("messages")
    shown = messages.with_columns(disarm(messages["content"].fill_null("")).alias("content"))
    turns = shown.group_by("row", maintain_order=True).agg(pl.struct("role", "content").alias("turns"))
    rows = frame.with_row_index("row").select("row", "conversation_id", "user_key")
    for _, conversation_id, user_key, listed in rows.join(
        turns, on="row", how="left", maintain_order="left"
    ).iter_rows():
        yield conversation_id, user_key, [Turn(turn["role"], turn["content"]) for turn in listed or ()]


def _block(turns: Sequence[Turn], truncated: bool, secret: bytes) -> str:
    chosen = mark(secret, [f"{turn.role}\n{turn.content}" for turn in turns])
    marked = [Turn(turn.role, without(turn.content, chosen)) for turn in turns]
    return render(FOLDER, BLOCK, mark=chosen, truncated=truncated, turns=marked)
