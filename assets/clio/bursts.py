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
    """What counts as a burst: enough users and conversations in one window, and `lift` times what is usual.

    `quiet`: windows without the request that are taken to lie before the data begin, so that the median window of a
    request that fills data of no more windows than that is an empty one.
    """

    min_users: int
    min_conversations: int
    window: timedelta = timedelta(hours=24)
    similarity: float = 0.7
    lift: float = 4.0
    quiet: int = 4


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
    observed: timedelta = known.select(pl.col("started_at").max() - pl.col("started_at").min()).item()
    return _bursts(grouped, int(observed / rules.window) + 1, rules)


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


def _bursts(grouped: pl.DataFrame, windows: int, rules: BurstRules) -> pl.DataFrame:
    """Runs of each group in which it is asked by enough users and far more often than usual.

    `windows`: how many windows long the data are. A run is made of all windows, one starting at each request, that
    hold enough users and `lift` times the group's median window; windows that share a request are of one run. It is a
    burst where its rate is also `lift` times that outside of all runs of the group.
    """
    sized = grouped.with_columns(total=pl.len().over("group"))
    large = sized.filter(pl.col("total") >= rules.min_conversations).sort("group", "started_at")
    if large.is_empty():
        return empty(Burst)
    usual = large.select("group").join(
        _median_windows(large, windows, rules), on="group", how="left", maintain_order="left"
    )
    needed = np.maximum(rules.min_conversations, rules.lift * usual["median"].fill_null(0).to_numpy())
    ends = _window_ends(large, rules.window)
    held = ends - np.arange(ends.size)
    run = _runs(ends, (held >= needed) & (_distinct_users(large, ends) >= rules.min_users))
    inside = large.with_columns(run=pl.Series(run)).filter(pl.col("run").is_not_null())
    found = inside.filter(_is_lifted(windows, rules)).with_columns(
        conversations=pl.len().over("run"),
        users=pl.col("user_key").drop_nulls().n_unique().over("run"),
        first_at=pl.col("started_at").min().over("run"),
        last_at=pl.col("started_at").max().over("run"),
    )
    return found.sort("first_at", "run", "started_at").select(
        pl.col("run").rle_id().cast(pl.UInt32).alias("burst"),
        "conversation_id",
        "user_key",
        "first_at",
        "last_at",
        pl.col("users", "conversations").cast(pl.UInt32),
        "similarity",
    )


def _median_windows(large: pl.DataFrame, windows: int, rules: BurstRules) -> pl.DataFrame:
    """Conversations in the median window of each group, windows side by side and empty ones included: group, median.

    Groups of which the median window is empty are left out.
    """
    window = (
        pl.col("started_at").dt.timestamp("us") // int(rules.window.total_seconds() * MICROSECONDS)
    ).alias("window")
    counts = large.group_by("group", window).agg(n=pl.len()).sort("group", "n")
    middle = (windows + rules.quiet - 1) // 2
    empty_ones = windows + rules.quiet - pl.len().over("group").cast(pl.Int64)
    place = pl.int_range(pl.len()).over("group")
    return counts.filter(place + empty_ones == middle).select("group", median="n")


def _window_ends(large: pl.DataFrame, window: timedelta) -> Array:
    """First row behind the window that starts at each row. Sorted by group and time."""
    seconds = large["started_at"].dt.timestamp("us").to_numpy() / MICROSECONDS
    group = large["group"].rle_id().to_numpy().astype(np.int64)
    span = seconds.max() - seconds.min() + window.total_seconds() + 1
    place = group * span + (seconds - seconds.min())
    return np.searchsorted(place, place + window.total_seconds(), side="right")


def _distinct_users(large: pl.DataFrame, ends: Array) -> Array:
    """Distinct known users of the window that starts at each row.

    These are its rows with a user, less those whose user's row before lies in the window too. A pair of such rows is in the
    window where its later row is before the end and its earlier one is not before the start; pairs around a window are
    those of a range of windows, since ends never fall.
    """
    size = ends.size
    row = large.select("group", "user_key", row=pl.int_range(pl.len())).filter(
        pl.col("user_key").is_not_null()
    )
    pair = row.with_columns(before=pl.col("row").shift(1).over("group", "user_key")).drop_nulls("before")
    later, earlier = pair["row"].to_numpy(), pair["before"].to_numpy()
    around = _covered(earlier + 1, np.searchsorted(ends, later, side="right"), size)
    inside = _before(later, size)[ends] - _before(earlier, size)[:size] + around
    named = _before(row["row"].to_numpy(), size)
    return named[ends] - named[:size] - inside


def _before(rows: Array, size: int) -> Array:
    """How many of `rows` lie before each of 0 ... size. (size + 1,)"""
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=size))])


def _covered(starts: Array, ends: Array, size: int) -> Array:
    """How many of the ranges hold each of 0 ... size - 1; ranges that end before they start hold none."""
    real = ends > starts
    begun = np.bincount(starts[real], minlength=size + 1) - np.bincount(ends[real], minlength=size + 1)
    return np.cumsum(begun)[:size]


def _runs(ends: Array, full: Array) -> pl.Series:
    """Number of the run of windows that each row lies in; null outside of all windows that are `full`."""
    size, starts = ends.size, np.flatnonzero(full)
    inside = _covered(starts, ends[starts], size) > 0
    joined = _covered(starts + 1, ends[starts], size) > 0
    return pl.Series(np.cumsum(~joined)).set(pl.Series(~inside), None)


def _is_lifted(windows: int, rules: BurstRules) -> pl.Expr:
    """Whether a run's rate is far above that outside of all runs of its group, both by window."""
    last, first = (pl.col("started_at").max().over("run"), pl.col("started_at").min().over("run"))
    length = pl.max_horizontal((last - first) / rules.window, 1.0)
    share = length / pl.len().over("run")
    outside = pl.max_horizontal(windows - share.sum().over("group"), 1.0)
    usual = (pl.col("total") - pl.len().over("group")) / outside
    return pl.len().over("run") / length >= rules.lift * usual
