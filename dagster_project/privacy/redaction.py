"""Redaction: direct identifiers in text become typed placeholders such as <EMAIL>, before anything else reads
it.

Best effort by design, like Presidio itself; `benchmarks/redaction.py` measures it, and the leak scanner,
which shares no code with this module, watches what is published. Names, places and organisations need a
language model and are not covered.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from dagster_project.privacy.prefilter import Window, find_windows, fold_disguises, narrow_windows
from dagster_project.privacy.recognizers import FALLBACK, entities, find_in_window

SLICE_ROWS = 8_192
SLICE_BYTES = 32 << 20
# A pass may uncover what the last one left beside it; two or three settle all but texts made to defeat this.
MAX_PASSES = 12
SPANS = pl.Schema({"row": pl.UInt32, "start": pl.UInt32, "end": pl.UInt32, "type": pl.String})
MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
Span = tuple[int, int, float, str]


class RedactedTexts(NamedTuple):
    """Texts with placeholders, replacements per text (UInt32), and replacements per type."""

    texts: pl.Series
    redactions: pl.Series
    counts: dict[str, int]


class RedactedConversations(NamedTuple):
    """Table redacted_conversations (conversation_id, messages, redactions) and replacements per type."""

    frame: pl.DataFrame
    counts: dict[str, int]


def find_identifiers(texts: pl.Series) -> pl.DataFrame:
    """Identifiers in a String column: [row, start, end, type], in characters, without overlaps."""
    folded, maps = fold_disguises(texts)
    found: dict[int, list[Span]] = {}
    known: dict[tuple[str, tuple[str, ...]], list[Span]] = {}
    for window in narrow_windows(list(find_windows(folded))):
        key = (window.text, window.entities)
        if key not in known:
            known[key] = find_in_window(*key)
        found.setdefault(window.row, []).extend(_place(window, known[key]))
    rows = []
    for row, spans in sorted(found.items()):
        for start, end, _, kind in _resolve(spans):
            rows.append((row, *_original(maps.get(row), start, end), kind))
    return pl.DataFrame(rows, schema=SPANS, orient="row")


def _original(kept: npt.NDArray[np.int64] | None, start: int, end: int) -> tuple[int, int]:
    """A span of a folded text as a span of the text it came from."""
    return (start, end) if kept is None else (int(kept[start]), int(kept[end - 1]) + 1)


def _place(window: Window, spans: list[Span]) -> Iterator[Span]:
    """Spans in the row's own positions, without those that the window's edge may have cut short."""
    for start, end, score, kind in spans:
        cut = (start == 0 and window.cut_before) or (end == len(window.text) and window.cut_after)
        if not cut or kind in ("URL", "SECRET", FALLBACK):
            yield start + window.start, end + window.start, score, kind


def _resolve(spans: list[Span]) -> list[Span]:
    """Spans without overlaps: the longest wins, then the surest, then the type that comes first."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (s[0] - s[1], -s[2], _precedence(s[3]), s[0])):
        at = bisect(kept, span[0], key=lambda other: other[0])
        clear_before = at == 0 or kept[at - 1][1] <= span[0]
        if clear_before and (at == len(kept) or kept[at][0] >= span[1]):
            kept.insert(at, span)
    return kept


@cache
def _precedence(kind: str) -> int:
    return entities().index(kind)


def redact_texts(texts: pl.Series) -> RedactedTexts:
    """Replace identifiers in a String column by placeholders.

    Runs to a fixed point, so redacting the result again changes nothing. Texts without identifiers, and
    nulls, come back unchanged to the byte. Errors never hold text.
    """
    counts: Counter[str] = Counter()
    redactions = pl.zeros(len(texts), dtype=pl.UInt32, eager=True)
    rows, current, result = pl.int_range(len(texts), dtype=pl.UInt32, eager=True), texts, texts.clone()
    for _ in range(MAX_PASSES):
        spans = find_identifiers(current)
        counts.update(dict(spans["type"].value_counts().iter_rows()))
        changed = spans["row"].unique().sort()
        if changed.is_empty():
            break
        replaced = _replace(current.gather(changed).to_list(), spans)
        rows, current = rows.gather(changed), pl.Series(texts.name, replaced, dtype=pl.String)
        per_row = spans.group_by("row").len().sort("row")["len"]
        result = result.scatter(rows, current)
        redactions = redactions.scatter(rows, redactions.gather(rows) + per_row.cast(pl.UInt32))
    return RedactedTexts(result, redactions.alias("redactions"), dict(sorted(counts.items())))


def _replace(texts: list[str], spans: pl.DataFrame) -> list[str]:
    """Texts of the rows that have spans (in row order), with each span replaced by its placeholder."""
    groups = spans.group_by("row", maintain_order=True).agg("start", "end", "type").sort("row")
    replaced = []
    for text, starts, ends, kinds in zip(texts, groups["start"], groups["end"], groups["type"], strict=True):
        pieces, position = [], 0
        for start, end, kind in zip(starts, ends, kinds, strict=True):
            pieces += [text[position:start], f"<{kind}>"]
            position = end
        replaced.append("".join([*pieces, text[position:]]))
    return replaced


def redact_conversations(frame: pl.DataFrame) -> RedactedConversations:
    """Redact every message of a frame [conversation_id, messages List(Struct{role, content})].

    Out: frame [conversation_id, messages, redactions UInt32] in the same order, and replacements per type.
    """
    parts, counts = [], Counter[str]()
    for part in redact_stream([frame]):
        parts.append(part.frame)
        counts.update(part.counts)
    return RedactedConversations(pl.concat(parts), dict(sorted(counts.items())))


def redact_stream(frames: Iterable[pl.DataFrame]) -> Iterator[RedactedConversations]:
    """Redact frames slice by slice, so that memory stays that of a slice however long the stream is."""
    for frame in frames:
        rows = _slice_rows(frame)
        for offset in range(0, max(1, frame.height), rows):
            yield _redact_slice(frame.slice(offset, rows).select("conversation_id", "messages"))


def _slice_rows(frame: pl.DataFrame) -> int:
    per_row = max(1, int(frame.select("messages").estimated_size()) // max(1, frame.height))
    return max(1, min(SLICE_ROWS, SLICE_BYTES // per_row))


def _redact_slice(frame: pl.DataFrame) -> RedactedConversations:
    lengths = frame["messages"].list.len().fill_null(0)
    turns = frame.filter(lengths > 0)["messages"].explode().struct.unnest()
    texts, redactions, counts = redact_texts(turns["content"])
    owners = pl.int_range(frame.height, dtype=pl.UInt32, eager=True).repeat_by(lengths).explode().drop_nulls()
    changed = (
        turns.select("role")
        .with_columns(texts.alias("content"), redactions, owners.alias("row"))
        .group_by("row", maintain_order=True)
        .agg(pl.struct("role", "content").alias("redacted"), pl.col("redactions").sum().cast(pl.UInt32))
    )
    out = frame.with_row_index("row").join(changed, on="row", how="left", maintain_order="left")
    return RedactedConversations(
        out.select(
            "conversation_id",
            pl.coalesce("redacted", "messages").cast(MESSAGES).alias("messages"),
            pl.col("redactions").fill_null(0),
        ),
        counts,
    )
