"""Terms of requests: words, two-word phrases, and short character runs where a script writes no spaces.

A term counts once for a conversation, and what decides is how many distinct users share it: names and summaries
may only use terms that enough users share (specs/clio.md section 4, design section 4 layer 4). Users whose requests of
one day are made of the same shared terms count as one voice, so that a crowd of accounts that repeat one text cannot
put it into a name (docs/decisions/0012-coordinated-naming.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from assets.clio.inflections import merge_inflections
from assets.clio.reader.lexicons import stopwords
from assets.clio.reader.text import strip_markup

SLICE = 20_000
LONGEST = 30
# Words with a number in them (`python3`, `windows-11`) are short; keys, handles and serial numbers are longer.
LONGEST_WITH_NUMBER = 10
# A language's function words are stop-words everywhere once this share of the requests is in it, because short
# requests are often taken for another language.
MAJOR_LANGUAGE = 0.05
UNKNOWN_USER = "unknown"
ELIDING = ("ca", "fr", "it")
# Articles, prepositions and possessives join two words into a phrase; longer function words start a new clause.
LONGEST_JOINT = 3

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
    rows : row UInt32, user UInt32 (all unknown users are one), voice UInt64 (requests of one day that are made of the
        same shared terms have one)
    vocabulary : term UInt32, text String, key String, users UInt32
        `key` is the phrase in its commonest forms, without a function word between its two words; `text` as it was
        written, or the key itself for all ways of writing together.
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


def own_terms(frame: pl.DataFrame) -> pl.DataFrame:
    """Terms of each conversation, decided by its own text and language: nobody else's can add, drop or change one.

    In: language, request, task, one row per conversation. Out: row UInt32 (place in the frame), term String, unique.
    Inflections stay apart, since which form is the commonest is a matter of all users; the stop-words of every language
    are none, since which languages are the main ones is too.
    """
    found = pl.concat(list(_slices(frame, stopwords()["token"].unique())))
    return found.filter(pl.col("text") == pl.col("key")).select("row", term=pl.col("key").cast(pl.String))


def read_terms(frame: pl.DataFrame, min_users: int) -> Terms:
    """Terms of the requests (of the task where the request is empty) that at least `min_users` users share.

    In: user_key, language, request, task, one row per conversation, and `day` (Date, null where unknown: one unknown
    day); without `day`, no two requests are of one day. Rows are numbered in the frame's order.
    The inflections of a word are one term, whose key is the form that most users write. Stop-words of the frame's main
    languages are no terms in any language.
    """
    rows = frame.select(
        row=pl.int_range(pl.len(), dtype=pl.UInt32),
        user=pl.col("user_key").fill_null(UNKNOWN_USER).rank("dense").cast(pl.UInt32),
        language="language",
    )
    everywhere = _stopwords_everywhere(frame["language"])
    found = merge_inflections(pl.concat(list(_slices(frame, everywhere))), rows, min_users)
    rows = rows.drop("language")
    counted = found.join(rows, on="row").group_by("text", "key").agg(users=pl.col("user").n_unique())
    shared = counted.filter(pl.col("users") >= min_users)
    rows = rows.with_columns(_voices(frame, found.join(shared, on=["text", "key"], how="semi")))
    heard = found.join(rows, on="row").group_by("text", "key").agg(voices=pl.col("voice").n_unique())
    vocabulary = shared.join(heard.filter(pl.col("voices") >= min_users), on=["text", "key"]).with_columns(
        pl.col("text", "key").cast(pl.String)
    )
    vocabulary = vocabulary.sort("text", "key").with_row_index("term")
    codes = vocabulary.select("term", pl.col("text", "key").cast(pl.Categorical))
    uses = found.join(codes, on=["text", "key"]).select("row", "term")
    return Terms(uses, rows, vocabulary.select("term", "text", "key", "users"))


def _voices(frame: pl.DataFrame, shared: pl.DataFrame) -> pl.Series:
    """`voice` of each row: a hash of its day and of the shared terms that it is made of, in whatever order."""
    made_of = shared.group_by("row").agg(pl.col("text").cast(pl.String).hash().sum())
    rows = frame.select(row=pl.int_range(pl.len(), dtype=pl.UInt32)).with_columns(
        day=frame["day"] if "day" in frame.columns else pl.col("row")
    )
    joined = rows.join(made_of, on="row", how="left", maintain_order="left")
    return joined.select(voice=pl.struct("day", "text").hash())["voice"]


def _slices(frame: pl.DataFrame, everywhere: pl.Series) -> Iterator[pl.DataFrame]:
    """`row`, `text`, `key` of every use, unique, a slice of the requests at a time.

    `everywhere` are words that are no terms in any language.
    """
    yield pl.DataFrame(schema={"row": pl.UInt32, "text": pl.Categorical, "key": pl.Categorical})
    for start in range(0, frame.height, SLICE):
        pieces = _pieces(frame.slice(start, SLICE), start)
        words = _words(pieces, everywhere)
        found = pl.concat([_single(words), _phrases(words), _runs(pieces)])
        yield found.with_columns(pl.col("text", "key").cast(pl.Categorical)).unique()


def _stopwords_everywhere(languages: pl.Series) -> pl.Series:
    shares = languages.value_counts(normalize=True).filter(pl.col("proportion") >= MAJOR_LANGUAGE)
    return stopwords().join(shares, on="language", how="semi")["token"].unique()


def _pieces(part: pl.DataFrame, first: int) -> pl.DataFrame:
    """`row`, `language`, `piece`: words, runs of unspaced script and punctuation, in reading order."""
    request = pl.when(pl.col("request").fill_null("") == "").then("task").otherwise("request").fill_null("")
    text = strip_markup(request).str.normalize("NFKC").str.replace_all(r"\p{Cf}", "").str.to_lowercase()
    return part.select(
        row=pl.int_range(first, first + pl.len(), dtype=pl.UInt32),
        language="language",
        piece=text.str.extract_all(_PIECE),
    ).explode("piece", empty_as_null=False)


def _words(pieces: pl.DataFrame, everywhere: pl.Series) -> pl.DataFrame:
    """Pieces with `token`, the word without elision or possessive, and `kind`: term, filler (function word), break."""
    listed = stopwords().rename({"token": "piece"}).with_columns(listed=True)
    bare = pl.col("piece").str.replace(r"['’]s?$", "")
    elided = (
        pl.when(pl.col("language").is_in(ELIDING))
        .then(bare.str.replace(r"^\p{L}{1,2}['’]", ""))
        .otherwise(bare)
    )
    joined = pieces.join(listed, on=["language", "piece"], how="left", maintain_order="left")
    joined = joined.with_columns(token=elided)
    common = everywhere.implode()
    filler = pl.col("listed").fill_null(False) | pl.col("piece").is_in(common) | pl.col("token").is_in(common)
    kind = pl.when(filler).then(pl.lit("filler")).when(_usable(pl.col("token"))).then(pl.lit("term"))
    return joined.with_columns(kind=kind.otherwise(pl.lit("break")))


def _usable(token: pl.Expr) -> pl.Expr:
    """Words with two letters or more (or like `c++`), not long, not like a key, in a script with spaces."""
    numbered = token.str.contains(r"\p{N}")
    like_a_key = token.str.contains(r"\p{N}{5}|\p{N}.*\p{L}.*\p{N}") | (
        token.str.len_chars() > LONGEST_WITH_NUMBER
    )
    return (
        token.str.contains(r"\p{L}.*\p{L}|^\p{L}[+#]+$")
        & ~(numbered & like_a_key)
        & (token.str.len_chars() <= LONGEST)
        & ~token.str.contains(f"[{_UNSPACED}]")
    )


def _single(words: pl.DataFrame) -> pl.DataFrame:
    return words.filter(pl.col("kind") == "term").select("row", text="token", key="token")


def _phrases(words: pl.DataFrame) -> pl.DataFrame:
    """Two words side by side, or around one function word; the latter both as written and without it."""
    row, kind, token = pl.col("row"), pl.col("kind"), pl.col("token")
    ahead = words.select(
        "row",
        "kind",
        "token",
        near=row.shift(-1) == row,
        next_kind=kind.shift(-1),
        next_token=token.shift(-1),
        filler=pl.col("piece").shift(-1),
        far=row.shift(-2) == row,
        far_kind=kind.shift(-2),
        far_token=token.shift(-2),
    ).filter(pl.col("kind") == "term")
    near = ahead.filter(pl.col("near") & (pl.col("next_kind") == "term"))
    joint = (pl.col("next_kind") == "filler") & (pl.col("filler").str.len_chars() <= LONGEST_JOINT)
    far = ahead.filter(pl.col("far") & joint & (pl.col("far_kind") == "term"))
    beside = pl.concat_str("token", "next_token", separator=" ")
    around = pl.concat_str("token", "far_token", separator=" ")
    written = pl.concat_str("token", "filler", "far_token", separator=" ")
    found = [
        near.filter(pl.col("token") != pl.col("next_token")).select("row", text=beside, key=beside),
        far.filter(pl.col("token") != pl.col("far_token")).select("row", text=around, key=around),
        far.filter(pl.col("token") != pl.col("far_token")).select("row", text=written, key=around),
    ]
    return pl.concat(found)


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
    starts = runs.with_columns(start=pl.int_ranges(0, length - size + 1)).explode(
        "start", empty_as_null=False
    )
    cut = starts.select(
        "row",
        text=pl.col("piece").str.slice("start", size),
        after=pl.col("piece").str.slice(pl.col("start") + size, 1),
    )
    torn = pl.col("text").str.contains(rf"^[{_FOLLOWERS}]") | pl.col("after").str.contains(rf"[{_FOLLOWERS}]")
    return cut.filter(~torn).select("row", "text")
