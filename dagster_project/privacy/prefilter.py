"""Which rows, and which stretches of them, are worth Presidio's time: Rust regular expressions over whole
columns.

Presidio's recognisers run at about 1 MB/s, these patterns at hundreds (specs/privacy_reliability.md, section
4.1: linear engine, no large counted classes). They over-select on purpose; Presidio decides. Disguises of
characters (full-width digits, zero-width characters inside a number) are undone first, with a map back to the
original.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

from dagster_project.privacy import contexts

# Soft hyphen, joiners, directional marks, variation selectors, byte order mark.
INVISIBLE = r"\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
WIDE_BLANKS = r"\u00a0\u2000-\u200a\u202f\u205f\u3000"
DASHES = r"\u2010-\u2015\u2212\ufe58\ufe63\uff0d"
DISGUISE = (
    rf"[{INVISIBLE}]|[\p{{Nd}}&&[^0-9]]|[\uff20\uff21-\uff3a\uff41-\uff5a\uff0e]"
    rf"|[0-9][{WIDE_BLANKS}{DASHES}][0-9]|[\U0001d400-\U0001d6ff]"
)
# Something written character by character; nearly always it holds a digit or an at sign.
SPELT_OUT = r"[0-9] {1,3}[!-~] {1,3}[!-~] {1,3}[!-~]|@ [!-~] [!-~] "
SPELT_RUN = re.compile(r"(?<!\w)\S(?: {1,3}\S(?!\w)){7,}")
NUMBERS = ("CREDIT_CARD", "IBAN", "PHONE", "SSN", "NATIONAL_ID", "PASSPORT", "DRIVER_LICENCE", "BANK_ACCOUNT",
           "DATE_OF_BIRTH", "STATED_ID")  # fmt: skip
# Types that count only beside a context word are not even looked for where none of their words stands.
GATES = {
    "STATED_ID": contexts.IDENTITY, "PASSPORT": contexts.PASSPORT, "DRIVER_LICENCE": contexts.DRIVER,
    "BANK_ACCOUNT": contexts.ACCOUNT, "DATE_OF_BIRTH": contexts.BIRTH, "HANDLE": contexts.HANDLE,
}  # fmt: skip
# The least that a type's recognisers ask for, as one linear pattern over a window.
SHAPES = {
    "CREDIT_CARD": r"[0-9](?:[ .-]?[0-9]){11}",
    "IBAN": r"[A-Za-z][ -]?[A-Za-z][ -]?[0-9][ -]?[0-9]",
    "PHONE": r"[0-9](?:[ .()/-]{0,3}[0-9]){6}",
    "SSN": r"[0-9]{3}[- .][0-9]{2}[- .][0-9]{4}|[0-9]{9}|[0-9]{5}-[0-9]{4}|[0-9]{3}-[0-9]{6}",
    "NATIONAL_ID": (
        r"(?i)[0-9]{7}-?[a-z]|[0-9]{6}[-+a-fu-y][0-9]{3}|[0-9]{3}[.-][0-9]{3}[.-][0-9]{3}|[0-9]{17}[0-9x]"
        r"|[0-9](?: ?[0-9ab]){14}|[a-z]{4}[0-9]{6}[hmx]|[a-z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[a-d]"
        r"|[0-9]{6}-[0-9]{7}|[a-z]{5}[0-9]{4}[a-z]"
    ),
    "TOKEN": r"[A-Za-z0-9_-]{16}|-----BEGIN",
}
# Patterns hold no look-around and no boundary, so that the n-th match is found again by plain search
# (`_locate`).
TRIGGERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "digits": (r"[0-9](?:[ \t.()/_-]{0,3}[0-9]){5,40}", NUMBERS),
    "at": (r"[^\s@]\s?@\s?[^\s@]", ("EMAIL", "HANDLE")),
    "spelt": (r"[dD][oO][tT][ \])}>]", ("SPELT_EMAIL",)),
    "bracketed": (r"[\[({<] ?[aA][tT] ?[\])}>]|[\[(]@", ("SPELT_EMAIL",)),
    "at abroad": (r"(?i)arroba|arobase| ät |собак|равлик| آت |ऐट|艾特|アット|골뱅이| nokta ", ("SPELT_EMAIL",)),
    "mail at": (r"(?i)mail[^\n@.]{0,40} at [a-z0-9-]+\.[a-z]", ("SPELT_EMAIL",)),
    "mention": (r"@[A-Za-z0-9_]{3}", ("HANDLE",)),
    "links": (r"(?i)(?:://|www[0-9]?\.)[^\s]+", ("URL", "EMAIL", "TOKEN")),
    "hosts": (r"(?i)(?:\.com/|t\.me/|wa\.me/|\.gg/|youtu\.be/|bit\.ly/|linktr\.ee/)[^\s]+", ("URL",)),
    "IPv4": (r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", ("IP_ADDRESS",)),
    "hex pairs": (r"[0-9A-Fa-f][:-][0-9A-Fa-f]{1,4}[:-][0-9A-Fa-f]{1,4}[:-][0-9A-Fa-f]", ("IP_ADDRESS",
    "MAC_ADDRESS")),
    "hex jump": (r"[0-9A-Fa-f]::[0-9A-Fa-f]", ("IP_ADDRESS",)),
    "hex fours": (r"[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}", ("MAC_ADDRESS",)),
    "wallet": (r"(?:bc1|[13])[a-km-zA-HJ-NP-Z0-9]{25,}|0x[0-9a-fA-F]{40}", ("CRYPTO",)),
    "secret words": (r"(?i)pass[wpc]|secret|token|api.?key|bearer|private.key", ("SECRET", "TOKEN")),
    "secret names": (r"(?i)pwd[ :=]|my pin |_key", ("SECRET", "TOKEN")),
    "tokens": (
        r"eyJ[A-Za-z0-9_-]{8}|sk-[A-Za-z0-9]|[rsp]k_|key_live|key_test|gh[pousr]_|glpat-|AKIA|ASIA|AIza"
        r"|ya29\.|xox[abprse]-|hf_|npm_"
        r"|pypi-|dop_v1|SG\.[A-Za-z0-9_-]{16}|:AA[A-Za-z0-9_-]{20}|key-[0-9a-f]{8}|github_pat_", ("TOKEN",),
    ),
    "key block": (r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END)?", ("TOKEN",)),
    "accounts": (r"(?i)username|user name|userid|user id|login|discord", ("HANDLE",)),
    "tags": (r"#[0-9]{4}", ("HANDLE",)),
    "documents": (
        "(?i)pass?port|passeport|pasaporte|reisepass|passaporte|paspoort|паспорт|护照|パスポート|旅券|여권|جواز"
        "|driver|driving licen|licen[cs]e n|führerschein", ("PASSPORT", "DRIVER_LICENCE"),
    ),
    "birth": (r"(?i)dob[^e]|birth|i was born|i am born|年[0-9]{1,2}月|년 ?[0-9]{1,2}월", ("DATE_OF_BIRTH",)),
    "tax code": (r"[0-9]{2}[A-Za-z][0-9]{2}[A-Za-z][0-9]{3}[A-Za-z]", ("TAX_CODE",)),
    "tax account": (r"[0-9]{4}[A-Z](?:[^A-Za-z]|$)", ("NATIONAL_ID",)),
}  # fmt: skip
PADDING_BEFORE, PADDING_AFTER, SNAP = 90, 60, 48
# Presidio compares every pair of its findings in a text, so a text is never much longer than this.
MAX_WINDOW = 1_500
PLAIN_DECIMAL = re.compile(
    r"[0-9]{1,3}\.[0-9]+|(?:19|20)[0-9]{2}[-/](?:19|20)?[0-9]{2}|[0-9]{1,2}[./][0-9]{1,2}[./](?:19"
    r"|20)?[0-9]{2}"
)
REMOVED = np.uint32(0xFFFFFFFF)


@dataclass(frozen=True)
class Window:
    """A stretch of a row to be checked for some types; `start` counts characters of the folded row."""

    row: int
    start: int
    text: str
    entities: tuple[str, ...]
    cut_before: bool
    cut_after: bool


def fold_disguises(texts: pl.Series) -> tuple[pl.Series, dict[int, npt.NDArray[np.int64]]]:
    """Texts with disguised characters made plain, and for each changed row the original position of every
    character.

    Only rows that hold such characters pay for it. Replacements are one character for one; invisible ones go,
    and so do the blanks of what is written character by character.
    """
    wide = (texts.str.len_bytes() != texts.str.len_chars()).fill_null(False).arg_true()
    disguised = wide.filter(texts.gather(wide).str.contains(DISGUISE))
    spelt = texts.str.contains(SPELT_OUT).fill_null(False).arg_true()
    rows = pl.concat([disguised, spelt.cast(disguised.dtype)]).unique().sort()
    if not len(rows):
        return texts, {}
    folded, maps = [], {}
    for row, text in zip(rows.to_list(), texts.gather(rows).to_list(), strict=True):
        plain, maps[row] = fold(text)
        folded.append(plain)
    return texts.clone().scatter(rows, folded), maps


def fold(text: str) -> tuple[str, npt.NDArray[np.int64]]:
    """One text without disguises, and the original position of each character that is left."""
    points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    mapped = _fold_table()[points]
    kept = np.flatnonzero(mapped != REMOVED)
    plain = mapped[kept].astype("<u4").tobytes().decode("utf-32-le")
    blanks = [at for run in SPELT_RUN.finditer(plain) for at in _needless_blanks(run)]
    if blanks:
        kept = np.delete(kept, blanks)
        plain = mapped[kept].astype("<u4").tobytes().decode("utf-32-le")
    return plain, kept


def _needless_blanks(run: re.Match[str]) -> Iterator[int]:
    """Positions of a spelt-out run's blanks, but one of every three: that one was a blank between words."""
    for gap in re.finditer(r" +", run.group()):
        start = run.start() + gap.start()
        yield from (
            at for at in range(start, run.start() + gap.end()) if len(gap.group()) < 3 or at != start + 1
        )


