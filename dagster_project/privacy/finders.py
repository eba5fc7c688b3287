"""Identifiers that a single regular expression cannot delimit: cards, IBANs and telephone numbers.

Each finder yields (start, end, score) over a text. A score under `recognizers.THRESHOLD` counts only beside a
context word. Digits may be grouped or spaced out, so checks run over every plausible cut of a digit run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from dagster_project.privacy.checksums import IBAN_LENGTHS, digits_of, iban, luhn

Found = tuple[int, int, float]
WEAK, LIKELY, SURE = 0.1, 0.6, 1.0

DIGIT_RUN = re.compile(r"[0-9](?:[ .-]?[0-9])+")
GROUP = re.compile(r"[0-9]+")
CARD_LENGTHS = range(12, 20)
# Issuer ranges with the lengths they are issued in (ISO/IEC 7812 assignments of the large networks).
ISSUERS = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|5[1-5][0-9]{14}|2(?:2[2-9]|[3-6][0-9]|7[01])[0-9]{13}|2720[0-9]{12}"
    r"|3[47][0-9]{13}|3(?:0[0-5]|09|[689][0-9])[0-9]{11}|(?:2131|1800)[0-9]{11}|35(?:2[89]"
    r"|[3-8][0-9])[0-9]{12}"
    r"|6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12}|62[0-9]{14,17}|(?:50|5[6-9]|6[0-9])[0-9]{14}"
)
IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z][ -]?[A-Za-z][ -]?[0-9][ -]?[0-9]")


def _card_shape(groups: list[int], first: int, last: int) -> bool:
    """Whether a cut of digit groups has a card's shape: whole, by fours, 4-6-5, 4-6-4, or all ones or twos.

    Ones and twos count only as a whole run: a table of small numbers is no card.
    """
    lengths = groups[first : last + 1]
    if len(lengths) == 1 or lengths in ([4, 6, 5], [4, 6, 4]):
        return True
    size = lengths[0]
    if set(lengths[:-1]) != {size} or size not in (1, 2, 4) or lengths[-1] > size:
        return False
    return size == 4 or (groups[first - 1 : first] != [size] and groups[last + 1 : last + 2] != [size])


def find_cards(text: str) -> Iterator[Found]:
    """Payment cards: 12-19 digits that pass Luhn; sure with an issuer's prefix and length, else weak."""
    for run in DIGIT_RUN.finditer(text):
        groups = [(m.start() + run.start(), m.end() + run.start()) for m in GROUP.finditer(run.group())]
        for first, last in _card_cuts([end - start for start, end in groups]):
            start, end = groups[first][0], groups[last][1]
            if _glued(text, start, end):
                continue
            digits = digits_of(text[start:end])
            if luhn(digits):
                yield start, end, SURE if ISSUERS.fullmatch(digits) else WEAK


def _card_cuts(groups: list[int]) -> Iterator[tuple[int, int]]:
    """First and last group of every cut that is long enough and shaped like a card."""
    for first in range(len(groups)):
        total = 0
        for last in range(first, len(groups)):
            total += groups[last]
            if total > CARD_LENGTHS[-1]:
                break
            if total in CARD_LENGTHS and _card_shape(groups, first, last):
                yield first, last


