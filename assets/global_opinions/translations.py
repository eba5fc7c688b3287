"""Questions in other languages: as somebody supplies them, and otherwise as the `writer` translates them.

Supplied are JSON Lines with language, question_id (as the suite's items have it), question and options, in the order of the
original. Source: specs/global_opinions.md 3.4, linguistic prompting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.evaluation.answering import NOBODY
from assets.evaluation.prompts import render
from assets.evaluation.suite import Drafting
from assets.global_opinions.prompts import FOLDER, TRANSLATE
from dagster_project.errors import ObservatoryError

if TYPE_CHECKING:
    from dagster_project.language_models import Request

SUPPLIED, WRITER = "supplied", "writer"
SCHEMA = {
    "language": pl.String,
    "question_id": pl.String,
    "question": pl.String,
    "options": pl.List(pl.String),
    "translation": pl.String,
}
GIVEN = tuple(name for name in SCHEMA if name != "translation")
TOKENS = 1_500


def read_translations(path: Path, questions: pl.DataFrame) -> pl.DataFrame:
    """The supplied translations of these questions, columns SCHEMA. In: question_id, options.

    Raises ObservatoryError where the file is not in the format, gives a question twice, or another number of options.
    """
    try:
        rows = pl.read_ndjson(path, infer_schema_length=None)
        given = rows.select(pl.col(name).cast(SCHEMA[name]) for name in GIVEN)
    except (OSError, pl.exceptions.PolarsError):
        raise ObservatoryError(f"{path.name} is no file of JSON Lines with {', '.join(GIVEN)}") from None
    if sum(given.null_count().row(0)) or given.select("language", "question_id").is_duplicated().any():
        raise ObservatoryError(f"{path.name} has gaps, or translates a question twice into one language")
    known = given.join(questions.select("question_id", asked="options"), on="question_id")
    unlike = known.filter(pl.col("options").list.len() != pl.col("asked").list.len()).height
    if unlike:
        raise ObservatoryError(
            f"{unlike} translations in {path.name} have another number of options than their question"
        )
    return known.drop("asked").with_columns(translation=pl.lit(SUPPLIED)).select(*SCHEMA)


def translated(
    questions: pl.DataFrame, languages: Sequence[str], file: str | None, drafting: Drafting
) -> pl.DataFrame:
    """The questions in each language, columns SCHEMA: supplied where they are, the writer's for the rest.

    In: question_id, question, options. A question that the writer cannot translate is not asked in the language. Raises
    ObservatoryError where something is left to translate and no writer is chosen.
    """
    supplied = pl.DataFrame(schema=SCHEMA) if file is None else read_translations(Path(file), questions)
    wanted = list(dict.fromkeys([*languages, *supplied["language"].unique(maintain_order=True)]))
    pairs = pl.DataFrame({"language": list(languages)}, schema={"language": pl.String}).join(
        questions, how="cross"
    )
    rest = pairs.join(supplied, on=["language", "question_id"], how="anti", maintain_order="left")
    written = pl.DataFrame(list(_written(rest, drafting)), schema=SCHEMA, orient="row")
    place = pl.col("language").replace_strict(
        {name: n for n, name in enumerate(wanted)}, return_dtype=pl.UInt32
    )
    return pl.concat([supplied, written]).sort(place, "question_id")


def _written(rest: pl.DataFrame, drafting: Drafting) -> Iterator[dict[str, Any]]:
    if rest.is_empty():
        return
    asker = drafting.asker("writer")
    if asker is None:
        languages = ", ".join(rest["language"].unique().sort())
        raise ObservatoryError(
            f"{rest.height} questions have no translation ({languages}): choose a model that translates them with --writer, "
            "give them in a file with --option translations=PATH, or leave the languages out"
        )
    asked = {f"{row['language']}/{row['question_id']}": row for row in rest.iter_rows(named=True)}
    for done, response in enumerate(asker.generate(map(_request, asked, asked.values())), start=1):
        drafting.report(done, len(asked))
        if response.value is not None:
            row = asked[response.id]
            yield {**row, **response.value, "translation": WRITER}


def _request(name: str, row: dict[str, Any]) -> Request:
    from dagster_project.language_models import Message, Request, Sampling

    content = render(
        FOLDER, TRANSLATE, language=row["language"], question=row["question"], options=row["options"]
    )
    count = len(row["options"])
    text = {"type": "string", "minLength": 1}
    schema = {
        "type": "object",
        "properties": {
            "question": text,
            "options": {"type": "array", "items": text, "minItems": count, "maxItems": count},
        },
        "required": ["question", "options"],
        "additionalProperties": False,
    }
    sampling = Sampling(temperature=0.0, max_tokens=TOKENS)
    return Request(name, (Message("user", content),), sampling, schema=schema, sources=NOBODY)
