"""A small public with opinions for the tests: camps that vote by their own leaning, as plain tables or a Polis export."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from assets.collective_constitution.building import kept_matrix, members_table, splits, splits_table
from assets.collective_constitution.figures import Given, published_figures
from assets.collective_constitution.filters import apply_rules
from assets.collective_constitution.options import CollectiveOptions
from assets.collective_constitution.reading import Conversation, sorted_by_id

SHARED = ("AI should be honest.", "AI should not spread hate.", "AI must protect privacy.")


def leanings(camps: int, statements: int, rng: np.random.Generator) -> np.ndarray:
    """(C, S): chance of each camp to agree; the first three statements please everybody, each other one some camp and not the next."""
    likes = np.where(rng.random((camps, statements)) < 0.5, 0.9, 0.1)
    column = np.arange(statements)
    likes[column % camps, column], likes[(column + 1) % camps, column] = 0.9, 0.1
    likes[:, : len(SHARED)] = 0.97
    return likes


def votes(
    people: int = 120, statements: int = 24, camps: int = 2, seen: float = 0.8, seed: int = 0
) -> pl.DataFrame:
    """participant_id, statement_id, vote: two camps, three statements that all agree with, some votes missing."""
    rng = np.random.default_rng(seed)
    camp = np.arange(people) % camps
    likes = leanings(camps, statements, rng)[camp]
    draw = rng.random((people, statements))
    said = np.where(draw < likes, 1, np.where(draw < likes + (1 - likes) / 3, 0, -1))
    row, column = np.nonzero(rng.random((people, statements)) < seen)
    return pl.DataFrame(
        {
            "participant_id": [f"p{place}" for place in row],
            "statement_id": [str(place) for place in column],
            "vote": said[row, column],
        }
    )


def statements(count: int = 24) -> pl.DataFrame:
    """statement_id, text, moderation: all let in."""
    texts = [*SHARED, *(f"AI should care for topic {place}." for place in range(len(SHARED), count))][:count]
    return pl.DataFrame(
        {"statement_id": [str(place) for place in range(count)], "text": texts, "moderation": [1] * count}
    )


def write_tables(folder: Path, given: pl.DataFrame, said: pl.DataFrame) -> Path:
    """The two plain tables in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    said.write_csv(folder / "statements.csv")
    given.write_csv(folder / "votes.csv")
    return folder


def one_topic(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors: texts are alike where they have words in common."""
    words = sorted({word for text in texts for word in text.lower().split()})
    vectors = np.array([[float(word in text.lower().split()) for word in words] for text in texts]) + 1e-9
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def given_for(said: pl.DataFrame, told: pl.DataFrame, options: CollectiveOptions, fewest: int = 10) -> Given:
    """What figures are made from, with the groups of both variants."""
    people = said.select("participant_id").unique()
    read = Conversation(
        told.cast({"moderation": pl.Int8}),
        sorted_by_id(said, "participant_id", "statement_id"),
        sorted_by_id(people, "participant_id"),
    )
    counted = apply_rules(read, options, ())
    matrix = kept_matrix(counted.statements, counted.participants, counted.votes)
    members = members_table(matrix, splits(matrix, counted.participants, 0))
    return Given(counted.statements, counted.participants, counted.votes, members, options, fewest)


def opinion_sample(limit: int = 5) -> dict[str, pl.DataFrame]:
    """Every published table of a small public, with another constitution beside its own."""
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other.txt"
        other.write_text("Choose the response that is honest.\nChoose the response that is short.\n")
        options = CollectiveOptions(folder=folder, other=str(other), agreement=0.6)
        given = given_for(votes(), statements(), options, limit)
        figures = published_figures(given, one_topic).tables
    matrix = kept_matrix(given.statements, given.participants, given.votes)
    return figures | {"opinion_splits": splits_table(splits(matrix, given.participants, 0), options.variant)}
