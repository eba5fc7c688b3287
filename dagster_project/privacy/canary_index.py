"""Finds planted strings in any disguise: a rolling hash over normalised text, made for tens of thousands of
them.

Text is reduced to its letters and digits (NFKC, casefolded), so spacing, punctuation, full-width and
zero-width tricks vanish. Every pattern, and every telling part of a canary, is anchored by its first eight
characters; a vectorised Rabin-Karp pass finds the anchors and the rest is compared exactly. Shares no code
with redaction, on purpose.
"""

from __future__ import annotations

import base64
import html
import json
import re
import unicodedata
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from urllib.parse import quote

import ahocorasick
import numpy as np
import numpy.typing as npt

PARTIAL = "canary_partial"
ANCHOR = 8
# Short parts of plain letters, hexadecimal or digits turn up by chance in identifiers and times; these are
# telling.
LETTERS_PART, NUMBER_PART = 10, 12
SHARED_BY = 3
CHUNK = 1 << 20
TABLE_BITS = (16, 25)
MULTIPLIER, MIXER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
FOREIGN = re.compile(r".?[^\x00-\x7f]+", re.DOTALL)
FOREIGN_MARKS = re.compile(r"[^\w\x00-\x7f]+")
ASCII_LOWER = bytes(range(65)) + bytes(range(97, 123)) + bytes(range(91, 256))
ASCII_DROPPED = bytes(c for c in range(128) if not chr(c).isalnum())
NUMBER_RUN = re.compile(r"(?<![0-9A-Za-z])[0-9](?:[ ().\-/]{0,5}[0-9]){6,}(?![0-9A-Za-z])")
INVISIBLE = re.compile("[\u00ad\u034f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]+")
GROUP = re.compile(r"[0-9]+")
REFERENCE = re.compile(r"&#(?:[0-9]{2,6}|[xX][0-9a-fA-F]{2,5});")
HEXADECIMAL = frozenset("0123456789abcdef")
Hit = tuple[str, int]


def compose(text: str) -> str:
    """NFKC. Only stretches beyond ASCII pay for it, each with the character that marks may combine with."""
    return (
        text if text.isascii() else FOREIGN.sub(lambda run: unicodedata.normalize("NFKC", run.group()), text)
    )


def normalise(text: str) -> str:
    """NFKC, casefolded, letters and digits only: no space, punctuation or invisible character is left."""
    return _strip(compose(text))


def _strip(composed: str) -> str:
    # Casefolding can undo composition.
    folded = composed if composed.isascii() else compose(composed.casefold())
    letters = folded.encode("utf-8", "surrogatepass").translate(ASCII_LOWER, ASCII_DROPPED)
    return FOREIGN_MARKS.sub("", letters.decode("utf-8", "surrogatepass"))


class CanaryIndex:
    """Patterns of a list of canaries, ready to search many texts."""

    def __init__(self, canaries: Sequence[str]) -> None:
        """Prepare every variant of every canary. Memory: about 200 bytes a part, some 30 parts a canary."""
        self._patterns: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
        self._numbers: dict[str, int] = {}
        self._literals: dict[str, int] = {}
        plain = [normalise(canary) for canary in canaries]
        for at, canary in enumerate(canaries):
            self._add(at, canary, plain[at])
        self._add_parts(plain)
        self._longest = max(map(len, self._numbers), default=0)
        self._table, self._shift = self._hash_table()
        self._automaton = self._literal_automaton()

    def _add(self, at: int, canary: str, plain: str) -> None:
        if not plain:
            return
        if len(plain) < ANCHOR or (plain.isdecimal() and len(plain) < LETTERS_PART):
            self._literals.setdefault(compose(canary).casefold(), at)
        for kind, variant in _variants(canary, plain):
            if len(variant) >= (NUMBER_PART if variant.isdecimal() else ANCHOR):
                self._patterns[variant[:ANCHOR]].append((variant, kind, at))
        for number in _numbers(canary):
            self._numbers.setdefault(number, at)

    def _add_parts(self, plain: list[str]) -> None:
        """Telling parts of canaries, without those that several canaries share (a domain, a street's
        type).
        """
        parts = [(part, at) for at, text in enumerate(plain) for part in set(_parts(text))]
        shared = Counter(part for part, _ in parts)
        for part, at in parts:
            if shared[part] <= SHARED_BY:
                self._patterns[part[:ANCHOR]].append((part, PARTIAL, at))

    def _hash_table(self) -> tuple[npt.NDArray[np.bool_], np.uint64]:
        bits = min(max(TABLE_BITS[0], (64 * len(self._patterns)).bit_length()), TABLE_BITS[1])
        table, shift = np.zeros(1 << bits, dtype=np.bool_), np.uint64(64 - bits)
        if self._patterns:
            table[_hashes("".join(self._patterns), shift)[::ANCHOR]] = True
        return table, shift

    def _literal_automaton(self) -> ahocorasick.Automaton | None:
        if not self._literals:
            return None
        automaton = ahocorasick.Automaton()
        for literal, at in self._literals.items():
            automaton.add_word(literal, (literal, at))
        automaton.make_automaton()
        return automaton

    def search(self, content: bytes | list[str]) -> set[Hit]:
        """(kind, canary) for every canary that raw bytes, or any of some strings, hold in some form."""
        if isinstance(content, bytes):
            text = compose(content.decode("utf-8", "ignore"))
            plain = _strip(text)
        else:
            # No pattern holds a line break, so none runs over from one string into the next.
            text, plain = compose("\n".join(content)), "\n".join(map(normalise, content))
        found = {
            *self._search_patterns(plain),
            *self._search_numbers(INVISIBLE.sub("", text)),
            *self._search_literals(text.casefold()),
        }
        # Character references of letters that need none are a disguise too.
        return found | self.search([html.unescape(text)]) if REFERENCE.search(text) else found

    def _search_patterns(self, text: str) -> Iterator[Hit]:
        """Whole canaries and variants, then the parts that no whole match explains."""
        found = list(self._matches(text))
        wholes = sorted((start, end) for start, end, kind, _ in found if kind != PARTIAL)
        starts = [start for start, _ in wholes]
        reach = list(accumulate((end for _, end in wholes), max))
        for start, end, kind, canary in found:
            before = bisect_right(starts, start)
            if kind != PARTIAL or not before or reach[before - 1] < end:
                yield kind, canary

    def _matches(self, text: str) -> Iterator[tuple[int, int, str, int]]:
        for offset in range(0, max(0, len(text) - ANCHOR + 1), CHUNK):
            chunk = text[offset : offset + CHUNK + ANCHOR - 1]
            for at in np.flatnonzero(self._table[_hashes(chunk, self._shift)]).tolist():
                for pattern, kind, canary in self._patterns.get(chunk[at : at + ANCHOR], ()):
                    if text.startswith(pattern, offset + at):
                        yield offset + at, offset + at + len(pattern), kind, canary

    def _search_numbers(self, text: str) -> Iterator[Hit]:
        if not self._numbers:
            return
        for run in set(NUMBER_RUN.findall(text)):
            if run.isdecimal():
                yield from self._number(run)
                continue
            groups = GROUP.findall(run)
            for first in range(len(groups)):
                number = ""
                for last, group in enumerate(groups[first:], first):
                    number += group
                    if len(number) > self._longest:
                        break
                    yield from self._number(number, grouped=last > first)

    def _number(self, number: str, grouped: bool = False) -> Iterator[Hit]:
        # A short number without separators is in any log by chance.
        if number in self._numbers and (grouped or len(number) >= LETTERS_PART):
            yield "canary_digits", self._numbers[number]

    def _search_literals(self, folded: str) -> Iterator[Hit]:
        if self._automaton is None:
            return
        for end, (literal, at) in self._automaton.iter(folded):
            around = folded[max(0, end - len(literal)) : end - len(literal) + 1] + folded[end + 1 : end + 2]
            if not any(map(str.isalnum, around)):
                yield "canary", at


