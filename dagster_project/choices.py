"""What options of the command line say about models: roles and budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster_project.language_models import Limits

NO_MODEL = "none"


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
