"""The gloss: what the user's words name, in English, by a small glossary of everyday life.

Clio's facets are in English whatever the conversation's language (arXiv 2412.13678, G.4), so that one topic is one
cluster. The packaged embedder knows English only; the gloss gives it English words without a model. It is no
translation: words that the glossary does not know are left out. `glossary.tsv` has a row for each concept and a column for
each language; entries are beginnings of words (`.` at the end: the whole word; `_`: a space), in scripts
without spaces any run of characters.
"""

from __future__ import annotations

from functools import lru_cache

import polars as pl

from assets.clio.reader.lexicons import FOLDER, UNSPACED_LANGUAGES

# Names of products and programs stay in Latin letters in these languages, and the embedder knows many of them.
OTHER_SCRIPTS = ("ru", "uk", "ar", "hi", "zh", "ja", "ko")
LATIN_WORD = r"[a-z][a-z0-9+#]{1,29}"
MARKS = r"[\u0300-\u036f\u064b-\u0652]"
# Arabic writes "and", "the", "to", "with" together with the word that follows.
ARABIC_CLITICS = ("", "ال", "و", "وال", "ب", "بال", "ل", "لل", "ك", "ف", "فال")
MAX_WORDS = 24
# Two concepts say what a request is about; of one alone the request itself says more.
ENOUGH_CONCEPTS = 2


def read_glosses(texts: pl.DataFrame) -> pl.Series:
    """The gloss of each text.

    In: `language` String, `language_text` String. Out: String series `gloss` in the same order, English words in the
    order of their first mention; '' where the language has no glossary (English needs none) or nothing is
    known. A row depends on its own text only.
    """
    rows = texts.select("language", "language_text").with_row_index("row")
    known = rows.filter(pl.col("language").is_in(list(glossary_languages())))
    parts = [_read_language(part) for part in known.partition_by("language")]
    if not parts:
        return pl.Series("gloss", [""] * rows.height, dtype=pl.String)
    joined = rows.select("row").join(pl.concat(parts), on="row", how="left", maintain_order="left")
    return joined["gloss"].fill_null("")


def text_to_embed(facet: str) -> pl.Expr:
    """What the embedder is given: the facet; in a language with a glossary its gloss, with the facet where that says little."""
    concepts = pl.col("gloss").str.count_matches(";") + 1
    gloss = pl.col("gloss").str.replace_all(";", "", literal=True)
    return (
        pl.when(pl.col("gloss") == "")
        .then(facet)
        .when(concepts >= ENOUGH_CONCEPTS)
        .then(gloss)
        .otherwise(pl.concat_str(gloss, pl.lit(". "), pl.col(facet)))
        .alias(facet)
    )


@lru_cache(maxsize=1)
def glossary_languages() -> tuple[str, ...]:
    """Languages that have a glossary."""
    return tuple(_table().columns[1:])


@lru_cache(maxsize=1)
def _table() -> pl.DataFrame:
    return pl.read_csv(FOLDER / "glossary.tsv", separator="\t", quote_char=None)


@lru_cache(maxsize=64)
def entries(language: str) -> pl.DataFrame:
    """Columns `pattern`, `concept`: what to look for in `prepare`d text, each pattern once."""
    listed = (
        _table()
        .select("en", entry=pl.col(language).str.split(" "))
        .explode("entry", empty_as_null=False)
        .with_columns(whole=pl.col("entry").str.ends_with("."))
        .with_columns(pl.col("entry").str.strip_chars_end(".").str.replace_all("_", " ", literal=True))
    )
    pattern = prepare(pl.col("entry"), language)
    if language not in UNSPACED_LANGUAGES:
        pattern = pl.when("whole").then(pattern).otherwise(pattern.str.strip_chars_end(" "))
    listed = listed.select(pattern=pattern, concept="en")
    if language == "ar":
        clitics = pl.DataFrame({"clitic": ARABIC_CLITICS})
        listed = listed.join(clitics, how="cross").select(
            "concept", pattern=pl.concat_str(pl.lit(" "), "clitic", pl.col("pattern").str.strip_prefix(" "))
        )
    # The automaton takes the first pattern listed of those that begin at one place: the longest one.
    distinct = listed.unique("pattern", keep="first", maintain_order=True)
    return distinct.sort(pl.col("pattern").str.len_chars(), descending=True, maintain_order=True)


def prepare(text: pl.Expr, language: str) -> pl.Expr:
    """Lower case without accents, each word between two spaces of its own; scripts without spaces keep their runs."""
    folded = text.str.to_lowercase().str.normalize("NFKD").str.replace_all(MARKS, "").str.normalize("NFC")
    folded = folded.str.replace_all("[أإآ]", "ا")
    if language in UNSPACED_LANGUAGES:
        return folded
    return folded.str.replace_all(r"([\p{L}\p{M}\p{N}]+)", " ${1} ").str.replace_all(
        r"[^\p{L}\p{M}\p{N}\s]+", ""
    )


def _read_language(part: pl.DataFrame) -> pl.DataFrame:
    """`row`, `gloss` of rows of one language."""
    language = part["language"][0]
    listed = entries(language)
    prepared = part.select("row", text=prepare(pl.col("language_text"), language))
    found = (
        prepared.select(
            "row", pattern=pl.col("text").str.extract_many(listed["pattern"].to_list(), leftmost=True)
        )
        .explode("pattern", empty_as_null=False)
        .join(listed, on="pattern", how="inner", maintain_order="left")
        .select("row", word="concept")
    )
    if language in OTHER_SCRIPTS:
        kept = prepared.select("row", word=pl.col("text").str.extract_all(LATIN_WORD))
        found = pl.concat([found, kept.explode("word", empty_as_null=False)])
    distinct = found.unique(maintain_order=True)
    return distinct.group_by("row").agg(gloss=pl.col("word").head(MAX_WORDS).str.join("; "))
