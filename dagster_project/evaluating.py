"""Registering suites, subject models and supplied answers, and bringing the evaluations up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from dagster_project import running
from dagster_project.erasure.removal import drop_supplied
from dagster_project.errors import ObservatoryError
from dagster_project.evaluations import (
    MOST_SAMPLES,
    RESERVED,
    Evaluations,
    Subject,
    shown_name,
    subject_key,
)
from dagster_project.files import write_private
from dagster_project.home import Home
from schemas.identifiers import ANY_IDENTIFIER, HIDDEN

if TYPE_CHECKING:
    from assets.evaluation.suite import Study, Suite
    from dagster_project.language_models import Limits

NAME_LENGTH = 80


@dataclass(frozen=True)
class Asked:
    """A model to evaluate, as it is given. name: as it is published, the model's own without one."""

    specification: str
    name: str | None = None
    samples: int | None = None
    parameters: float | None = None
    rl_steps: float | None = None


def known_suites() -> Mapping[str, Suite]:
    """Every suite by name."""
    from assets.evaluation.steps import SUITES
    from dagster_project import definitions  # noqa: F401 the rooms declare their suites

    return SUITES


def known_studies() -> Mapping[str, Study]:
    """Every study by name: what is evaluated without a subject model."""
    from assets.evaluation.steps import STUDIES
    from dagster_project import definitions  # noqa: F401 the rooms declare their studies

    return STUDIES


def suite_named(text: str) -> Suite:
    """A suite by its name, written with hyphens or underscores. Raises ObservatoryError with the names there are."""
    return _named(text, known_suites())


def evaluation_named(text: str) -> Suite | Study:
    """A suite or a study by its name, as `suite_named` takes it."""
    return _named(text, {**known_suites(), **known_studies()})


def _named(text: str, known: Mapping[str, Any]) -> Any:
    name = text.strip().replace("-", "_")
    if name not in known:
        names = ", ".join(name.replace("_", "-") for name in known)
        raise ObservatoryError(f"there is no suite {text}; there are {names}")
    return known[name]


def chosen_options(pairs: Iterable[str], suites: Sequence[Suite | Study]) -> dict[str, dict[str, Any]]:
    """Options by suite from `SUITE.NAME=VALUE`, the value as YAML. Raises ObservatoryError on a bad one.

    With one suite its name may be left out.
    """
    import yaml

    found: dict[str, dict[str, Any]] = {suite.name: {} for suite in suites}
    for pair in pairs:
        key, given, text = pair.partition("=")
        place, _, name = key.rpartition(".")
        suite = evaluation_named(place).name if place else suites[0].name
        if not given or not name or suite not in found or not (place or len(suites) == 1):
            raise ObservatoryError(
                f"--option takes SUITE.NAME=VALUE of a suite that is evaluated, not {pair!r}"
            )
        try:
            found[suite][name] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ObservatoryError(f"the value of --option {key} is no YAML") from None
    return found


def with_suites(
    kept: Evaluations, suites: Sequence[Suite | Study], chosen: Mapping[str, Mapping[str, Any]]
) -> Evaluations:
    """The register with these suites; options that are not chosen now stay as they were.

    Raises ObservatoryError where an option is not one of the suite, or has no such value.
    """
    options: dict[str, Mapping[str, object]] = {}
    for suite in suites:
        asked = {**kept.suites.get(suite.name, {}), **chosen.get(suite.name, {})}
        try:
            model = suite.options.model_validate(asked)
        except ValidationError as error:
            raise ObservatoryError(f"options of {suite.name}: {_wrong(error)}") from None
        options[suite.name] = model.model_dump(mode="json", exclude_unset=True)
    return kept.with_suites(options)


def _wrong(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())


def model_subject(asked: Asked, suites: Sequence[Suite]) -> Subject:
    """A model as a subject of these suites. Raises ObservatoryError on a bad specification, name or number."""
    from dagster_project.language_models import parse

    specification = str(parse(asked.specification))
    name = checked_name(asked.name or shown_name(specification))
    if asked.samples is not None and not 0 <= asked.samples <= MOST_SAMPLES:
        raise ObservatoryError(f"--samples is a number from 1 to {MOST_SAMPLES}, or 0 to read probabilities")
    return Subject(
        subject_key(name, specification),
        name,
        tuple(sorted(suite.name for suite in suites)),
        specification=specification,
        samples=asked.samples,
        parameters=asked.parameters,
        rl_steps=asked.rl_steps,
    )


def answer_subjects(path: Path, suite: Suite, name: str | None) -> list[Subject]:
    """The subjects of a file of answers to a suite; a look at the file comes before anything is registered.

    Raises ObservatoryError where the file cannot be read, or where a name is given and the file names several.
    """
    from assets.evaluation.supplied import read_supplied, subjects_in
    from dagster_project.files import sha256_file

    names = subjects_in(read_supplied(path))
    if name is not None and len(names) > 1:
        raise ObservatoryError(f"{path.name} names {len(names)} subjects itself; leave --name out")
    digest = sha256_file(path)
    return [
        Subject(
            subject_key(shown, digest),
            checked_name(shown),
            (suite.name,),
            file=str(path.resolve()),
            sha256=digest,
        )
        for shown in (names if len(names) > 1 else [name or next(iter(names), path.stem)])
    ]


def checked_name(name: str) -> str:
    """The name of a subject as it is published. Raises ObservatoryError where it may not be shown."""
    import polars as pl

    shown = pl.Series([name])
    barred = any(shown.str.contains(pattern).item() for pattern in (HIDDEN, ANY_IDENTIFIER))
    if not name or name == RESERVED or len(name) > NAME_LENGTH or barred:
        raise ObservatoryError(
            f"a subject's name is published: give one of at most {NAME_LENGTH} plain characters with --name; "
            f"{RESERVED!r} stands for several"
        )
    return name


def _keep_supplied(home: Home, subjects: Sequence[Subject]) -> None:
    """Copy files of answers into the home: they are read again whenever items change, wherever the file is by then.

    Raises ObservatoryError where one has changed since it was looked at.
    """
    for subject in subjects:
        if subject.file is not None and subject.sha256 is not None:
            content = Path(subject.file).read_bytes()
            if sha256(content).hexdigest() != subject.sha256:
                raise ObservatoryError(
                    f"{Path(subject.file).name} is being written; score it once it is whole"
                )
            write_private(home.supplied(subject.sha256, subject.file), content)


def evaluate(
    home: Home,
    suites: Sequence[Suite | Study],
    subjects: Sequence[Subject],
    options: Mapping[str, Mapping[str, Any]],
    on_event: Callable[[running.StepEvent], None] = lambda event: None,
    limits: Limits | None = None,
) -> running.Materialised:
    """Register suites, studies and subjects, and bring all tables up to date; the caller holds `only_run`.

    Raises ObservatoryError where nothing of real usage has been read yet: the items are seeded and weighted by it.
    """
    if not home.batches():
        raise ObservatoryError(
            "evaluations are seeded by real usage: add conversations with `observatory run FILE...` first"
        )
    register = with_suites(home.evaluations(), suites, options)
    for subject in subjects:
        register = register.with_subject(subject)
    _keep_supplied(home, subjects)
    register.store(home.evaluated)
    drop_supplied(home)
    return running.bring_up_to_date(home, on_event, limits, evaluate=True)
