"""The command of `observatory` that exports evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.choices import DEFAULT_HOME, HomeOption, existing_home
from dagster_project.errors import ObservatoryError

if TYPE_CHECKING:
    import polars as pl

    from assets.evaluation.exporting import Card
    from assets.evaluation.suite import Suite
    from dagster_project.home import Home

MOST_ROWS = 200


class Form(StrEnum):
    """What an export is for; assets.evaluation.exporting.EXPORTS has the same names."""

    INSPECT = "inspect"
    HUGGINGFACE = "huggingface"
    LM_EVAL = "lm-eval"


def export(
    suite: Annotated[str, typer.Argument(help="Suite whose items are exported, such as discrimination.")],
    to: Annotated[Form, typer.Option("--to", help="The tool that is to read them.")],
    out: Annotated[Path, typer.Option(help="Folder to write; new or empty.")],
    home: HomeOption = DEFAULT_HOME,
    licence: Annotated[
        str, typer.Option(help="Licence of the dataset, as the Hugging Face Hub names it.")
    ] = "unknown",
    language: Annotated[
        list[str] | None, typer.Option(help="Language of the items, ISO 639-1 (repeatable); en without.")
    ] = None,
) -> None:
    """Write the items of a suite as an Inspect task, a Hugging Face dataset or lm-evaluation-harness tasks."""
    from assets.evaluation.exporting import EXPORTS
    from dagster_project import evaluating

    opened, chosen = existing_home(home), evaluating.suite_named(suite)
    items = exported_items(opened, chosen)
    card = card_of(opened, chosen, licence=licence, languages=tuple(language or ("en",)))
    done = EXPORTS[to.value](items, card, out)
    typer.echo(f"{done.items:,} items of {chosen.name} in {done.folder}")
    if done.left_out:
        typer.echo(f"{done.left_out:,} are left out: {done.why}")


def exported_items(home: Home, suite: Suite) -> pl.DataFrame:
    """The items of a suite in the home: schemas.evaluation.EvalItem. Raises ObservatoryError where there are none yet."""
    from schemas.catalogue import SUITE_TABLES

    table = SUITE_TABLES[suite.name].items
    if home.lake.manifest(table.zone, table.name) is None:
        name = suite.name.replace("_", "-")
        raise ObservatoryError(
            f"{suite.name} has no items in this home; make them with `observatory evaluate {name}`"
        )
    return home.lake.scan(table.zone, table.name).collect()


def card_of(home: Home, suite: Suite, *, licence: str, languages: tuple[str, ...]) -> Card:
    """What is known of a suite's items here: no path, and of a model only the name under which it is published."""
    from assets.evaluation.exporting import Card

    published = _published(home, suite)
    options = suite.options.model_validate(dict(home.evaluations().suites.get(suite.name, {})))
    return Card(
        suite=suite.name,
        title=suite.title,
        paper=suite.paper,
        version=suite.version,
        licence=licence,
        languages=languages,
        models=_models(home, suite, published),
        prompts={name: digest[:16] for name, digest in short_names(suite.contents(options)).items()},
        tables={
            name.replace("_", " ").capitalize(): frame
            for name, frame in published.items()
            if 0 < frame.height <= MOST_ROWS
        },
    )


def short_names(by_path: Mapping[str, str]) -> dict[str, str]:
    """What is known by path, by the last parts of the path: as many as tell it from the others."""
    parts = {path: Path(path).parts for path in by_path}
    depths = range(1, max(map(len, parts.values()), default=0) + 1)

    def name(path: str) -> str:
        ends = ([other[-depth:] for other in parts.values()].count(parts[path][-depth:]) for depth in depths)
        depth = next(depth for depth, alike in zip(depths, ends, strict=True) if alike == 1)
        return "/".join(parts[path][-depth:])

    return {name(path): content for path, content in by_path.items()}


def _models(home: Home, suite: Suite, published: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    """The models that made the items by role, as the room's tables say; those that are chosen now where none says it."""
    from dagster_project.evaluations import shown_name

    found: dict[str, str] = {}
    for role in suite.roles:
        told = [frame[role] for frame in published.values() if role in frame.columns]
        chosen = getattr(home.settings(), role)
        names = sorted({name for column in told for name in column.drop_nulls()})
        if told and names:
            found[role] = ", ".join(names)
        elif not told and chosen is not None:
            found[role] = shown_name(chosen)
    return found


def _published(home: Home, suite: Suite) -> dict[str, pl.DataFrame]:
    """What the room publishes beside its items, by table: how they were made."""
    from schemas import catalogue

    shared = set(vars(catalogue.SUITE_TABLES[suite.name]).values())
    own = [
        table
        for table in catalogue.tables()
        if table.suite == suite.name and table.zone == "published" and table not in shared
    ]
    held = {table.name: home.lake.last(table.zone, table.name) for table in own}
    return {name: frame for name, frame in held.items() if frame is not None}
