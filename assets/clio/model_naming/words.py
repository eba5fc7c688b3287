"""Which words a name may use: those that enough users of the very cluster share, and words that tell of nobody; pure.

What a model writes is untrusted: it may have been told to repeat one member's words. A word that occurs in what it was
shown, or in the cluster's requests, has to be shared by `min_users` users and voices (`terms`) of the cluster; a word that
occurs elsewhere in the home, by `min_users` users of the home. Words that occur nowhere are the model's own. Words are
compared by their stems, without accents; a rare word is also found when it is written in pieces or backwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from assets.clio.naming import ASKING
from assets.clio.reader.lexicons import all_stopwords, lead_in_words

WORD = r"[\p{L}\p{N}]+"
# A word that enough users of this many clusters each share is a common one; part of the clusters, and how many at least.
SPREAD, FEWEST_SPREAD = 0.25, 5
# Shorter words are found in pieces of others by chance.
LONGEST_BY_CHANCE = 5


@dataclass(frozen=True)
class SharedWords:
    """uses: row, user, voice, stem, unique; common: stems that tell of nobody; rare: those of few users of the home."""

    uses: pl.DataFrame
    common: frozenset[str]
    rare: frozenset[str]
    min_users: int

    @classmethod
    def of(cls, shown: pl.DataFrame, clusters: pl.Series, min_users: int) -> SharedWords:
        """Read what may be counted (`samples.readable`) of conversations whose base `clusters` these are."""
        words = shown.select("row", "user", "day", stem=folded(pl.col("text")).str.extract_all(WORD)).explode(
            "stem"
        )
        words = words.drop_nulls("stem").unique()
        stems = words.select(pl.col("stem").unique(maintain_order=True))
        stems = stems.with_columns(root=pl.Series(_stemmed(stems["stem"].to_list()), dtype=pl.String))
        found = words.join(stems, on="stem").select("row", "user", "day", stem="root").unique()
        counted = found.group_by("stem").agg(users=pl.col("user").n_unique())
        shared = counted.filter(pl.col("users") >= min_users)
        few = frozenset(counted.filter(pl.col("users") < min_users)["stem"]) - plain_words()
        made_of = found.join(shared, on="stem").group_by("row").agg(made_of=pl.col("stem").hash().sum())
        voiced = found.join(made_of, on="row", how="left").select(
            "row", "user", "stem", voice=pl.struct("day", "made_of").hash()
        )
        bare = cls(voiced, plain_words(), few, min_users)
        spread = bare.counts(clusters).filter("shared").group_by("stem").len()
        least = max(FEWEST_SPREAD, SPREAD * clusters.n_unique())
        everywhere = spread.filter(pl.col("len") >= least)["stem"]
        return cls(voiced, plain_words() | set(everywhere), few, min_users)

    def counts(self, nodes: pl.Series) -> pl.DataFrame:
        """node, stem, shared: the words of each node, given the node of each row."""
        places = (
            nodes.to_frame("node")
            .select(row=pl.int_range(pl.len(), dtype=pl.UInt32), node="node")
            .drop_nulls()
        )
        counted = self.uses.join(places, on="row").group_by("node", "stem")
        enough = (pl.col("users") >= self.min_users) & (pl.col("voices") >= self.min_users)
        sizes = counted.agg(users=pl.col("user").n_unique(), voices=pl.col("voice").n_unique())
        return sizes.select("node", "stem", shared=enough)

    def too_specific(
        self, texts: Mapping[str, str], counts: pl.DataFrame, sampled: Mapping[str, list[str]]
    ) -> dict[str, list[str]]:
        """Words of each node's text that it may not show, as they are written there.

        In: name and summary by node; `counts` of the nodes; what the namer was shown, by node.
        """
        own = counts.filter(pl.col("node").is_in(list(texts)))
        shared = {node: set(stems) for node, stems in _grouped(own.filter("shared"))}
        rare = {node: set(stems) for node, stems in _grouped(own.filter(~pl.col("shared")))}
        return {
            node: _offending(
                text,
                shared.get(node, set()) | self.common,
                rare.get(node, set()),
                self.rare,
                sampled.get(node, []),
            )
            for node, text in texts.items()
        }


def folded(text: pl.Expr) -> pl.Expr:
    """Lower case, in compatibility form, without accents."""
    return text.str.normalize("NFKD").str.replace_all(r"[\p{M}\p{Cf}]", "").str.to_lowercase()


@lru_cache(maxsize=1)
def plain_words() -> frozenset[str]:
    """Stems of function words of every language, of asking, and of the words that summaries are made of."""
    lines = Path(__file__).with_name("plain_words.txt").read_text("utf-8").splitlines()
    words = {word for line in lines if not line.startswith("#") for word in line.split()}
    return frozenset(_stems_in(" ".join([*words, *all_stopwords(), *lead_in_words(), *ASKING])))


def _offending(
    text: str,
    allowed: set[str] | frozenset[str],
    rare: set[str],
    elsewhere: frozenset[str],
    sampled: list[str],
) -> list[str]:
    words = _words_in(text)
    stems = _stemmed(words)
    shown = _words_in("\n".join(sampled))
    told = dict(zip(shown, _stemmed(shown), strict=True))
    specific = (rare | set(told.values())) - allowed
    pairs = list(zip(words, stems, strict=True))
    found = [word for word, stem in pairs if stem not in allowed and (stem in specific or stem in elsewhere)]
    fine = [word for word, stem in pairs if stem in allowed]
    joined = "".join(words)
    hidden = [
        word
        for word, stem in told.items()
        if stem in specific
        and len(word) > LONGEST_BY_CHANCE
        and (word in joined or word[::-1] in joined)
        and not any(word in other for other in fine)
    ]
    return list(dict.fromkeys([*found, *hidden]))


def _grouped(counts: pl.DataFrame) -> list[tuple[str, list[str]]]:
    return list(counts.group_by("node").agg("stem").iter_rows())


def _words_in(text: str) -> list[str]:
    return pl.select(folded(pl.lit(text)).str.extract_all(WORD)).item().to_list()


def _stems_in(text: str) -> list[str]:
    return _stemmed(_words_in(text))


def _stemmed(words: list[str]) -> list[str]:
    import Stemmer

    return Stemmer.Stemmer("english").stemWords(words)