@cache
def _fold_table() -> npt.NDArray[np.uint32]:
    table = np.arange(sys.maxunicode + 1, dtype=np.uint32)
    for point in range(0x80, 0x1FC00):
        character = chr(point)
        digit = unicodedata.decimal(character, None)
        if digit is not None:
            table[point] = ord(str(digit))
            continue
        plain = unicodedata.normalize("NFKC", character)
        if len(plain) == 1 and plain.isascii():
            table[point] = ord(plain)
    for point in map(ord, filter(re.compile(f"[{DASHES}]").match, map(chr, range(0x2000, 0xFFFF)))):
        table[point] = ord("-")
    invisible = re.compile(f"[{INVISIBLE}]")
    table[[point for point in range(0x80, 0xFFFF) if invisible.match(chr(point))]] = REMOVED
    return table


def find_windows(texts: pl.Series) -> Iterator[Window]:
    """Stretches of (folded) texts that may hold an identifier, with the types to look for.

    Stretches that overlap are merged up to `MAX_WINDOW`; beyond it windows overlap, and no candidate is cut.
    """
    # One pattern at a time: their union overflows the engine's automaton cache and runs a hundred times
    # slower.
    hits = pl.DataFrame({"text": texts}).select(
        pl.any_horizontal(pl.col("text").str.contains(pattern) for pattern, _ in TRIGGERS.values())
    )
    rows = hits.to_series().fill_null(False).arg_true()
    if not len(rows):
        return
    chosen = pl.DataFrame({"text": texts.gather(rows)})
    matches = chosen.select(
        pl.col("text").str.extract_all(pattern).alias(name) for name, (pattern, _) in TRIGGERS.items()
    )
    columns = [column.to_list() for column in (rows, chosen["text"], *matches.get_columns())]
    for row, text, *found in zip(*columns, strict=True):
        stretches = [
            (start, end, TRIGGERS[name][1])
            for name, column in zip(TRIGGERS, found, strict=True)
            for start, end in _locate(text, column)
            if not (name == "digits" and PLAIN_DECIMAL.fullmatch(text, start, end))
        ]
        yield from _merge(row, text, sorted(stretches))


