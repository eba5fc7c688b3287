"""Copied text: windows of words (or of characters, in scripts without spaces) that stand in restricted text
too.

Both sides are reduced by the same steps to lower-case words in one long buffer. Any window of n words holds
one of the blocks of about n/2 words that tile its string, so only those blocks are searched (Aho-Corasick
over each slice's buffer), and full windows are compared around the few places where a block stands.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

WORDS = 13
CHARACTERS = 24
# Thai and Lao, Burmese, Khmer, Japanese syllables and Han characters with the forms that NFKC makes of them or from them.
UNSPACED_BLOCKS = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x312F),
    (0x3190, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF65, 0xFF9F),
    (0x20000, 0x3FFFF),
)
UNSPACED = f"[{''.join(f'{chr(first)}-{chr(last)}' for first, last in UNSPACED_BLOCKS)}]"
UNSPACED_RUN = re.compile(UNSPACED)
# Between texts stands a byte that text cannot hold after reduction, so that nothing runs over.
BREAK = "\x01"
KEPT = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789\x01") | frozenset(range(128, 256))
FOREIGN_MARKS = r"[^\p{L}\p{M}\p{N}\x00-\x7f]"
REDUCED = bytes(code + 32 if 65 <= code <= 90 else code if code in KEPT else 32 for code in range(256))
AROUND = 2_048
SLICE_BYTES = 16 << 20


def reduce_texts(texts: pl.Series) -> bytes:
    """Texts in order as UTF-8 words in lower case, parted by single blanks, with ` BREAK ` around each text.

    NFKC; punctuation becomes a blank, invisible characters vanish.
    """
    texts = texts.str.replace_all(BREAK, " ", literal=True)
    rows = texts.to_list()
    # Most wide rows are so for a typographic quote or dash only; just the rest pays for normalisation.
    plain = pl.DataFrame({"row": _wide(texts)}).with_columns(
        texts.gather(_wide(texts))
        .str.replace_all(r"\p{Cf}", "")
        .str.replace_all(FOREIGN_MARKS, " ")
        .alias("text")
    )
    folded = plain[_wide(plain["text"])].with_columns(pl.col("text").str.normalize("NFKC").str.to_lowercase())
    for row, text in (*plain.iter_rows(), *folded.iter_rows()):
        rows[row] = text
    return _single_blanks(f" {BREAK} ".join(["", *rows, ""]).encode().translate(REDUCED))


def _wide(texts: pl.Series) -> pl.Series:
    """Rows that hold more than ASCII."""
    return (texts.str.len_bytes() != texts.str.len_chars()).arg_true()


def _single_blanks(content: bytes) -> bytes:
    points = np.frombuffer(content, dtype=np.uint8)
    blank = points == ord(" ")
    kept = np.ones(len(points), dtype=np.bool_)
    kept[1:] = ~(blank[1:] & blank[:-1])
    return points[kept].tobytes()


class CopiedText:
    """Windows of a set of strings, ready to be looked for in restricted text."""

    def __init__(
        self,
        texts: Iterable[str],
        words: int = WORDS,
        characters: int = CHARACTERS,
        public: Iterable[str] = (),
    ) -> None:
        """Prepare the windows of distinct strings; a string shorter than a window has none.

        Windows of `public` strings are left out.
        """
        self._words, self._characters = words, characters
        self._spaced: dict[str, set[int]] = defaultdict(set)
        self._unspaced: dict[str, set[int]] = defaultdict(set)
        blocks: set[str] = set()
        tight: set[str] = set()
        reduced = reduce_texts(pl.Series(list(texts), dtype=pl.String)).decode().split(BREAK)[1:-1]
        for at, text in enumerate(reduced):
            blocks |= self._add_words(at, text.split())
            if UNSPACED_RUN.search(text):
                tight |= self._add_characters(at, text.replace(" ", ""))
        self._blocks, self._tight = sorted(blocks), sorted(tight)
        known = list(public)
        if known:
            self._forget(CopiedText(known, words, characters))

    def _forget(self, public: CopiedText) -> None:
        for mine, theirs in ((self._spaced, public._spaced), (self._unspaced, public._unspaced)):
            for window in mine.keys() & theirs.keys():
                del mine[window]

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
        """Positions of the strings that share a window with frames of `text` or `messages`."""
        found: set[int] = set()
        if self._blocks or self._tight:
            for frame in restricted:
                for texts in text_slices(contents(frame)):
                    found |= self._search(texts)
        return found

    def _search(self, texts: pl.Series) -> set[int]:
        found: set[int] = set()
        if self._blocks:
            for place in _places(reduce_texts(texts), self._blocks):
                found |= _windows_in(place.split(" "), self._words, " ", self._spaced)
        if self._tight:
            unspaced = texts.filter(texts.str.contains(UNSPACED).fill_null(False))
            for place in _places(reduce_texts(unspaced).replace(b" ", b""), self._tight):
                found |= _windows_in(place, self._characters, "", self._unspaced)
        return found


def text_slices(texts: pl.Series, size: int = SLICE_BYTES) -> Iterator[pl.Series]:
    """Rows in parts of about `size` bytes, so that the buffers stay small; a longer row is a part by itself."""
    ends = texts.str.len_bytes().fill_null(0).cum_sum().to_numpy().astype(np.int64)
    total = int(ends[-1]) if ends.size else 0
    cuts = np.unique([0, *np.searchsorted(ends, np.arange(size, total, size), side="right")])
    return (
        texts.slice(start, stop - start)
        for start, stop in zip(cuts, [*cuts[1:], len(texts)], strict=True)
        if stop > start
    )


def _places(buffer: bytes, blocks: list[str]) -> Iterator[str]:
    """Stretches of the buffer around the places where any block stands; places close together share one."""
    found = pl.Series([buffer.decode()], dtype=pl.String).str.find_many(blocks)[0]
    end = 0
    for at in found:
        if at + AROUND // 2 > end:
            start, end = max(0, at - AROUND), at + 2 * AROUND
            yield buffer[start:end].decode("utf-8", "ignore")


def _windows_in(row: list[str] | str, size: int, glue: str, known: dict[str, set[int]]) -> set[int]:
    found: set[int] = set()
    for i in range(len(row) - size + 1):
        found |= known.get(glue.join(row[i : i + size]), set())
    return found


def contents(frame: pl.DataFrame) -> pl.Series:
    """The texts of a frame: its `text` column, or the content of every message."""
    if "text" in frame.columns:
        return frame["text"].drop_nulls()
    return frame["messages"].explode().struct.field("content").drop_nulls()
