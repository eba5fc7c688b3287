"""The leak scanner: looks for restricted content in everything published or logged. Independent of redaction.

Three searches: planted canaries in any disguise, identifier-shaped strings, and copied windows of words. A
finding names the sink, the kind and a position, never the text (specs/privacy_reliability.md, section 1.4).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dagster_project.privacy.canary_index import CanaryIndex, canaries_in, normalise
from dagster_project.privacy.sinks import NamedText, Sink, UnreadableError, published_strings, read_pieces
from dagster_project.privacy.verbatim import CHARACTERS, WORDS, CopiedText

__all__ = [
    "UNREADABLE", "Leak", "NamedText", "Sink", "UnreadableError", "leak_report", "normalise", "published_strings",
    "scan_canaries", "scan_identifiers", "scan_verbatim",
]  # fmt: skip
UNREADABLE = "unreadable"
REPORT = pl.Schema({"sink": pl.String, "kind": pl.String, "count": pl.UInt32})


@dataclass(frozen=True, order=True)
class Leak:
    """One finding: where, what kind, and which canary or string, by its position in what was searched."""

    sink: str
    kind: str
    index: int


def scan_canaries(sinks: Iterable[Sink], canaries: Sequence[str]) -> list[Leak]:
    """Canaries that stand in files, folders or named texts: plain, spaced, full-width, cut (from 8
    characters), reversed, digits only, base64, hexadecimal, URL-encoded or escaped.

    `Leak.index` is the canary's position. Kinds: canary, canary_partial, canary_reversed, canary_digits,
    canary_base64, canary_hex, canary_url, canary_escaped; and unreadable, of the file at that position, where
    a database could be searched as raw bytes only.
    """
    sinks = list(sinks)
    if not canaries or not sinks:
        return []
    index = CanaryIndex(canaries)
    leaks = []
    for sink in sinks:
        broken: list[Path] = []
        leaks += [Leak(sink.name, kind, at) for kind, at in canaries_in(read_pieces(sink, broken), index)]
        leaks += [Leak(sink.name, UNREADABLE, at) for at in range(len(broken))]
    return sorted(leaks)


def scan_verbatim(
    strings: Iterable[str] | Mapping[str, Iterable[str]],
    restricted: Iterable[pl.DataFrame],
    n: int = WORDS,
    sink: str = "strings",
    characters: int = CHARACTERS,
    public: Iterable[str] = (),
) -> list[Leak]:
    """Strings that share n consecutive words (24 characters in scripts without spaces) with restricted text.

    `strings` is one sink's strings, or several sinks' by name (then the restricted text is read once for
    all). `restricted` yields frames with a `text` or a `messages` column. What also stands in `public` is no
    finding: people quote what they have read. `Leak.index` is the position in its sink.
    """
    by_sink = strings if isinstance(strings, Mapping) else {sink: strings}
    places: dict[str, list[Leak]] = {}
    for name, texts in by_sink.items():
        for at, text in enumerate(texts):
            places.setdefault(text, []).append(Leak(name, "verbatim", at))
    copied = CopiedText(places, n, characters, public).found_in(restricted)
    ordered = list(places)
    return sorted(leak for at in copied for leak in places[ordered[at]])


DIGIT_GROUPS = r"[0-9](?:[ -]?[0-9])"
EMAIL_SHAPE = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+\.[^\W\d_]{2,}")
CARD_SHAPE = re.compile(rf"(?<![\w.-]){DIGIT_GROUPS}{{12,18}}(?![\w-])")
IBAN_SHAPE = re.compile(r"(?<![a-z0-9])[a-z]{2}[0-9]{2}(?: ?[a-z0-9]){11,30}(?![a-z0-9])", re.IGNORECASE)
PHONE_SHAPE = re.compile(r"(?<![\w+])\+[1-9](?:[ ().-]{0,2}[0-9]){7,14}(?![\w])")
IP_SHAPE = re.compile(
    r"(?<![\w.:])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-f]{1,4}:[0-9a-f:]{6,35})(?![\w:]|\.[0-9])", re.I
)
KEY_SHAPE = re.compile(
    r"(?<![\w-])(?:(?:sk|pk|rk)[-_]|gh[opusr]_|github_pat_|glpat-|xox[abprs]-|hf_|AKIA|ASIA|AIza"
    r"|eyJ)[\w.-]{12,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
)
TOKEN_SHAPE = re.compile(r"(?<![\w/.-])[A-Za-z0-9_+-]{32,}(?![\w/-])")


def _doubled_sum(text: str) -> bool:
    digits = [int(c) for c in text if c.isdigit()][::-1]
    total = sum(d if i % 2 == 0 else (2 * d if d < 5 else 2 * d - 9) for i, d in enumerate(digits))
    return total % 10 == 0 and len(set(digits)) > 1


def _remainder_one(text: str) -> bool:
    compact = text.replace(" ", "").upper()
    # The shape is greedy over blanks, so words behind an account number may be part of the match.
    return any(
        int("".join(str(int(c, 36)) for c in compact[4:end] + compact[:4])) % 97 == 1
        for end in range(15, min(len(compact), 34) + 1)
    )


def _outside_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _random_looking(text: str) -> bool:
    """Whether letters and digits are mixed as in keys; hexadecimal and names made of words are not."""
    if re.fullmatch(r"[0-9a-fA-F_-]+", text):
        return False
    kinds = (r"[0-9]", r"[a-z]", r"[A-Z]")
    changes = len(
        re.findall(r"(?<=[a-zA-Z])[0-9]|(?<=[0-9])[a-zA-Z]|(?<=[A-Z])[a-z0-9]|(?<=[a-z])[A-Z]", text)
    )
    return all(re.search(kind, text) for kind in kinds) and changes >= len(text) // 4


SHAPES: tuple[tuple[str, re.Pattern[str], Callable[[str], bool] | None], ...] = (
    ("email", EMAIL_SHAPE, None),
    ("card", CARD_SHAPE, _doubled_sum),
    ("iban", IBAN_SHAPE, _remainder_one),
    ("phone", PHONE_SHAPE, None),
    ("ip", IP_SHAPE, _outside_address),
    ("key", KEY_SHAPE, None),
    ("key", TOKEN_SHAPE, _random_looking),
)


def scan_identifiers(strings: Iterable[str], sink: str = "strings") -> list[Leak]:
    """Strings that hold something shaped like an identifier: e-mail, card (Luhn), IBAN (modulo 97),
    international telephone number, IP address, key or token. `Leak.index` is the string's position; kinds are
    `identifier_...`.
    """
    return sorted(
        {Leak(sink, f"identifier_{kind}", at) for at, text in enumerate(strings) for kind in _shapes(text)}
    )


def _shapes(text: str) -> Iterator[str]:
    import unicodedata

    plain = unicodedata.normalize("NFKC", text)
    for kind, shape, check in SHAPES:
        if any(check is None or check(match.group()) for match in shape.finditer(plain)):
            yield kind


def leak_report(leaks: Iterable[Leak]) -> pl.DataFrame:
    """Findings counted: [sink, kind, count], sorted; empty when there are none."""
    rows = [(leak.sink, leak.kind) for leak in leaks]
    frame = pl.DataFrame(rows, schema={"sink": pl.String, "kind": pl.String}, orient="row")
    return (
        frame.group_by("sink", "kind")
        .agg(pl.len().cast(pl.UInt32).alias("count"))
        .sort("sink", "kind")
        .cast(REPORT)
    )