def _variants(canary: str, plain: str) -> Iterator[tuple[str, str]]:
    raw = canary.encode("utf-8", "surrogatepass")
    yield "canary", plain
    yield "canary_reversed", plain[::-1]
    yield "canary_hex", raw.hex()
    yield from (("canary_base64", inner) for inner in _base64_cores(raw))
    for kind, encoded in (
        ("canary_url", quote(canary, safe="", errors="surrogatepass")),
        ("canary_url", quote(canary, errors="surrogatepass")),
        ("canary_escaped", json.dumps(canary)[1:-1]),
        ("canary_escaped", html.escape(canary)),
        ("canary_escaped", canary.encode("ascii", "xmlcharrefreplace").decode()),
    ):
        variant = normalise(encoded)
        if variant != plain:
            yield kind, variant


def _base64_cores(raw: bytes) -> Iterator[str]:
    """What base64 of any text that contains the bytes must contain, for each of the three alignments."""
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + raw).decode()
        core = encoded[(0, 2, 3)[offset] : (offset + len(raw)) * 8 // 6]
        if len(normalise(core)) >= LETTERS_PART:
            yield normalise(core)


def _numbers(canary: str) -> Iterator[str]:
    """Digit strings of a canary that is a number: with and without what stands before a telephone's own
    number.
    """
    text = compose(canary)
    digits, letters = re.sub(r"[^0-9]", "", text), sum(c.isalpha() for c in text)
    if len(digits) < ANCHOR - 1 or letters > 2:
        return
    yield digits
    if text.lstrip().startswith("+"):
        nationals = [prefix + digits[cut:] for cut in (1, 2, 3) for prefix in ("", "0")]
        yield from (number for number in nationals if len(number) >= LETTERS_PART)


def _parts(text: str) -> Iterator[str]:
    """For every position the shortest part from there that chance would not produce."""
    for start in range(len(text) - ANCHOR + 1):
        for size in (ANCHOR, LETTERS_PART, NUMBER_PART):
            part = text[start : start + size]
            if len(part) == size and _telling(part):
                yield part
                break


def _telling(part: str) -> bool:
    if len(part) >= NUMBER_PART or not part.isascii():
        return True
    beyond_hexadecimal = not HEXADECIMAL.issuperset(part)
    return beyond_hexadecimal and (len(part) >= LETTERS_PART or not part.isalpha())


def _hashes(text: str, shift: np.uint64) -> npt.NDArray[np.uint64]:
    """Hash of every window of ANCHOR characters."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    count = len(points) - ANCHOR + 1
    hashes = points[:count].copy()
    for offset in range(1, ANCHOR):
        hashes *= MULTIPLIER
        hashes += points[offset : offset + count]
    return (hashes * MIXER) >> shift


def canaries_in(pieces: Iterable[bytes | list[str]], index: CanaryIndex) -> set[Hit]:
    """(kind, canary) found in the pieces of one sink; parts of what is there as a whole are left out."""
    hits: set[Hit] = set()
    for piece in pieces:
        hits |= index.search(piece)
    whole = {at for kind, at in hits if kind != PARTIAL}
    return {(kind, at) for kind, at in hits if kind != PARTIAL or at not in whole}
