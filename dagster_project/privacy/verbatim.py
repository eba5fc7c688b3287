"""Copied text: windows of words (or of characters, in scripts without spaces) that stand in restricted text too.

Both sides are reduced by the same Polars expression to lower-case words. Any window of n words holds one of the
blocks of about n/2 words that tile its string, so only those blocks are searched (Aho-Corasick, streamed over slices
of the raw text), and full windows are compared in the few rows that hold a block.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

import polars as pl

WORDS = 13
CHARACTERS = 24
MIN_LETTERS = 20
UNSPACED = r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
UNSPACED_RUN = re.compile(UNSPACED)


def words_of(text: pl.Expr) -> pl.Expr:
    """Lower-case words parted and surrounded by single blanks (NFKC; punctuation and invisible characters go)."""
    plain = text.str.normalize("NFKC").str.replace_all(r"\p{Cf}", "").str.to_lowercase()
    return pl.concat_str(pl.lit(" "), plain.str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " "), pl.lit(" ")).str.replace_all(
        "  ", " ", literal=True
    )


class CopiedText:
    """Windows of a set of strings, ready to be looked for in restricted text."""

    def __init__(self, texts: Iterable[str], words: int = WORDS, characters: int = CHARACTERS) -> None:
        """Prepare the windows of distinct strings; a string shorter than a window has none."""
        self._words, self._characters = words, characters
        reduced = pl.DataFrame({"text": list(texts)}, schema={"text": pl.String}).select(words_of(pl.col("text")))
        self._spaced: dict[str, set[int]] = defaultdict(set)
        self._unspaced: dict[str, set[int]] = defaultdict(set)
        blocks: set[str] = set()
        tight: set[str] = set()
        for at, text in enumerate(reduced.to_series()):
            blocks |= self._add_words(at, text.split())
            if UNSPACED_RUN.search(text):
                tight |= self._add_characters(at, text.replace(" ", ""))
        self._blocks, self._tight = sorted(blocks), sorted(tight)

    def _add_words(self, at: int, words: list[str]) -> set[str]:
        size = self._words
        windows = [" ".join(words[i : i + size]) for i in range(len(words) - size + 1)]
        for window in windows:
            self._spaced[window].add(at)
        half = (size + 1) // 2
        starts = range(0, len(words) - half + 1, half) if windows else ()
        return {f" {' '.join(words[i : i + half])} " for i in starts}

    def _add_characters(self, at: int, text: str) -> set[str]:
        size = self._characters
        windows = [text[i : i + size] for i in range(len(text) - size + 1)]
        windows = [window for window in windows if len(UNSPACED_RUN.findall(window)) > size // 2]
        for window in windows:
            self._unspaced[window].add(at)
        half = size // 2
        return {text[i : i + half] for i in range(0, len(text) - half + 1, half)} if windows else set()

    def found_in(self, restricted: Iterable[pl.DataFrame]) -> set[int]:
        """Positions of the strings that share a window with restricted text (frames with `text` or `messages`)."""
        found: set[int] = set()
        if self._blocks or self._tight:
            for frame in restricted:
                found |= self._search(pl.DataFrame({"text": _contents(frame)}))
        return found

    def _search(self, frame: pl.DataFrame) -> set[int]:
        found: set[int] = set()
        reduced = frame.lazy().select(words_of(pl.col("text")).alias("text")).collect()
        if self._blocks:
            rows = reduced.filter(pl.col("text").str.contains_any(self._blocks))["text"]
            found |= self._windows_in((text.split() for text in rows), self._words, " ", self._spaced)
        if self._tight:
            tight = reduced.filter(pl.col("text").str.contains(UNSPACED)).select(
                pl.col("text").str.replace_all(" ", "", literal=True)
            )
            rows = tight.filter(pl.col("text").str.contains_any(self._tight))["text"]
            found |= self._windows_in(rows, self._characters, "", self._unspaced)
        return found

    @staticmethod
    def _windows_in(rows: Iterable[list[str] | str], size: int, glue: str, known: dict[str, set[int]]) -> set[int]:
        found: set[int] = set()
        for row in rows:
            for i in range(len(row) - size + 1):
                found |= known.get(glue.join(row[i : i + size]), set())
        return found


def _contents(frame: pl.DataFrame) -> pl.Series:
    """The texts of a frame: its `text` column, or the content of every message."""
    if "text" in frame.columns:
        return frame["text"].drop_nulls()
    return frame["messages"].explode().struct.field("content").drop_nulls()