def _glued(text: str, start: int, end: int) -> bool:
    """Whether a digit string is a part of something else: a word, a decimal number, a code with dashes."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if re.search(r"[A-Za-z0-9_]$|[0-9A-Za-z][.\-]$|[-/]$|(?:^|[^A-Za-z])\.$", before):
        return True
    return re.match(r"[A-Za-z0-9_]|[.\-][0-9A-Za-z]", after) is not None


def find_ibans(text: str) -> Iterator[Found]:
    """International bank account numbers, in any grouping and case: country, its length, check digits."""
    for match in IBAN_START.finditer(text):
        country = match.group().replace(" ", "").replace("-", "")[:2].upper()
        end = _walk(text, match.start(), IBAN_LENGTHS.get(country, 0))
        if end and iban(re.sub(r"[ -]", "", text[match.start() : end])):
            yield match.start(), end, SURE


def _walk(text: str, start: int, length: int) -> int:
    """Position after `length` ASCII letters or digits, each parted by one blank or dash at most; else 0."""
    position, seen = start, 0
    while seen < length:
        if position >= len(text):
            return 0
        character = text[position]
        if character.isascii() and character.isalnum():
            seen += 1
        elif character not in " -" or text[position - 1] in " -":
            return 0
        position += 1
    following = text[position : position + 1]
    return 0 if not length or (following.isascii() and following.isalnum()) else position


PHONE = re.compile(
    r"(?<![0-9A-Za-z_+])(?<![^A-Za-z]\.)(?:\+|00[ -]?)?(?:\( ?\+?[0-9]{1,4} ?\)|[0-9])"
    r"(?:(?: ?[.()/-]{1,2} ?| )?[0-9]){5,17}"
    r"(?:[ ,]{0,2}(?:x|ext\.?|extension|#) ?[0-9]{1,6})?(?![0-9A-Za-z_])"
)
EXTENSION = re.compile(r"[ ,]{0,2}(?:x|ext\.?|extension|#) ?[0-9]{1,6}$")
NANP = re.compile(
    r"(?:\+?1[ .-]?|001[ .-]?)?(?:\([2-9][0-9]{2}\)[ .-]?|[2-9][0-9]{2}[.-])[2-9]?[0-9]{3}[.-][0-9]{4}"
)
DATE = re.compile(
    r"(?:(?:19|20)[0-9]{2}([./-])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12][0-9]|3[01])"
    r"|(?:0?[1-9]|[12][0-9]|3[01])([./-])(?:0?[1-9]|[12][0-9]|3[01])\2(?:19|20)?[0-9]{2}"
    r"|(?:1[0-9]|20)[0-9]{2} ?[-/] ?(?:(?:1[0-9]|20)[0-9]{2}|[0-9]{2}))(?![0-9]).*"
    r"|(?:0?[1-9]|[12][0-9]|3[01]) (?:0?[1-9]|1[0-2]) (?:19|20)[0-9]{2}"
)
ISBN = re.compile(r"97[89][ -]?(?:[0-9][ -]?){9}[0-9]")
DOTTED = re.compile(
    r"(?!0[0-9](?:\.[0-9]{2}){4}$)(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9]+\.[0-9]+|[0-9]{1,2}"
    r"(?:\.[0-9]{1,2}){2,}\.[0-9]+)"
)
CALENDAR = re.compile(r"(?:19|20)[0-9]{2}[-./](?:0[1-9]|1[0-2])[-./][0-3][0-9]|[0-9]{4}-[0-9]{2}$")
DECIMAL = re.compile(r"(?:^|[ ()-])[0-9]{1,3}\.[0-9]+(?=[ ()-]|$)")
BESIDE_PRICE = re.compile(r"[$€£¥₹#=*^×÷<>%]\s?$|[0-9][,:]$|\b(?:usd|eur|gbp|rs|inr)\.?\s?$", re.IGNORECASE)
AFTER_QUANTITY = re.compile(
    r"\s?[$€£¥₹%=*^×÷°]|\s?\+(?![0-9(])|[,:][0-9]|\s(?:dollars|euros?|usd|eur|people|years?|km|miles|kg"
    r"|bytes)\b"
)
MIN_DIGITS, MAX_DIGITS = 7, 15
LENIENT_REGIONS = (
    "US", "GB", "DE", "FR", "IT", "ES", "NL", "BE", "CH", "AT", "SE", "DK", "NO", "FI", "PL", "PT", "CZ",
    "HU", "RO", "GR",
    "IE", "RU", "UA", "TR", "IL", "IN", "CN", "JP", "KR", "BR", "MX", "AR", "ZA", "NG", "EG", "AU", "NZ",
    "PK", "ID", "PH",
    "VN", "TH", "MY", "SG", "CY",
)  # fmt: skip


def find_phones(text: str) -> Iterator[Found]:
    """Telephone numbers: international and clearly national spellings alone, bare digits in context."""
    for match in PHONE.finditer(text):
        start, end = _trim(text, match.start(), match.end())
        core = EXTENSION.sub("", text[start:end])
        if _phone_like(text, start, end, core):
            yield start, end, _phone_score(core)


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Drop a bracket that the number opens without closing."""
    if text[start] == "(" and ")" not in text[start:end]:
        start += 1
    return start, end


def _phone_like(text: str, start: int, end: int, core: str) -> bool:
    digits = digits_of(core)
    if not MIN_DIGITS <= len(digits) <= MAX_DIGITS or len(set(digits)) == 1:
        return False
    if any(shape.fullmatch(core) for shape in (DATE, ISBN, DOTTED)) or _sequence(core):
        return False
    if CALENDAR.search(core) or DECIMAL.search(core):
        return False
    if core.startswith(("+", "(+")):
        return True
    return not (
        BESIDE_PRICE.search(text[max(0, start - 6) : start]) or AFTER_QUANTITY.match(text[end : end + 9])
    )


def _sequence(core: str) -> bool:
    """Whether the groups count up or down one by one, or are a list of short numbers: not a telephone."""
    groups = [int(g) for g in GROUP.findall(core)]
    steps = {b - a for a, b in pairwise(groups)}
    return len(groups) > 2 and (steps <= {1} or steps <= {-1} or max(groups) < 10)


def _phone_score(core: str) -> float:
    if core.startswith(("+", "(+")):
        return 0.9 if _valid(core, None) else LIKELY
    if NANP.fullmatch(core):
        return LIKELY
    if core.startswith("00") and _valid("+" + core[2:].lstrip(" -"), None):
        return LIKELY
    grouped = len(GROUP.findall(core)) >= 3 or "(" in core
    if (
        grouped
        and core.lstrip("(").startswith("0")
        and any(_valid(core, region) for region in LENIENT_REGIONS)
    ):
        return 0.5
    return WEAK


def _valid(number: str, region: str | None) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False
