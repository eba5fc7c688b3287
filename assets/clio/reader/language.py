"""Which language a conversation is in: py3langid's model, read in batches with NumPy.

The choice, and what was measured against it, is in docs/decisions/0002-language-identification.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl

from assets.clio.reader.text import drop_invisible, one_line, strip_markup, user_texts

UNKNOWN = "und"
# Nothing is gained past 300 characters; what a person asks stands before what they paste.
MAX_CHARACTERS = 500
# Markup is removed before the cut, so the slice that is cleaned must be longer than the one that is read.
READ_AHEAD = 4 * MAX_CHARACTERS
LETTER_PROBE = 200
MIN_CONFIDENCE = 0.2
MIN_LETTER_BYTES = 4
# A text is prose when about this share of its visible characters are letters; below it, confidence shrinks.
PROSE_LETTER_SHARE = 0.75
BATCH = 4096
# Labels of the model that are a variety of an ISO 639-1 language, and the one for "no language".
SAME_LANGUAGE = {"nn": "no", "wuu": "zh", "yue": "zh", "ary": "ar", "arz": "ar", "zxx": UNKNOWN}


# Log-odds given to languages that much of the world's chat is written in, so that a few odd words of English are not
# read as Latin or Breton: it decides short texts and vanishes on long ones. English leads the web by a wide margin.
WIDESPREAD = frozenset(
    {
        *("ar", "bn", "cs", "da", "de", "el", "es", "fa", "fi", "fr", "he", "hi", "hu", "id", "it", "ja"),
        *("ko", "ms", "nl", "no", "pl", "pt", "ro", "ru", "sv", "ta", "th", "tr", "uk", "ur", "vi", "zh"),
    }
)
WIDESPREAD_PRIOR = 0.5
ENGLISH_PRIOR = 1.0


@dataclass(frozen=True)
class LanguageModel:
    """The automaton and the naive Bayes table of py3langid, as arrays.

    `next_state` [rows * 256] with `row_start` [states]; `feature` [states], -1 where a state emits none;
    `table` float32 [features, columns], `prior` float32 [columns]; `merge` float32 [columns, languages] sums
    the varieties of a language and gives widespread languages their odds.
    """

    next_state: np.ndarray
    row_start: np.ndarray
    feature: np.ndarray
    table: np.ndarray
    prior: np.ndarray
    merge: np.ndarray
    languages: tuple[str, ...]


@lru_cache(maxsize=1)
def load_model() -> LanguageModel:
    """Read the packaged model; only labels that name an ISO 639-1 language, or none, are kept."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    source = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    labels = [SAME_LANGUAGE.get(label, label) for label in map(str, source.nb_classes)]
    columns = [i for i, label in enumerate(labels) if len(label) == 2 or label == UNKNOWN]
    languages = tuple(sorted({labels[i] for i in columns}))
    merge = np.zeros((len(columns), len(languages)), dtype=np.float32)
    for row, column in enumerate(columns):
        merge[row, languages.index(labels[column])] = np.exp(_log_odds(labels[column]))
    return LanguageModel(
        next_state=np.asarray(source.tk_nextmove),
        row_start=np.asarray(source.tk_row, dtype=np.int64) << 8,
        feature=np.asarray(source.tk_output, dtype=np.int32),
        table=np.ascontiguousarray(source.nb_ptc[:, columns], dtype=np.float32),
        prior=np.asarray(source.nb_pc)[columns].astype(np.float32),
        merge=merge,
        languages=languages,
    )


def _log_odds(language: str) -> float:
    """Log-odds of a language before any text is seen."""
    if language == "en":
        return ENGLISH_PRIOR
    return WIDESPREAD_PRIOR if language in WIDESPREAD else 0.0


def supported_languages() -> list[str]:
    """ISO 639-1 codes that `identify` can return, 'und' apart."""
    return [language for language in load_model().languages if language != UNKNOWN]


def language_text(messages: str = "messages") -> pl.Expr:
    """String: what the user wrote, cleaned of code, links and placeholders, first 500 characters."""
    joined = user_texts(messages).list.join("\n", ignore_nulls=True).fill_null("").str.slice(0, READ_AHEAD)
    return one_line(strip_markup(drop_invisible(joined))).str.slice(0, MAX_CHARACTERS)


