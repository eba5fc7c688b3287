"""Removing subject models and suites: their answers, figures and files go, and what is published is told without them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster_project import running
from dagster_project.erasure.removal import rows_of, settle_removed, sweep_removed
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home
from schemas.catalogue import SUITE_TABLES

if TYPE_CHECKING:
    from dagster_project.evaluations import Evaluations
    from dagster_project.language_models import Limits


@dataclass(frozen=True)
class Removed:
    """What went. subjects: names that no suite has any more; suites; answers: how many; calls: answers out of the call
    cache; made: as `running.bring_up_to_date` says."""

    subjects: tuple[str, ...]
    suites: tuple[str, ...]
    answers: int
    calls: int
    made: running.Materialised


def remove(
    home: Home,
    subjects: Iterable[str] = (),
    suites: Iterable[str] = (),
    on_event: Callable[[running.StepEvent], None] = lambda event: None,
    limits: Limits | None = None,
    *,
    calls: bool = False,
) -> Removed:
    """Remove subjects, suites, or (where both are given) these subjects' answers to these suites; holds no lock itself.

    No subject is asked anything: figures are told anew from the answers that are left. calls: the call cache is emptied,
    too; it does not say which model has answered. Raises ObservatoryError, with the names there are, where one is unknown.
    """
    before = home.evaluations()
    names = _known(list(subjects), [it.name for it in before.subjects], "subject")
    chosen = _known([suite.strip().replace("-", "_") for suite in suites], list(before.suites), "suite")
    if not names and not chosen:
        raise ObservatoryError("give what to remove: --subject NAME or --suite NAME")
    after = before.without(names, chosen)
    gone = _answers(home, before) - _answers(home, after)
    erased = _empty_cache(home) if calls else 0
    after.store(home.evaluated)
    made = running.Materialised([], [])
    if running.holds_conversations(home):
        made = running.bring_up_to_date(home, on_event, limits, retry=False)
    else:
        sweep_removed(home)
        settle_removed(home)
    left = {it.name for it in after.subjects}
    dropped = tuple(dict.fromkeys(it.name for it in before.subjects if it.name not in left))
    return Removed(
        dropped, tuple(name for name in before.suites if name not in after.suites), gone, erased, made
    )


def _known(asked: Sequence[str], known: Sequence[str], kind: str) -> list[str]:
    unknown = [name for name in asked if name not in known]
    if unknown:
        shown = ", ".join(dict.fromkeys(known)) or "none"
        raise ObservatoryError(
            f"no {kind} {', '.join(unknown)} is evaluated in this home; there are: {shown}"
        )
    return list(asked)


def _answers(home: Home, register: Evaluations) -> int:
    return sum(
        rows_of(home, [SUITE_TABLES[suite].answers], [it.key for it in register.answering(suite)])
        for suite in register.suites
        if suite in SUITE_TABLES
    )


def _empty_cache(home: Home) -> int:
    from dagster_project.language_models import CallCache

    return CallCache(home.calls).expire(0)
