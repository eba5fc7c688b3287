"""Selected statements that say the same become one idea; every step of it can be read afterwards. Source: spec 1.6.

The statement with the higher consensus leads. Another joins the leader that it is most like, never a follower: chains
of likeness would join what is not alike. A denial is nearly as similar to what it denies as its repetition, so the two
are only ever proposed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from dagster_project.errors import ObservatoryError
from schemas.constitution import MERGED, PRINCIPLE, PROPOSED

Encode = Callable[[Sequence[str]], np.ndarray]
SCHEMA = {
    "statement_id": pl.String,
    "leader": pl.String,
    "outcome": pl.String,
    "similar_to": pl.String,
    "similarity": pl.Float64,
    "reason": pl.String,
}
DENIAL = r"\b(?:not|never|no|none|nor|without|cannot|avoid|refrain|refuse)\b|n['’]t\b"
MERGE, KEEP = "merge", "keep"
COLUMNS = ("statement_id", "similar_to", "decision")
Decisions = dict[frozenset[str], str]


def ideas(
    selected: pl.DataFrame, encode: Encode, *, merge_above: float, propose_above: float, decisions: Decisions
) -> pl.DataFrame:
    """One row per selected statement: statement_id, leader, outcome, similar_to, similarity, reason.

    In: statement_id, text, rank. encode: unit vectors (N, D) of texts. decisions: what a person decided of two
    statements; it goes before any similarity.
    """
    ordered = selected.with_columns(
        words=pl.col("text").str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}'’]+", " ").str.strip_chars(),
        denies=pl.col("text").str.to_lowercase().str.contains(DENIAL),
    ).sort("rank", pl.col("statement_id").cast(pl.Int64, strict=False), "statement_id", nulls_last=True)
    if ordered.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    alike = _likeness(ordered, encode)
    names, denies = ordered["statement_id"].to_list(), ordered["denies"].to_numpy()
    members: dict[int, list[int]] = {}
    rows: list[dict[str, Any]] = []
    for place, name in enumerate(names):
        decided = {
            lead: _decided(name, [names[at] for at in idea], decisions) for lead, idea in members.items()
        }
        row = _joined(place, decided, alike, denies, (merge_above, propose_above), names)
        if row["outcome"] == MERGED:
            members[names.index(row["leader"])].append(place)
        else:
            members[place] = [place]
            row["leader"] = name
        rows.append({"statement_id": name, **row})
    return pl.DataFrame(rows, schema=SCHEMA)


def _likeness(ordered: pl.DataFrame, encode: Encode) -> np.ndarray:
    """(N, N): cosine of any two statements, 1 where the words are the same."""
    vectors = encode(ordered["text"].to_list())
    words = ordered["words"].to_numpy()
    return np.where(words[:, None] == words[None, :], 1.0, np.clip(vectors @ vectors.T, -1, 1))


def _decided(name: str, idea: Sequence[str], decisions: Decisions) -> str | None:
    """What a person decided of a statement and an idea, by any statement of it; kept apart from one is kept apart from all."""
    said = {decisions.get(frozenset((name, member))) for member in idea}
    return KEEP if KEEP in said else MERGE if MERGE in said else None


def _joined(
    place: int,
    decided: Mapping[int, str | None],
    alike: np.ndarray,
    denies: np.ndarray,
    cuts: tuple[float, float],
    names: Sequence[str],
) -> dict[str, Any]:
    """What becomes of a statement beside the leaders before it. decided: of each leader's idea, by a person."""
    leaders = list(decided)
    if not leaders:
        return {"outcome": PRINCIPLE, "reason": "highest consensus"}
    open_to = [lead for lead in leaders if decided[lead] != KEEP]
    nearest = max(leaders, key=lambda lead: alike[place, lead])
    merged = [lead for lead in open_to if decided[lead] == MERGE]
    if merged:
        return _row(merged[0], MERGED, "a person merged them", place, alike, names)
    candidates = [lead for lead in open_to if denies[lead] == denies[place]]
    best = max(candidates, key=lambda lead: alike[place, lead], default=None)
    if best is not None and alike[place, best] >= cuts[0]:
        return _row(best, MERGED, f"similarity of at least {cuts[0]:g}", place, alike, names)
    if nearest in open_to and alike[place, nearest] >= cuts[1]:
        denial = "; one of them denies" if denies[nearest] != denies[place] else ""
        return _row(nearest, PROPOSED, f"similarity of at least {cuts[1]:g}{denial}", place, alike, names)
    kept = decided[nearest] == KEEP
    return _row(
        nearest, PRINCIPLE, "a person kept them apart" if kept else "like no other", place, alike, names
    )


def _row(
    lead: int, outcome: str, reason: str, place: int, alike: np.ndarray, names: Sequence[str]
) -> dict[str, Any]:
    return {
        "leader": names[lead],
        "outcome": outcome,
        "similar_to": names[lead],
        "similarity": float(alike[place, lead]),
        "reason": reason,
    }


def read_decisions(path: Path | None) -> Decisions:
    """What a person decided, by the two statements. Raises ObservatoryError where the file is not of that form."""
    if path is None:
        return {}
    try:
        table = pl.read_csv(path, infer_schema_length=0).select(COLUMNS)
    except (pl.exceptions.PolarsError, OSError):
        raise ObservatoryError(f"{path.name} is no CSV with {', '.join(COLUMNS)}") from None
    if not table["decision"].is_in([MERGE, KEEP]).fill_null(False).all():
        raise ObservatoryError(f"a decision in {path.name} is {MERGE} or {KEEP}")
    return {frozenset((one, other)): decision for one, other, decision in table.iter_rows()}
