"""Bursts: near-identical requests by many users within a short time, as coordinated use leaves them.

Near-duplicates are found by MinHash signatures cut into bands (A. Z. Broder, SEQUENCES 1997; J. Leskovec, A.
Rajaraman, J. Ullman, Mining of Massive Datasets, chapter 3): work grows with the number of requests, not with
the number of pairs. Pure: frames in, frames out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from schemas.comparisons import Burst, empty

Array = np.ndarray
BANDS, ROWS = 16, 4
SHINGLE = 3
FEWEST_WORDS = 6
SLICE = 50_000
PRIME = (1 << 31) - 1
MIXING = np.uint64(0x9E3779B97F4A7C15)
MICROSECONDS = 1_000_000
WORD = r"[\p{L}\p{M}\p{N}]+"
LETTER = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]"


@dataclass(frozen=True)
class BurstRules:
    """What counts as a burst; `concentration`: share of all its near-duplicates that falls into the window."""

    min_users: int
    min_conversations: int
    window: timedelta = timedelta(hours=24)
    similarity: float = 0.7
    concentration: float = 0.5


def find_bursts(requests: pl.DataFrame, rules: BurstRules) -> pl.DataFrame:
    """Conversations that belong to a burst, as `schemas.comparisons.Burst`.

    In: conversation_id, user_key, started_at, request. Requests without a time or of fewer than six words are
    left out: short ones are alike by nature. A user without a key is one of an unknown number and counts for none.
    """
    known = requests.filter(pl.col("started_at").is_not_null()).with_columns(words=words("request"))
    known = known.filter(pl.col("words").list.len() >= FEWEST_WORDS).sort("started_at", "conversation_id")
    if known.is_empty():
        return empty(Burst)
    signatures = _signatures(known["words"])
    group, likeness = _groups(signatures, rules.similarity)
    grouped = known.select(
        "conversation_id", "user_key", "started_at", group=pl.Series(group), similarity=pl.Series(likeness)
    )
    return _bursts(grouped, rules)


def words(column: str) -> pl.Expr:
    """Words of a text in lower case; scripts that do not part words give their letters one by one."""
    text = pl.col(column).str.to_lowercase()
    return text.str.replace_all(rf"({LETTER})", " $1 ").str.extract_all(WORD)


def _signatures(texts: pl.Series) -> Array:
    """MinHash signatures of the shingles of each text. (N, BANDS * ROWS) uint32."""
    rng = np.random.default_rng(0)
    factor, shift = rng.integers(1, PRIME, (2, BANDS * ROWS), dtype=np.uint64)
    signatures = np.empty((len(texts), BANDS * ROWS), dtype=np.uint32)
    for start in range(0, len(texts), SLICE):
        part = texts.slice(start, SLICE)
        shingles, first = _shingles(part)
        for index in range(BANDS * ROWS):
            mixed = (shingles * factor[index] + shift[index]) % np.uint64(PRIME)
            signatures[start : start + len(part), index] = np.minimum.reduceat(mixed, first)
    return signatures


def _shingles(texts: pl.Series) -> tuple[Array, Array]:
    """Hashes, under 2**31, of every SHINGLE words in a row, and where each text's begin."""
    lengths = texts.list.len().to_numpy().astype(np.int64)
    word = texts.list.explode().hash(seed=1).to_numpy()
    mixed = np.zeros(word.size - SHINGLE + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for offset in range(SHINGLE):
            mixed = mixed * MIXING + word[offset : offset + mixed.size]
    ends = np.cumsum(lengths)
    position = np.arange(mixed.size)
    inside = position + SHINGLE <= np.repeat(ends, lengths)[: mixed.size]
    count = lengths - SHINGLE + 1
    return (mixed[inside] >> np.uint64(33)), np.cumsum(count) - count


def _groups(signatures: Array, similarity: float) -> tuple[Array, Array]:
    """Group of near-duplicates of each text, and its estimated Jaccard similarity to the group's first text.

    Texts with an equal band (by its hash) are compared with the first such text; those alike are joined, and so are theirs.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size, heads, tails = len(signatures), [], []
    for band in range(BANDS):
        rows = signatures[:, band * ROWS : (band + 1) * ROWS].astype(np.uint64)
        key = (rows * MIXING ** np.arange(ROWS, dtype=np.uint64)).sum(axis=1)
        _, first, place = np.unique(key, return_index=True, return_inverse=True)
        head = first[place]
        alike = np.flatnonzero(head != np.arange(size))
        close = (signatures[alike] == signatures[head[alike]]).mean(axis=1) >= similarity
        heads.append(head[alike[close]])
        tails.append(alike[close])
    edge = np.concatenate(heads), np.concatenate(tails)
    links = coo_array((np.ones(edge[0].size, dtype=bool), edge), shape=(size, size))
    group = connected_components(links, directed=False)[1]
    first = np.unique(group, return_index=True)[1][group]
    likeness = (signatures == signatures[first]).mean(axis=1)
    return group, likeness.astype(np.float32)


def _bursts(grouped: pl.DataFrame, rules: BurstRules) -> pl.DataFrame:
    """The fullest window of each group, where it holds enough users and most of the group."""
    sized = grouped.with_columns(total=pl.len().over("group"))
    large = sized.filter(pl.col("total") >= rules.min_conversations).sort("group", "started_at")
    if large.is_empty():
        return empty(Burst)
    inside = large.filter(_in_fullest_window(large, rules.window)).with_columns(
        conversations=pl.len().over("group"), users=pl.col("user_key").drop_nulls().n_unique().over("group")
    )
    found = inside.filter(
        (pl.col("conversations") >= rules.min_conversations)
        & (pl.col("users") >= rules.min_users)
        & (pl.col("conversations") >= rules.concentration * pl.col("total"))
    )
    first = pl.col("started_at").min().over("group")
    table = found.with_columns(first_at=first, last_at=pl.col("started_at").max().over("group"))
    return table.sort("first_at", "group", "started_at").select(
        pl.col("group").rle_id().cast(pl.UInt32).alias("burst"),
        "conversation_id",
        "user_key",
        "first_at",
        "last_at",
        pl.col("users", "conversations").cast(pl.UInt32),
        "similarity",
    )


def _in_fullest_window(large: pl.DataFrame, window: timedelta) -> pl.Series:
    """Whether each row lies in the window of its group that holds most. Sorted by group and time."""
    seconds = large["started_at"].dt.timestamp("us").to_numpy() / MICROSECONDS
    group = large["group"].rle_id().to_numpy().astype(np.int64)
    span = seconds.max() - seconds.min() + window.total_seconds() + 1
    place = group * span + (seconds - seconds.min())
    held = np.searchsorted(place, place + window.total_seconds(), side="right") - np.arange(place.size)
    best = pl.DataFrame({"group": group, "held": held, "start": place}).with_columns(
        begin=pl.col("start").sort_by("held", descending=True, maintain_order=True).first().over("group")
    )["begin"].to_numpy()  # fmt: skip
    return pl.Series((place >= best) & (place <= best + window.total_seconds()))
