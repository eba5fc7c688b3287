"""Facets without a model: what each redacted conversation is about, and how concerning it is.

Source: Clio (arXiv 2412.13678), sections 2 and G.4, in the extractive reader of specs/clio.md. Pure: frames in,
frames out; every row depends on its own conversation only, so batches of any size give the same facets.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from assets.clio.reader.concern import MAX_CHARACTERS, concern_text, lexical_concern
from assets.clio.reader.gloss import read_glosses
from assets.clio.reader.language import UNKNOWN, identify, language_text
from assets.clio.reader.prototypes import Prototypes, concern_margin, packaged_prototypes
from assets.clio.reader.request import read_requests
from assets.clio.reader.task import read_tasks
from assets.clio.reader.text import user_texts
from schemas.clio import Facet

READER = "extractive-v2"
SLICE = 10_000
CONTEXT = ("conversation_id", "user_key", "started_at", "model", "flagged")
COLUMNS = tuple(Facet.to_schema().columns)

# logit(concern) = LEXICAL * evidence + NEARNESS * (margin - MIDDLE) - PRIOR; see docs/decisions/0003-concern-score.md.
LEXICAL = 3.0
MAX_EVIDENCE = 2.5
NEARNESS = 50.0
MIDDLE = 0.035
PRIOR = 2.5
# The embedder knows English; in other languages its nearness says less.
FOREIGN_NEARNESS = 0.5
BAND_STARTS = {"low": 0.1, "elevated": 0.3, "high": 0.7}
# A model's rating as a score: 1 none, 2 low, 3 elevated, 4 and 5 high (docs/decisions/0003-concern-score.md).
RATING_SCORES = {1: 0.02, 2: 0.2, 3: 0.5, 4: 0.8, 5: 0.95}


def read_facets(conversations: pl.DataFrame, redacted: pl.DataFrame) -> pl.DataFrame:
    """Read the facets of each conversation from its redacted text.

    In: `conversations` with conversation_id, user_key, started_at, model, flagged; `redacted` with conversation_id, messages,
    holding the same conversations in any order. Out: the facets table (schemas.clio.Facet), one row per conversation
    in the order of `conversations`. Raises ValueError where a conversation has no redacted text, or several.
    """
    texts = redacted.select("conversation_id", "messages")
    joined = conversations.select(CONTEXT).join(
        texts, on="conversation_id", how="left", validate="1:1", maintain_order="left"
    )
    if joined["messages"].null_count():
        raise ValueError("some conversations have no redacted text; materialise redacted_conversations again")
    parts = [_read_slice(joined.slice(start, SLICE)) for start in range(0, max(joined.height, 1), SLICE)]
    return pl.concat(parts)


def _read_slice(joined: pl.DataFrame) -> pl.DataFrame:
    """Facets of so many conversations that the sentences and tokens in between stay small."""
    read = conversation_facts(joined).hstack(
        joined.select(
            user_turns=user_texts(),
            language_text=language_text(),
            concern_text=concern_text(),
            truncated=_sizes(user_texts()) > MAX_CHARACTERS,
        )
    )
    read = read.hstack(identify(read["language_text"]))
    words = read.select("language", "language_text", turns="user_turns")
    words = words.with_columns(read_requests(words), lexical_concern(read["concern_text"], read["language"]))
    words = words.with_columns(read_tasks(words), read_glosses(words))
    found = words.select("request", "task", "gloss", "concern_lexical")
    unrated = pl.lit(None, pl.UInt8).alias("concern_rating")
    return read.hstack(found).with_columns(unrated, reader=pl.lit(READER)).select(COLUMNS)


def conversation_facts(joined: pl.DataFrame) -> pl.DataFrame:
    """What needs no reader: CONTEXT, week, turns (of the user), characters, of rows with CONTEXT and `messages`."""
    return joined.select(
        *CONTEXT,
        week=pl.col("started_at").dt.truncate("1w").dt.date(),
        turns=user_texts().list.len().cast(pl.UInt32),
        characters=_sizes(pl.col("messages").list.eval(pl.element().struct.field("content"))).cast(pl.UInt32),
    )


def _sizes(texts: pl.Expr) -> pl.Expr:
    """Characters of all texts of a list together."""
    return texts.list.eval(pl.element().str.len_chars()).list.sum().fill_null(0)


def score_concern(
    facets: pl.DataFrame, embeddings: np.ndarray, prototypes: Prototypes | None = None
) -> pl.DataFrame:
    """Combine words and nearness to prototype sentences into one concern score.

    In: `facets` with conversation_id, language, concern_lexical [N]; `embeddings` float32 [N, D], unit vectors of the
    requests in the same order; `prototypes` of the same embedder, by default those of the packaged MiniLM.
    Out: the concerns table (schemas.clio.Concern) in the same order. Raises ValueError where lengths differ.
    """
    if len(embeddings) != facets.height:
        raise ValueError(
            f"{facets.height} facets but {len(embeddings)} embeddings; they must be the same rows"
        )
    vectors = np.asarray(embeddings, dtype=np.float32)
    margin = concern_margin(vectors, prototypes or packaged_prototypes()) - MIDDLE
    evidence = (-(1.0 - pl.col("concern_lexical").cast(pl.Float64)).log()).clip(0.0, MAX_EVIDENCE)
    known = pl.col("language").is_in(["en", UNKNOWN])
    nearness = NEARNESS * pl.when(known).then(1.0).otherwise(FOREIGN_NEARNESS) * pl.col("margin")
    # Rounded, so that the last bits of a matrix product do not depend on the number of threads.
    logit = (LEXICAL * evidence + nearness - PRIOR).round(4)
    scored = facets.select("conversation_id", "language", "concern_lexical", margin=pl.Series(margin)).select(
        "conversation_id", concern_score=(1.0 / (1.0 + (-logit).exp())).cast(pl.Float32)
    )
    return scored.with_columns(concern_band=_band(pl.col("concern_score")))


def rated_concern(facets: pl.DataFrame) -> pl.DataFrame:
    """The concerns table of facets that a model rated, by `RATING_SCORES`; same rows, same order."""
    score = pl.col("concern_rating").replace_strict(RATING_SCORES, return_dtype=pl.Float32)
    scored = facets.select("conversation_id", concern_score=score)
    return scored.with_columns(concern_band=_band(pl.col("concern_score")))


def _band(score: pl.Expr) -> pl.Expr:
    """The band in which a score lies."""
    return (
        pl.when(score >= BAND_STARTS["high"])
        .then(pl.lit("high"))
        .when(score >= BAND_STARTS["elevated"])
        .then(pl.lit("elevated"))
        .when(score >= BAND_STARTS["low"])
        .then(pl.lit("low"))
        .otherwise(pl.lit("none"))
    )
