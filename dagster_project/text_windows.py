"""Windows of restricted text as sorted hashes, one table a batch: what may be copied is looked up, not searched for.

A window that stands in both texts has one hash in both, so strings without a common hash share nothing; those with
one are compared word by word (`privacy.verbatim`). Hashes of a batch are computed once, when its text is new.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dagster_project.home import Batch, Home
from dagster_project.lake import Manifest
from dagster_project.privacy.verbatim import (
    BREAK,
    CHARACTERS,
    UNSPACED,
    UNSPACED_BLOCKS,
    WORDS,
    contents,
    reduce_texts,
    text_slices,
)
from schemas.catalogue import CONVERSATIONS

TABLE = "text_windows"
VERSION = "1"
ZONE = "restricted"
Hashes = NDArray[np.uint64]
# Odd, so that it has an inverse modulo 2^64 and a window's hash can be had from two sums over all points before.
BASE = 0x9E3779B97F4A7C15
INVERSE = pow(BASE, -1, 1 << 64)
ROWS_AT_ONCE = 20_000
SLICE_BYTES = 1 << 20
SPACE, STOP = ord(" "), ord(BREAK)


def shared_strings(home: Home, strings: Sequence[str]) -> set[str]:
    """Those of the strings that may share a window with a conversation of the home: each that does is among them.

    Batches whose text is not indexed yet, or whose index is damaged, are indexed first.
    """
    hashes, owners = _all_windows(pl.Series(strings, dtype=pl.String))
    found: set[int] = set()
    for batch in home.batches():
        for known in _indexed(home, batch):
            place = np.minimum(np.searchsorted(known, hashes), known.size - 1)
            found |= set(owners[known[place] == hashes].tolist())
    return {strings[owner] for owner in found}


def _all_windows(strings: pl.Series) -> tuple[Hashes, NDArray[np.int64]]:
    hashes, owners, first = [np.empty(0, dtype=np.uint64)], [np.empty(0, dtype=np.int64)], 0
    for texts in text_slices(strings, SLICE_BYTES):
        found, rows = window_hashes(texts)
        hashes.append(found)
        owners.append(rows + first)
        first += len(texts)
    return np.concatenate(hashes), np.concatenate(owners)


def window_hashes(texts: pl.Series) -> tuple[Hashes, NDArray[np.int64]]:
    """Hash of every window of WORDS words, and of CHARACTERS characters of scripts without spaces, with its text's row.

    Windows lie within one text. Null texts have none.
    """
    rows = texts.is_not_null().arg_true().to_numpy().astype(np.int64)
    texts = texts.drop_nulls()
    tight = texts.str.contains(UNSPACED).arg_true().to_numpy()
    words, owners = _word_windows(reduce_texts(texts))
    characters, places = _character_windows(reduce_texts(texts.gather(tight)))
    return np.concatenate([words, characters]), rows[np.concatenate([owners, tight[places]])]


def _word_windows(buffer: bytes) -> tuple[Hashes, NDArray[np.int64]]:
    points = np.frombuffer(buffer, dtype=np.uint8)
    blanks = np.flatnonzero(points == SPACE)
    starts, ends = blanks[:-1] + 1, blanks[1:]
    return _windows(points, starts, ends, points[starts] == STOP, WORDS, None)


def _character_windows(buffer: bytes) -> tuple[Hashes, NDArray[np.int64]]:
    points = np.frombuffer(buffer.replace(b" ", b"").decode().encode("utf-32-le"), dtype=np.uint32)
    unspaced = np.zeros(points.size, dtype=np.bool_)
    for first, last in UNSPACED_BLOCKS:
        unspaced |= (points >= first) & (points <= last)
    starts = np.arange(points.size)
    return _windows(points, starts, starts + 1, points == STOP, CHARACTERS, unspaced)


def _windows(
    points: NDArray[np.unsignedinteger],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    stops: NDArray[np.bool_],
    size: int,
    counted: NDArray[np.bool_] | None,
) -> tuple[Hashes, NDArray[np.int64]]:
    """Hashes of all runs of `size` units without a stop, more than half of them `counted`, and their texts' rows."""
    if starts.size < size:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
    powers, inverses = _powers(max(2 * SLICE_BYTES, 1 << int(points.size).bit_length()))
    sums = np.zeros(points.size + 1, dtype=np.uint64)
    np.cumsum((points.astype(np.uint64) + 1) * powers[: points.size], out=sums[1:])
    text = np.cumsum(stops)
    last = size - 1
    whole = ~stops[: stops.size - last] & (text[last:] == text[: text.size - last])
    if counted is not None:
        before = np.concatenate([[0], np.cumsum(counted)])
        whole &= before[size:] - before[:-size] > size // 2
    chosen = np.flatnonzero(whole)
    start, end = starts[chosen], ends[chosen + last]
    return (sums[end] - sums[start]) * inverses[start], text[chosen] - 1


@lru_cache(maxsize=1)
def _powers(size: int) -> tuple[Hashes, Hashes]:
    """Powers of the base and of its inverse, modulo 2^64."""
    factors = (np.full(size, factor, dtype=np.uint64) for factor in (BASE, INVERSE))
    powers, inverses = (np.concatenate([[np.uint64(1)], np.cumprod(row[1:])]) for row in factors)
    return powers, inverses


def drop_index(home: Home, batch: str) -> None:
    """Remove a batch's hashes: they tell of text that is about to go."""
    folder = home.lake.folder(ZONE, TABLE, batch)
    if folder.exists():
        shutil.rmtree(folder)


def drop_strays(home: Home) -> None:
    """Remove the hashes of batches that are no longer registered."""
    keys = {batch.key for batch in home.batches()}
    for folder in (home.restricted / TABLE).glob("*/"):
        if folder.name not in keys:
            drop_index(home, folder.name)


def _indexed(home: Home, batch: Batch) -> Iterator[Hashes]:
    """Sorted hashes of a batch's conversations, in parts; nothing where it holds none."""
    conversations = home.lake.manifest(CONVERSATIONS.zone, CONVERSATIONS.name, batch.key)
    if conversations is None:
        return
    fingerprint = f"{VERSION}-{conversations.sha256}"
    if not home.lake.holds(ZONE, TABLE, batch.key, fingerprint):
        _index(home, batch, conversations, fingerprint)
    with pq.ParquetFile(home.lake.path(ZONE, TABLE, batch.key)) as file:
        for group in range(file.num_row_groups):
            known = file.read_row_group(group)["window"].to_numpy()
            if known.size:
                yield known


def _index(home: Home, batch: Batch, conversations: Manifest, fingerprint: str) -> None:
    text = home.lake.scan(CONVERSATIONS.zone, CONVERSATIONS.name, batch.key).select("messages")
    parts = (
        pl.DataFrame({"window": _distinct(text.slice(start, ROWS_AT_ONCE).collect())})
        for start in range(0, max(1, conversations.rows), ROWS_AT_ONCE)
    )
    staged = home.lake.stage(ZONE, TABLE, parts, batch.key)
    home.lake.commit(staged, code_version=VERSION, fingerprint=fingerprint)


def _distinct(frame: pl.DataFrame) -> pl.Series:
    parts = [window_hashes(texts)[0] for texts in text_slices(contents(frame), SLICE_BYTES)]
    return pl.Series(np.concatenate([np.empty(0, dtype=np.uint64), *parts])).unique().sort()
