"""Invented identifiers of twelve types: valid in form and checksum, and belonging to nobody.

Numbers come from ranges that are reserved for fiction, documentation or nothing at all: US numbers with 555-01xx, the French
ranges for films, SSN areas 900-999 with groups that no tax number uses, card numbers of a test range, German bank codes that
start with 9, class E and documentation addresses, and the reserved domain `.invalid`. Where a type has room, the value carries
the mark `zqv7`, so that any appearance of it is a leak.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b

from dagster_project.sample.texts import Language, load_texts

MARK = "zqv7"
KINDS = (
    "email", "phone", "person", "address", "national_id", "card", "iban", "ip", "api_key", "passport", "birth", "handle",
)  # fmt: skip
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FRENCH_RANGES = ("19900", "26191", "35301", "46571", "53649")


@dataclass(slots=True)
class Source:
    """Digits for one value: `take` spends bits of a hash, `rank` is a number no other index of the sample gets."""

    seed: int
    index: int
    bits: int

    @classmethod
    def of(cls, seed: int, index: int) -> Source:
        """The source of canary `index` in the sample of `seed`."""
        return cls(seed, index, int.from_bytes(blake2b(f"{seed}:{index}".encode()).digest(), "big"))

    def take(self, size: int) -> int:
        """A number in 0..size-1."""
        self.bits, number = divmod(self.bits, size)
        return number

    def letters(self, alphabet: str, length: int) -> str:
        """A word of the given length."""
        return "".join(alphabet[self.take(len(alphabet))] for _ in range(length))

    def rank(self, space: int, index: int | None = None) -> int:
        """A number in 0..space-1, different for every index below the size of the space (an affine bijection).

        Errors: ValueError when the sample has more canaries than the space has numbers.
        """
        index = self.index if index is None else index
        if index >= space:
            raise ValueError("too many canaries for unique identifiers; lower canary_share or conversations")
        keys = blake2b(f"{self.seed}:{space}".encode()).digest()
        stride = int.from_bytes(keys[:16], "big") % space
        while _gcd(stride, space) != 1:
            stride += 1
        return (int.from_bytes(keys[16:32], "big") + stride * index) % space


def _gcd(left: int, right: int) -> int:
    while right:
        left, right = right, left % right
    return left


def luhn_digit(body: str) -> str:
    """The check digit that makes `body` plus it pass the Luhn test (ISO/IEC 7812-1 annex B)."""
    doubled = [int(d) * (2 - position % 2) for position, d in enumerate(reversed(body))]
    return str(-sum(d - 9 if d > 9 else d for d in doubled) % 10)


def iban_digits(country: str, body: str) -> str:
    """The two check digits of an IBAN (ISO 13616, modulus 97)."""
    number = "".join(str(int(letter, 36)) for letter in body + country + "00")
    return f"{98 - int(number) % 97:02d}"


def _words(source: Source, language: Language, counts: tuple[int, ...]) -> list[str]:
    """Invented words; the longest is unique within the sample."""
    first, following = load_texts().syllables[language.canary["script"]]
    unique = source.rank(len(first) * len(following) ** 3)
    words = []
    for count in counts:
        if count == max(counts):
            unique, start = divmod(unique, len(first))
            parts = [first[start]]
            for _ in range(3):
                unique, step = divmod(unique, len(following))
                parts.append(following[step])
        else:
            parts = [first[source.take(len(first))]]
            parts += [following[source.take(len(following))] for _ in range(count - 1)]
        words.append("".join(parts))
    return words


def _person(source: Source, language: Language) -> str:
    given, family = _words(source, language, (3, 4))
    between = "·" if language.canary["script"] in ("han", "katakana") else " "
    return given + between + family


def _birth(source: Source, language: Language) -> str:
    born = date(1940, 1, 1) + timedelta(days=source.take(24_000))
    return f"{_person(source, language)}, {born.isoformat()}"


def _address(source: Source, language: Language) -> str:
    street, town = _words(source, language, (4, 2))
    number, code = 1 + source.take(180), f"{source.take(90_000) + 10_000}"
    return language.canary["address"].format(street=street, town=town, number=number, code=code)


def _email(source: Source, _: Language) -> str:
    return f"{MARK}-{source.letters(BASE32, 12)}@canary.invalid"


def _phone(source: Source, _: Language) -> str:
    # each country takes six turns in a row, so that both meet every disguise
    cycle, turn = divmod(source.index // len(KINDS), 12)
    serial, local = 6 * cycle + turn % 6, source.take(2) == 1
    if turn < 6:
        areas = load_texts().us_areas
        area, line = divmod(source.rank(len(areas) * 100, serial), 100)
        return f"({areas[area]}) 555-01{line:02d}" if local else f"+1{areas[area]}55501{line:02d}"
    block, line = divmod(source.rank(50_000, serial), 10_000)
    number = f"{FRENCH_RANGES[block]}{line:04d}"
    return (
        " ".join([f"0{number[0]}", *(number[i : i + 2] for i in range(1, 9, 2))]) if local else f"+33{number}"
    )


def _national_id(source: Source, _: Language) -> str:
    rest, serial = divmod(source.rank(100 * 49 * 9999), 9999)
    area, group = divmod(rest, 49)
    return f"{900 + area}-{group + 1:02d}-{serial + 1:04d}"


def _card(source: Source, _: Language) -> str:
    body = f"400000{source.rank(10**9):09d}"
    number = body + luhn_digit(body)
    blocks = [number[i : i + 4] for i in range(0, 16, 4)]
    return ("", " ", "-")[source.take(3)].join(blocks)


def _iban(source: Source, _: Language) -> str:
    body = f"9{source.take(10**7):07d}{source.rank(10**10):010d}"
    number = "DE" + iban_digits("DE", body) + body
    return " ".join(number[i : i + 4] for i in range(0, 22, 4)) if source.take(2) else number


def _ip(source: Source, _: Language) -> str:
    if source.take(2):
        groups = [f"{source.take(0xF000) + 0x1000:x}" for _ in range(6)]
        return ":".join(["2001", "db8", *groups])
    number = (240 << 24) + source.rank(14 << 24)
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def _api_key(source: Source, _: Language) -> str:
    prefix = ("sk-", "ghp_", "key_live_")[source.take(3)]
    return prefix + MARK + source.letters(BASE62, 32)


def _passport(source: Source, _: Language) -> str:
    return f"ZQ{source.rank(10**7):07d}"


def _handle(source: Source, _: Language) -> str:
    name = f"{MARK}_{source.letters(BASE32, 10)}"
    return f"https://canary.invalid/u/{name}" if source.take(2) else f"@{name}"


_MAKERS: dict[str, Callable[[Source, Language], str]] = {
    "email": _email,
    "phone": _phone,
    "person": _person,
    "address": _address,
    "national_id": _national_id,
    "card": _card,
    "iban": _iban,
    "ip": _ip,
    "api_key": _api_key,
    "passport": _passport,
    "birth": _birth,
    "handle": _handle,
}


def make_identifier(kind: str, seed: int, index: int, language: Language) -> str:
    """The canonical form of identifier `index` of a sample; unique within it. `kind` is one of `KINDS`."""
    return _MAKERS[kind](Source.of(seed, index), language)
