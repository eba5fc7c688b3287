"""Loads the word lists that the readers share: stop-words, request openers, greetings."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path

import polars as pl

FOLDER = Path(__file__).parent
# Scripts that write no spaces between words: their words cannot be counted or compared, their characters can.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
UNSPACED_LANGUAGES = ("zh", "ja", "th", "lo", "km", "my", "dz")
TOKEN = rf"[{UNSPACED}]|[\p{{L}}\p{{M}}\p{{N}}'’]+"


def read_toml(name: str) -> dict:
    """The content of one of the reader's own data files."""
    with (FOLDER / name).open("rb") as file:
        return tomllib.load(file)


@lru_cache(maxsize=1)
def stopwords() -> pl.DataFrame:
    """Columns `language`, `token`: the function words of each language that has a list."""
    rows = [
        (language, word) for language, words in read_toml("stopwords.toml").items() for word in words.split()
    ]
    return pl.DataFrame(rows, schema=["language", "token"], orient="row").unique(maintain_order=True)


@lru_cache(maxsize=1)
def stopword_languages() -> frozenset[str]:
    """Languages with a stop-word list."""
    return frozenset(stopwords()["language"])


@lru_cache(maxsize=1)
def all_stopwords() -> pl.Series:
    """Every function word of every language, for comparisons where the language does not matter."""
    return stopwords()["token"].unique(maintain_order=True)


@lru_cache(maxsize=1)
def request_languages() -> tuple[str, ...]:
    """Languages whose way of opening a request is known."""
    return tuple(read_toml("requests.toml"))


@lru_cache(maxsize=1)
def lead_in_words() -> frozenset[str]:
    """Words of the phrases that announce a request and say nothing of its content, in every language."""
    texts = " ".join(entry["lead_in"] for entry in read_toml("requests.toml").values())
    return frozenset(re.findall(r"[^\s|¿]+", texts))


@lru_cache(maxsize=128)
def opening_pattern(language: str, kinds: tuple[str, ...]) -> str:
    """Regular expression for the opening words of a request, lower case, anchored at the start.

    `kinds`: which lists to use, of 'lead_in' and 'cue'. Fillers before the phrase are part of the match.
    """
    entry = read_toml("requests.toml")[language]
    opener = _alternatives("|".join(entry[kind] for kind in kinds))
    filler = _alternatives(entry["filler"])
    end = r"[\s\p{P}]*" if language in UNSPACED_LANGUAGES else r"(?:[\s\p{P}]+|$)"
    return rf"^[\s\p{{P}}]*(?:{filler}{end})*{opener}{end}"


@lru_cache(maxsize=1)
def greeting_pattern() -> str:
    """Regular expression for a text that is made of greetings alone."""
    lines = (FOLDER / "greetings.txt").read_text("utf-8").splitlines()
    greetings = _alternatives("|".join(line for line in lines if not line.startswith("#")))
    gap = r"[\s\p{P}\p{S}]"
    return rf"(?i)^{gap}*{greetings}(?:{gap}+{greetings})*{gap}*$"


def _alternatives(phrases: str) -> str:
    """A group that matches any of the phrases between bars, the longest first."""
    unique = {phrase.strip() for phrase in phrases.replace("\n", " ").split("|")}
    ordered = sorted(filter(None, unique), key=lambda phrase: (-len(phrase), phrase))
    return f"(?:{'|'.join(re.escape(phrase) for phrase in ordered)})"
