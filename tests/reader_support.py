"""Models that read as tests want them to, and batches for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl

from assets.clio.model_facets import ReadSlice, read_with_model
from assets.clio.reader.asking import Reader
from benchmarks.corpora import MESSAGES
from dagster_project.language_models import Asker, CallCache, Meter, Request, Response
from tests.language_model_support import ScriptedModel

SECRET = bytes(range(32))
PLAIN = {"request": "bake bread", "task": "explain a recipe", "language": "en", "concern": 1}


def shown(request: Request) -> str:
    """What stands between the marks of a request."""
    text = request.messages[1].content
    return text[text.index("-begin\n") + 7 : text.rindex("-end\n")]


def answers(answer: Callable[[Request], dict | Response | str]) -> ScriptedModel:
    """A model that answers with what the function gives, as JSON."""

    def say(request: Request) -> Response | str:
        said = answer(request)
        return json.dumps(said) if isinstance(said, dict) else said

    return ScriptedModel(say)


def batch(contents: list[list[str]]) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """`conversations` and `redacted_conversations` of conversations that users begin, roles alternating."""
    rows = [
        [{"role": ("user", "assistant")[turn % 2], "content": text} for turn, text in enumerate(texts)]
        for texts in contents
    ]
    ids = [f"c{row}" for row in range(len(rows))]
    redacted = pl.DataFrame(
        {"conversation_id": ids, "messages": rows},
        schema={"conversation_id": pl.String, "messages": MESSAGES},
    )
    context = redacted.select(
        "conversation_id",
        user_key=pl.lit("0123456789abcdef" * 2),
        started_at=pl.lit(None, pl.Datetime("us", "UTC")),
        model=pl.lit("m"),
        flagged=pl.lit(None, pl.Boolean),
    )
    return context.lazy(), redacted.lazy()


def read(folder: Path, model: ScriptedModel, contents: list[list[str]], **options: object) -> ReadSlice:
    """Read a batch, with the call cache of the folder; all slices together."""
    asker = Asker(model, CallCache(folder / "calls.sqlite"), Meter())
    options = {"most_tokens": 16_000, "secret": SECRET, **options}
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    parts = list(read_with_model(Reader(asker, **options), *batch(contents), scratch, lambda *_: None))  # type: ignore[arg-type]
    for path in scratch.iterdir():
        path.unlink()
    return ReadSlice(
        pl.concat([part.facets for part in parts]),
        pl.concat([part.custom for part in parts]),
        pl.concat([part.faults for part in parts]),
    )
