"""The privacy auditor: what a model says of the names that are to be published, failing closed; pure.

A rating of 3 or more passes (Clio G.8). A fault, a refusal, an unreadable rating and a missing answer pass nothing, and
neither does a text that speaks to the auditor. A name that does not pass is replaced by shared terms and rated again; if
that does not pass either, its cluster is withheld (`release.tree`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.clio.prompts import AUDITOR, FOLDER
from assets.clio.wording import SHARED_TERMS, first_free
from dagster_project.language_models import Message, Request, Sampling
from dagster_project.language_models.prompts import mark, render
from dagster_project.privacy.instructions import speaks_to_a_model, strip_instructions

if TYPE_CHECKING:
    from dagster_project.language_models import Asker

PASSES = 3
RATING = Sampling(temperature=0.0, max_tokens=200)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "justification": {"type": "string", "maxLength": 600},
        "rating": {"type": "integer", "minimum": 1, "maximum": 5},
    },
    "required": ["justification", "rating"],
    "additionalProperties": False,
}
LABELS = {
    "cluster_id": pl.String,
    "name": pl.String,
    "summary": pl.String,
    "namer": pl.String,
    "first_rating": pl.UInt8,
    "passed": pl.Boolean,
}


def ratings(
    asker: Asker, texts: pl.DataFrame, secret: bytes, report: Callable[[int], None] = lambda done: None
) -> dict[str, int]:
    """Ratings by id, 1 to 5, of those texts that got one. In: id, text, sources (list of keys; may be absent).

    What speaks to a model is taken out before the auditor sees a text.
    """
    shown = texts.with_columns(text=strip_instructions(texts["text"].fill_null("")))
    found: dict[str, int] = {}

    def requests() -> Iterator[Request]:
        for row in shown.iter_rows(named=True):
            content = render(FOLDER, AUDITOR[0], text=row["text"], mark=mark(secret, [row["text"]]))
            people = frozenset(filter(None, row.get("sources") or ()))
            yield Request(row["id"], (Message("user", content),), RATING, SCHEMA, sources=people)

    for response in asker.generate(requests()):
        if response.fault is None:
            found[response.id] = int(response.value["rating"])
        report(len(found))
    return found


def unaudited(nodes: pl.DataFrame, namers: Mapping[str, str]) -> pl.DataFrame:
    """`LABELS` of the tree as it was named. In: cluster_id, name, summary; what wrote a name, where it is not shared terms."""
    return nodes.select(
        "cluster_id",
        "name",
        "summary",
        namer=pl.col("cluster_id").replace_strict(namers, default=SHARED_TERMS, return_dtype=pl.String),
        first_rating=pl.lit(None, dtype=pl.UInt8),
        passed=pl.lit(None, dtype=pl.Boolean),
    )


def audited(
    nodes: pl.DataFrame,
    namers: Mapping[str, str],
    asker: Asker,
    secret: bytes,
    shared_names: Callable[[], pl.DataFrame],
    report: Callable[[int], None] = lambda done: None,
) -> pl.DataFrame:
    """`LABELS` with the auditor's word on them.

    In: as for `unaudited`, with level; `shared_names` names the tree (cluster_id, name, summary) by shared terms, and is
    called where a name did not pass.
    """
    labels = unaudited(nodes, namers).with_columns(level=nodes["level"])
    first = _rated(labels, asker, secret, report)
    labels = labels.with_columns(
        first_rating=pl.col("cluster_id").replace_strict(first, default=None, return_dtype=pl.UInt8),
        passed=_passed(labels, first),
    )
    failed = labels.filter(~pl.col("passed"))
    if failed.height:
        renamed = _renamed(labels, failed, shared_names())
        again = _rated(renamed, asker, secret, report)
        renamed = renamed.with_columns(passed=_passed(renamed, again))
        labels = labels.update(renamed, on="cluster_id", how="left")
    return labels.select(LABELS.keys())


def _rated(
    labels: pl.DataFrame, asker: Asker, secret: bytes, report: Callable[[int], None]
) -> dict[str, int]:
    """Names hold only words that enough users share, so a rating is made of nobody's own words."""
    texts = labels.select(id="cluster_id", text=pl.format("{}: {}", "name", "summary"))
    return ratings(asker, texts, secret, report)


def _passed(labels: pl.DataFrame, rated: Mapping[str, int]) -> pl.Series:
    rows = labels.select("cluster_id", "name", "summary").iter_rows()
    passed = [
        rated.get(node, 0) >= PASSES and not (speaks_to_a_model(name) or speaks_to_a_model(summary))
        for node, name, summary in rows
    ]
    return pl.Series("passed", passed, dtype=pl.Boolean)


def _renamed(labels: pl.DataFrame, failed: pl.DataFrame, shared: pl.DataFrame) -> pl.DataFrame:
    """The labels that failed, by shared terms; no name is that of another node of the level."""
    taken = {
        level: set(part["name"].str.to_lowercase())
        for (level,), part in labels.join(failed, on="cluster_id", how="anti")
        .partition_by("level", as_dict=True)
        .items()
    }
    named = failed.drop("name", "summary").join(
        shared.select("cluster_id", "name", "summary"), on="cluster_id"
    )
    names = []
    for level, name in named.select("level", "name").iter_rows():
        names.append(first_free([name], taken.setdefault(level, set())))
        taken[level].add(names[-1].casefold())
    return named.with_columns(name=pl.Series(names, dtype=pl.String), namer=pl.lit(SHARED_TERMS))
