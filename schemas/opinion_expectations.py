"""Great Expectations rules of the global opinions: each question by itself."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.identifiers import HIDDEN
from schemas.rules import BETWEEN, GIVEN, NO_MATCH, PAIR, TOGETHER_UNIQUE, Rules, at_least

SIMILARITIES = ("similarity", "ordinal_similarity", "most_similarity", "least_similarity", "missing_mass")
STRINGS = ("subject", "dataset", "condition", "item_id", "question_id", "most_similar", "least_similar")
ROUNDING = 1e-9


def question_rules(_: Mapping[str, float]) -> Rules:
    """Similarities of a subject's answers to each question."""
    return [
        *((f"{name} hides no character", NO_MATCH, {"column": name, "regex": HIDDEN}) for name in STRINGS),
        ("one row per subject and item", TOGETHER_UNIQUE, {"column_list": ["subject", "item_id"]}),
        *((f"{name} is a share", BETWEEN, _from_zero(name, 1 + ROUNDING)) for name in SIMILARITIES),
        *(
            (f"{name} is not negative", BETWEEN, _from_zero(name, None))
            for name in ("entropy", "human_entropy", "usage")
        ),
        ("some country answered", BETWEEN, {"column": "countries", "min_value": 1}),
        ("a question is given", GIVEN, {"column": "question_id"}),
        ("the most similar is no less so than the mean", PAIR, at_least("most_similarity", "similarity")),
        ("the least similar is no more so than the mean", PAIR, at_least("similarity", "least_similarity")),
    ]


def _from_zero(column: str, most: float | None) -> dict[str, object]:
    return {"column": column, "min_value": -ROUNDING, "max_value": most}
