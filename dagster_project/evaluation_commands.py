"""The commands of `observatory` that evaluate models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dagster_project.choices import (
    DEFAULT_HOME,
    BudgetOption,
    HomeOption,
    chosen_limits,
    chosen_models,
    chosen_settings,
    existing_home,
)
from dagster_project.errors import ObservatoryError

OptionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        help="SUITE.NAME=VALUE: an option of a suite, kept for later runs (repeatable); a path is of this folder.",
    ),
]


def evaluate(
    suites: Annotated[
        list[str] | None,
        typer.Argument(help="Suites, such as discrimination; without any: those evaluated before."),
    ] = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(help="Model to evaluate, as openai:URL#MODEL or transformers:PATH (repeatable)."),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Name under which it is published, in the order of --subject."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    option: OptionOption = None,
    samples: Annotated[
        int | None,
        typer.Option(
            help="Draw so many answers where a model gives no probabilities of options; kept; 0: read probabilities."
        ),
    ] = None,
    parameters: Annotated[
        float | None, typer.Option(help="Parameters of the subject, for trends over sizes; kept.")
    ] = None,
    rl_steps: Annotated[
        float | None, typer.Option(help="Steps of reinforcement learning it has had, for trends; kept.")
    ] = None,
    writer: Annotated[str | None, typer.Option(help="Model that writes evaluations; kept; `none`.")] = None,
    judge: Annotated[str | None, typer.Option(help="Model that judges; kept; `none`.")] = None,
    budget: BudgetOption = None,
) -> None:
    """Ask subject models the items of suites and publish what their answers amount to; asks only what is new."""
    from dagster_project import display, evaluating, evaluation_display, running

    opened = existing_home(home)
    limits = chosen_limits(budget)
    with running.only_run(opened):
        settings = chosen_settings(opened, chosen_models(writer=writer, judge=judge))
        register = opened.evaluations()
        chosen = [evaluating.evaluation_named(suite) for suite in suites or register.suites]
        asking = [suite for suite in evaluating.known_suites().values() if suite in chosen]
        if not chosen:
            known = (*evaluating.known_suites(), *evaluating.known_studies())
            names = ", ".join(one.replace("_", "-") for one in known)
            raise ObservatoryError(f"name what to evaluate: {names}")
        if subject and not asking:
            raise ObservatoryError(f"{chosen[0].name.replace('_', '-')} asks no model; leave --subject out")
        given = subject or ([settings.subject] if settings.subject and suites and asking else [])
        if name and len(name) != len(given):
            raise ObservatoryError("--name is given as often as --subject, or not at all")
        shown = name or [None] * len(given)
        subjects = [
            evaluating.model_subject(
                evaluating.Asked(specification, label, samples, parameters, rl_steps), asking
            )
            for specification, label in zip(given, shown, strict=True)
        ]
        options = evaluating.chosen_options(option or [], chosen)
        opened.store_settings(settings)
        with display.watching() as on_event:
            made = evaluating.evaluate(opened, chosen, subjects, options, on_event, limits)
    names = [suite.name for suite in asking]
    studies = [study for study in evaluating.known_studies().values() if study in chosen]
    if names:
        evaluation_display.show_evaluations(opened, names, did_something=bool(made.runs))
    evaluation_display.show_studies(studies, did_something=bool(made.runs))
    display.show_spending(made.spent)
    if made.refusals:
        raise ObservatoryError(" ".join(made.refusals))


def remove(
    subject: Annotated[
        list[str] | None, typer.Option(help="Name of a subject, as it is published (repeatable).")
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(help="Suite (repeatable); with --subject: only its answers to this suite."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    calls: Annotated[
        bool,
        typer.Option(
            "--calls", help="Also empty the cache of models' answers, of every model: all is paid for again."
        ),
    ] = False,
    budget: BudgetOption = None,
) -> None:
    """Remove subject models or suites with their answers and figures, and publish the rest anew; nobody is asked."""
    from dagster_project import display, evaluation_display, removing, running

    opened = existing_home(home)
    limits = chosen_limits(budget)
    with running.only_run(opened), display.watching() as on_event:
        gone = removing.remove(opened, subject or [], suite or [], on_event, limits, calls=calls)
    evaluation_display.show_removed(gone)
    display.show_spending(gone.made.spent)
    if gone.made.refusals:
        raise ObservatoryError(" ".join(gone.made.refusals))


def score(
    suite: Annotated[str, typer.Argument(help="Suite whose items were answered.")],
    answers: Annotated[
        Path, typer.Option(help="JSONL, CSV or Parquet: item_id, and logprobs, choice or text.")
    ],
    name: Annotated[str | None, typer.Option(help="Name of the subject, where the file gives none.")] = None,
    home: HomeOption = DEFAULT_HOME,
    option: OptionOption = None,
) -> None:
    """Score answers that somebody else collected, with the code that scores all others."""
    from dagster_project import display, evaluating, evaluation_display, running

    opened = existing_home(home)
    chosen = evaluating.suite_named(suite)
    subjects = evaluating.answer_subjects(answers, chosen, name)
    options = evaluating.chosen_options(option or [], [chosen])
    with running.only_run(opened), display.watching() as on_event:
        made = evaluating.evaluate(opened, [chosen], subjects, options, on_event)
    evaluation_display.show_evaluations(opened, [chosen.name], did_something=bool(made.runs))
    evaluation_display.show_left_out(opened, chosen.name, answers, [subject.name for subject in subjects])
    if made.refusals:
        raise ObservatoryError(" ".join(made.refusals))