def identify(texts: pl.Series) -> pl.DataFrame:
    """Identify the language of each text.

    In: String series [N], cleaned by `language_text`. Out, in the same order: `language` String (ISO 639-1, or
    'und'), `language_confidence` Float32 (0..1). Each row depends on its own text only. Too short, not prose,
    or below the confidence threshold is 'und' with what confidence there was.
    """
    winners, confidence = _classify(_normalise(texts))
    probe = texts.str.slice(0, LETTER_PROBE)
    letters = probe.str.replace_all(r"[^\p{L}\p{M}]+", "")
    visible = probe.str.replace_all(r"\s+", "").str.len_chars().to_numpy()
    share = letters.str.len_chars().to_numpy() / np.maximum(visible, 1)
    confidence = confidence * np.minimum(1.0, share / PROSE_LETTER_SHARE)
    confidence[letters.str.len_bytes().to_numpy() < MIN_LETTER_BYTES] = 0.0
    # Rounded, so that the last bits of a matrix product do not depend on the number of threads.
    confidence = confidence.round(4)
    names = np.asarray(load_model().languages, dtype=object)[winners]
    names[confidence < MIN_CONFIDENCE] = UNKNOWN
    return pl.DataFrame(
        {"language": pl.Series(names, dtype=pl.String), "language_confidence": confidence.astype(np.float32)}
    )


def _normalise(texts: pl.Series) -> pl.Series:
    """Text as the model was trained on: composed characters, no shouting."""
    capitals = ~texts.str.contains(r"\p{Ll}")
    folded = texts.zip_with(~capitals, texts.str.to_lowercase())
    beyond_ascii = (folded.str.len_bytes() != folded.str.len_chars()).arg_true()
    return folded.scatter(beyond_ascii, folded.gather(beyond_ascii).str.normalize("NFC"))


def _classify(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Index of the best label [N], and the probability [N] of the best language."""
    raw = texts.cast(pl.Binary).to_arrow()
    buffers = raw.cast("large_binary").buffers()
    offsets = np.frombuffer(buffers[1], dtype=np.int64)[: len(texts) + 1]
    content = np.frombuffer(buffers[2], dtype=np.uint8) if buffers[2] is not None else np.zeros(1, np.uint8)
    lengths = np.diff(offsets)
    # Texts of like length walk together, so that few steps run on a nearly empty batch.
    order = np.argsort(-lengths, kind="stable")
    winners = np.zeros(len(texts), dtype=np.int64)
    confidence = np.zeros(len(texts))
    no_language = load_model().languages.index(UNKNOWN)
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        scores = _score(content, offsets[rows], lengths[rows])
        winners[rows] = scores.argmax(axis=1)
        scores[:, no_language] = 0.0
        confidence[rows] = scores.max(axis=1)
    return winners, confidence


def _score(content: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Probabilities [rows, languages] of texts sorted by falling length."""
    from scipy.sparse import csr_matrix

    model = load_model()
    rows, features = _walk(model, content, starts, lengths)
    shape = (len(starts), len(model.table))
    counts = csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, features)), shape=shape)
    counts.data = np.log1p(counts.data)
    scores = np.asarray(counts @ model.table) + model.prior
    # Dividing by the square root of the length is py3langid's calibration of naive Bayes across lengths.
    scores /= np.sqrt(np.maximum(lengths, 1))[:, None]
    scores[np.diff(counts.indptr) == 0] = 0.0
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    merged = scores @ model.merge
    return merged / merged.sum(axis=1, keepdims=True)


def _walk(
    model: LanguageModel, content: np.ndarray, starts: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Step all texts through the automaton byte by byte: (text, feature) of every feature met."""
    state = np.zeros(len(starts), dtype=np.int64)
    rows, features = [], []
    active = np.searchsorted(-lengths, -np.arange(lengths[0] if len(lengths) else 0), side="left")
    for step, count in enumerate(active):
        letters = content[starts[:count] + step]
        state[:count] = model.next_state[model.row_start[state[:count]] + letters]
        emitted = model.feature[state[:count]]
        hit = np.flatnonzero(emitted >= 0)
        rows.append(hit)
        features.append(emitted[hit])
    if not rows:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32)
    return np.concatenate(rows), np.concatenate(features)
