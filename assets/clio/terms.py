"""Terms of requests: words, two-word phrases, and short character runs where a script writes no spaces.

A term counts once for a conversation, and what decides is how many distinct users share it: names and summaries
may only use terms that enough users share (specs/clio.md section 4, design section 4 layer 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from assets.clio.reader.lexicons import stopwords
from assets.clio.reader.text import strip_markup

SLICE = 20_000
LONGEST = 30
# A language's function words are stop-words everywhere once this share of the requests is in it, because short
# requests are often taken for another language.
MAJOR_LANGUAGE = 0.05
UNKNOWN_USER = "unknown"

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTER = rf"[\p{{L}}\p{{N}}--[{_UNSPACED}]]"
_WORD = rf"{_LETTER}[[\p{{L}}\p{{M}}\p{{N}}'’+#-]--[{_UNSPACED}]]*"
_KATAKANA = r"[\p{Katakana}ー]{2,}"
_STACKED = r"[\p{Thai}]+|[\p{Lao}]+|[\p{Khmer}]+|[\p{Myanmar}]+"
_PIECE = rf"{_KATAKANA}|\p{{Han}}+|{_STACKED}|{_WORD}|[^\s\p{{L}}\p{{M}}\p{{N}}]+"
# Characters that bind Chinese and Japanese sentences: no term starts or ends with one.
_BINDING = "的了是在我你他她它们們和与與或及就都也很把被给給对對从從到吗嗎呢吧啊么麼什怎哪这這那有个個不没沒请請想要会會能可以为為"
_FOLLOWERS = r"\p{M}\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3"


@dataclass(frozen=True)
class Terms:
    """Which conversation uses which term.

    uses : row UInt32, term UInt32 (unique pairs)
    rows : row UInt32, user UInt32 (all unknown users are one)
    vocabulary : term UInt32, text String, key String, users UInt32
        `key` is the phrase without a function word between its two words, `text` as it was written.
    """

    uses: pl.DataFrame
    rows: pl.DataFrame
    vocabulary: pl.DataFrame


def shared_terms(frame: pl.DataFrame, min_users: int) -> pl.DataFrame:
    """Terms that at least `min_users` distinct users share.

    In: user_key, language, request, task. Out: term String, users UInt32, most shared first.
    """
    found = read_terms(frame, min_users).vocabulary
    return found.select(term="text", users="users").sort(["users", "term"], descending=[True, False])


def read_terms(frame: pl.DataFrame, min_users: int) -> Terms:
    """Terms of the requests (of the task where the request is empty) that at least `min_users` users share.

    In: user_key, language, request, task, one row per conversation. Rows are numbered in the frame's order.
    """
    rows = frame.select(
        row=pl.int_range(pl.len(), dtype=pl.UInt32),
        user=pl.col("user_key").fill_null(UNKNOWN_USER).rank("dense").cast(pl.UInt32),
    )
    found = pl.concat(list(_slices(frame))).with_columns(pl.col("text", "key").cast(pl.Categorical))
    counted = found.join(rows, on="row").group_by("text", "key").agg(users=pl.col("user").n_unique())
    vocabulary = counted.filter(pl.col("users") >= min_users).with_columns(pl.col("text", "key").cast(pl.String))
    vocabulary = vocabulary.sort("text", "key").with_row_index("term")
    codes = vocabulary.select("term", pl.col("text", "key").cast(pl.Categorical))
    uses = found.join(codes, on=["text", "key"]).select("row", "term")
    return Terms(uses, rows, vocabulary.select("term", "text", "key", "users"))


def _slices(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """`row`, `text`, `key` of every use, unique, a slice of the requests at a time."""
    everywhere = _stopwords_everywhere(frame["language"])
    empty = pl.DataFrame(schema={"row": pl.UInt32, "text": pl.String, "key": pl.String})
    yield empty
    for start in range(0, frame.height, SLICE):
        pieces = _pieces(frame.slice(start, SLICE), start)
        words = _words(pieces, everywhere)
        yield pl.concat([_single(words), _phrases(words), _runs(pieces)]).unique()


def _stopwords_everywhere(languages: pl.Series) -> pl.Series:
    shares = languages.value_counts(normalize=True).filter(pl.col("proportion") >= MAJOR_LANGUAGE)
    return stopwords().join(shares, on="language", how="semi")["token"].unique()


def _pieces(part: pl.DataFrame, first: int) -> pl.DataFrame:
    """`row`, `language`, `place`, `piece`: words, runs of unspaced script and punctuation, in reading order."""
    request = pl.when(pl.col("request").fill_null("") == "").then("task").otherwise("request").fill_null("")
    text = strip_markup(request).str.normalize("NFKC").str.replace_all(r"\p{Cf}", "").str.to_lowercase()
    return (
        part.select(
            row=pl.int_range(first, first + pl.len(), dtype=pl.UInt32), language="language", piece=text.str.extract_all(_PIECE)
        )
        .explode("piece", empty_as_null=False)
        .with_columns(place=pl.int_range(pl.len(), dtype=pl.UInt32))
    )


def _words(pieces: pl.DataFrame, everywhere: pl.Series) -> pl.DataFrame:
    """Words and punctuation of spaced scripts, with `kind`: term, filler (a function word) or break."""
    spaced = pieces.with_columns(token=pl.col("piece").str.replace(r"['’]s?$", ""))
    listed = stopwords().rename({"token": "piece"}).with_columns(listed=True)
    joined = spaced.join(listed, on=["language", "piece"], how="left", maintain_order="left")
    token = pl.when(pl.col("language").is_in(["fr", "it", "ca"])).then(
        pl.col("token").str.replace(r"^\p{L}{1,2}['’]", "")
    ).otherwise("token")
    filler = pl.col("listed") | pl.col("piece").is_in(everywhere.implode()) | pl.col("token").is_in(everywhere.implode())
    usable = (
        pl.col("token").str.contains(r"\p{L}.*\p{L}")
        & ~pl.col("token").str.contains(r"\p{N}{5}")
        & (pl.col("token").str.len_chars() <= LONGEST)
        & ~pl.col("piece").str.contains(rf"[{_UNSPACED}]")
    )
    return joined.with_columns(token=token).with_columns(
        kind=pl.when(filler.fill_null(False)).then(pl.lit("filler")).when(usable).then(pl.lit("term")).otherwise(pl.lit("break"))
    )


def _single(words: pl.DataFrame) -> pl.DataFrame:
    kept = words.filter(pl.col("kind") == "term")
    return kept.select("row", text="token", key="token")


def _phrases(words: pl.DataFrame) -> pl.DataFrame:
    """Two words side by side, or with one function word between them; both as written and without it."""
    row, kind, token = pl.col("row"), pl.col("kind"), pl.col("token")
    near = (row == row.shift(-1)) & (kind == "term") & (kind.shift(-1) == "term")
    across = (row == row.shift(-2)) & (kind == "term") & (kind.shift(-1) == "filler") & (kind.shift(-2) == "term")
    first = pl.concat_str(token, token.shift(-1), separator=" ")
    second = pl.concat_str(token, token.shift(-2), separator=" ")
    written = pl.concat_str(token, pl.col("piece").shift(-1), token.shift(-2), separator=" ")
    return pl.concat(
        [
            words.filter(near.fill_null(False)).select("row", text=pl.lit("")).clear(),
            words.select("row", near=near, text=first, key=first).filter("near").select("row", "text", "key"),
            words.select("row", near=across, text=written, key=second).filter("near").select("row", "text", "key"),
            words.select("row", near=across, text=second, key=second).filter("near").select("row", "text", "key"),
        ][1:]
    ).filter(pl.col("key").str.split(" ").list.n_unique() == 2)


def _runs(pieces: pl.DataFrame) -> pl.DataFrame:
    """Terms of scripts without spaces: katakana words, two to four Han characters, three to six of the others."""
    unspaced = pieces.filter(pl.col("piece").str.contains(rf"^[{_UNSPACED}]"))
    whole = unspaced.filter(pl.col("piece").str.contains(rf"^{_KATAKANA}$")).select("row", text="piece")
    han = unspaced.filter(pl.col("piece").str.contains(r"^\p{Han}"))
    stacked = unspaced.filter(pl.col("piece").str.contains(rf"^(?:{_STACKED})$"))
    bound = rf"^[{_BINDING}]|[{_BINDING}]$"
    cut = pl.concat(
        [_grams(han, size).filter(~pl.col("text").str.contains(bound)) for size in (2, 3, 4)]
        + [_grams(stacked, size) for size in (3, 4, 5, 6)]
    )
    terms = pl.concat([whole, cut.select("row", "text")])
    return terms.filter(pl.col("text").str.len_chars() <= LONGEST).with_columns(key="text")


def _grams(runs: pl.DataFrame, size: int) -> pl.DataFrame:
    """Every stretch of `size` characters that does not tear a character from its marks."""
    length = pl.col("piece").str.len_chars().cast(pl.Int64)
    starts = runs.with_columns(start=pl.int_ranges(0, length - size + 1)).explode("start", empty_as_null=False)
    cut = starts.select(
        "row",
        text=pl.col("piece").str.slice("start", size),
        after=pl.col("piece").str.slice(pl.col("start") + size, 1),
    )
    torn = pl.col("text").str.contains(rf"^[{_FOLLOWERS}]") | pl.col("after").str.contains(rf"[{_FOLLOWERS}]")
    return cut.filter(~torn).select("row", "text")