def narrow_windows(windows: list[Window]) -> Iterator[Window]:
    """Windows without the types whose context words or shape they lack, if any type is left."""
    text = pl.col("text")
    gates = pl.DataFrame({"text": [window.text for window in windows]}, schema={"text": pl.String}).select(
        *(text.str.to_lowercase().str.contains_any(list(words)).alias(kind) for kind, words in GATES.items()),
        *(text.str.contains(shape).alias(kind) for kind, shape in SHAPES.items()),
    )
    for window, open_gates in zip(windows, gates.iter_rows(named=True), strict=True):
        entities = tuple(kind for kind in window.entities if open_gates.get(kind, True))
        if entities:
            yield replace(window, entities=entities)


def _locate(text: str, matches: list[str]) -> Iterator[tuple[int, int]]:
    """Positions of successive matches. Plain search is exact here, see `TRIGGERS`."""
    position = 0
    for match in matches:
        start = text.find(match, position)
        position = start + len(match)
        yield start, position


def _merge(row: int, text: str, stretches: list[tuple[int, int, tuple[str, ...]]]) -> Iterator[Window]:
    start, end, entities = -1, -1, set[str]()
    for first, last, types in stretches:
        low, high = _snap_left(text, first - PADDING_BEFORE), _snap_right(text, last + PADDING_AFTER)
        if end >= 0 and (low > end or end - start > MAX_WINDOW):
            yield _window(row, text, start, end, entities)
            start, end, entities = -1, -1, set()
        start, end = (low if start < 0 else start), max(end, high)
        entities.update(types)
    if end >= 0:
        yield _window(row, text, start, end, entities)


def _window(row: int, text: str, start: int, end: int, entities: set[str]) -> Window:
    before, after = text[start - 1 : start] if start else " ", text[end : end + 1] or " "
    return Window(
        row, start, text[start:end], tuple(sorted(entities)), not before.isspace(), not after.isspace()
    )


def _snap_left(text: str, position: int) -> int:
    """The next white space to the left, so that a window starts with a whole word where words are parted."""
    if position <= 0:
        return 0
    for at in range(position, max(0, position - SNAP), -1):
        if text[at - 1].isspace():
            return at
    return position


def _snap_right(text: str, position: int) -> int:
    if position >= len(text):
        return len(text)
    for at in range(position, min(len(text), position + SNAP)):
        if text[at].isspace():
            return at
    return position
