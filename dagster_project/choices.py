"""Options that several commands share, and what they say: models, budgets, columns and settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.errors import ObservatoryError

if TYPE_CHECKING:
    from dagster_project.home import Home
    from dagster_project.language_models import Limits
    from dagster_project.settings import Settings

NO_MODEL = "none"
DEFAULT_HOME = Path("observatory-home")
HomeOption = Annotated[Path, typer.Option("--home", help="Folder of the observatory; created private.")]
FormatOption = Annotated[str | None, typer.Option("--format", help="Loader, when the content does not tell.")]
UnitOption = Annotated[
    str, typer.Option("--privacy-unit", help="Whose contribution is counted once: user or conversation.")
]
ColumnsOption = Annotated[
    list[str] | None, typer.Option("--map", help="Z=X: field Z is column X (repeatable).")
]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Where the figures go.")]
ModelOption = Annotated[
    str | None,
    typer.Option(help="Model of this role, as openai:URL#MODEL; kept by `run`; `none`: no model."),
]
ClustersOption = Annotated[int | None, typer.Option(min=1, help="Base clusters; kept by `run`.")]
FacetsOption = Annotated[
    Path | None, typer.Option(help="YAML file of facets that the reader is asked for too; kept by `run`.")
]
ScreenerOption = Annotated[
    str | None, typer.Option(help="Yes-or-no question that decides what the reader reads; kept by `run`.")
]
BudgetOption = Annotated[
    list[str] | None,
    typer.Option(
        help='Most that this command may spend on models: "500 calls", "2M tokens", "5 USD" (repeatable).'
    ),
]


def existing_home(folder: Path) -> Home:
    """The home in a folder. Raises ObservatoryError where there is none: nothing is made for a misspelt name."""
    from dagster_project.home import Home

    if not folder.is_dir():
        raise ObservatoryError(
            f"there is no home {folder}; give it with --home, or make one with `observatory run FILE...`"
        )
    return Home(folder)


def chosen_models(**roles: str | None) -> dict[str, str | None]:
    """The models that were chosen, by role; None takes a role's model away. Raises ObservatoryError on a bad one."""
    given = {role: text.strip() for role, text in roles.items() if text is not None}
    if not given:
        return {}
    from dagster_project.language_models import parse

    return {role: None if text == NO_MODEL else str(parse(text)) for role, text in given.items()}


def chosen_limits(budget: list[str] | None) -> Limits | None:
    """The limits of a run; None without a budget. Raises ObservatoryError on a bad one."""
    if not budget:
        return None
    from dagster_project.language_models import Limits

    return Limits.parse(budget)


def lines_of(file: Path) -> list[str]:
    """The lines of a file that are not blank. Raises ObservatoryError where there is no file."""
    if not file.is_file():
        raise ObservatoryError(f"there is no file {file}")
    return [line for line in file.read_text("utf-8-sig").splitlines() if line.strip()]


def chosen_columns(pairs: list[str]) -> dict[str, str]:
    """Fields and the columns that they are read from. Raises ObservatoryError on a pair that is none."""
    mapping: dict[str, str] = {}
    for pair in pairs:
        field, _, column = pair.partition("=")
        mapping[field] = column
    if not all(mapping) or not all(mapping.values()):
        raise ObservatoryError(
            "--map takes FIELD=COLUMN, for example --map text=prompt --map user=account_id"
        )
    return mapping


def chosen_settings(
    home: Home | None, roles: dict[str, str | None], *, facets: Path | None = None, **choices: object
) -> Settings:
    """The home's settings with the choices of this call; refused before any work where they are not allowed.

    facets: file of custom facets.
    """
    from dagster_project.custom_facets import read_custom_facets
    from dagster_project.privacy.thresholds import Thresholds
    from dagster_project.settings import Settings

    given = {name: value for name, value in choices.items() if value is not None}
    if facets is not None:
        given["custom_facets"] = read_custom_facets(facets)
    stored = Settings.model_validate({}) if home is None else home.settings()
    settings = stored.changed(**given, **roles)
    Thresholds(
        min_users=settings.min_users,
        min_conversations=settings.min_conversations,
        unsafe_below_floor=settings.unsafe_below_floor,
    )
    return settings
