"""Adding files and bringing the tables up to date, through Dagster, in this process."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_project.erasure.removal import drop_subjects, settle_removed, sweep_removed
from dagster_project.errors import ObservatoryError, kind_and_place
from dagster_project.files import private_files
from dagster_project.home import Batch, Home
from dagster_project.lake import WHOLE
from dagster_project.run_events import StepEvent, failure_reason, translated
from dagster_project.spending import expire_calls, metered, require_prices, spending, uses_models
from schemas.catalogue import CONVERSATIONS, PUBLISHED_TABLES

if TYPE_CHECKING:
    import dagster as dg

    from dagster_project.language_models import Limits
    from dagster_project.plan import PlannedRun

NO_USERS = (
    "{file} has no user ids, so thresholds by distinct user cannot be kept. "
    "Give the column that holds them (--map user=COLUMN), or count every conversation as its own user "
    "with --privacy-unit conversation (weaker: one busy person can then pass for many)."
)


@contextmanager
def only_run(home: Home) -> Iterator[None]:
    """Refuse a second `observatory run` or `forget` on the same home instead of letting the two race."""
    with (home.restricted / ".run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ObservatoryError(
                "another `observatory run` or `forget` is working in this home; wait until it has ended"
            ) from None
        yield


def add_files(
    home: Home, paths: Sequence[Path], *, format_name: str | None, privacy_unit: str, mapping: dict[str, str]
) -> list[tuple[Batch, bool]]:
    """Register files as batches after a look at their first rows. Returns each batch and whether it is new.

    Raises ObservatoryError, before anything is registered, when a format cannot be told or when a file has no user
    ids while the privacy unit is the user.
    """
    formats = probe_files(paths, format_name=format_name, privacy_unit=privacy_unit, mapping=mapping)
    return [
        home.add_batch(path, format_name=formats[path], privacy_unit=privacy_unit, mapping=mapping)
        for path in paths
    ]


def probe_files(
    paths: Sequence[Path], *, format_name: str | None, privacy_unit: str, mapping: dict[str, str]
) -> dict[Path, str]:
    """The format of each file, after a look at its first rows. Raises ObservatoryError as `add_files` does."""
    from assets.conversations.ingest import probe
    from assets.conversations.loaders.registry import detect_format

    formats = {}
    for path in paths:
        if not path.is_file():
            raise ObservatoryError(f"there is no file {path}")
        whole_rows = mapping.keys() & {"text", "messages"}
        try:
            formats[path] = format_name or ("mapping" if whole_rows else detect_format(path))
            found = probe(path, formats[path], mapping)
        except ObservatoryError:
            raise
        except Exception as error:
            raise ObservatoryError(
                f"the first rows of {path.name} cannot be read ({kind_and_place(error)}); try another --format"
            ) from None
        if not found.readable:
            raise ObservatoryError(
                f"none of the first rows of {path.name} can be read as {formats[path]}; try another --format"
            )
        if privacy_unit == "user" and not found.has_user_ids:
            raise ObservatoryError(NO_USERS.format(file=path.name))
    return formats


@dataclass(frozen=True)
class Materialised:
    """What `bring_up_to_date` did.

    runs: what ran, [] where every table was fresh; refusals: why batches were not added or not read to their end, and why
    subjects were not asked everything, while all others are published; spent: what language models cost, as in the journal, {} where none was asked.
    """

    runs: list[PlannedRun]
    refusals: list[str]
    spent: Mapping[str, object] = field(default_factory=dict)


def bring_up_to_date(
    home: Home,
    on_event: Callable[[StepEvent], None] = lambda event: None,
    limits: Limits | None = None,
    retry: bool = True,
    *,
    evaluate: bool = False,
) -> Materialised:
    """Run everything stale, spending no more than `limits` on language models; the caller holds `only_run`.

    With `retry`, what passing faults left out is tried first; where that fails, it stays out. With `evaluate`, the
    registered suites are brought up to date and their subjects asked, too. Raises ObservatoryError when a step fails. A
    batch that was never readable is unregistered, so that one bad file does not stop the others; nor does a subject that
    cannot be asked, or only in part.
    """
    if home.evaluations().unsettled:
        sweep_removed(home)
    made = _metered(home, on_event, limits, retry, evaluate)
    settle_removed(home)
    return made


def _metered(
    home: Home, on_event: Callable[[StepEvent], None], limits: Limits | None, retry: bool, evaluate: bool
) -> Materialised:
    settings = home.settings()
    expire_calls(home, settings)
    subjects = home.evaluations().subjects if evaluate else ()
    asked = [it.specification for it in subjects if it.specification]
    if not uses_models(settings, evaluate=evaluate) and not asked:
        return _bring_up_to_date(home, on_event, retry, evaluate)
    require_prices(settings, limits, asked, evaluate=evaluate)
    with metered(limits) as meter:
        made = _bring_up_to_date(home, on_event, retry, evaluate)
        return replace(made, spent=spending(meter))


def _bring_up_to_date(
    home: Home, on_event: Callable[[StepEvent], None], retry: bool, evaluate: bool
) -> Materialised:
    import dagster as dg

    from dagster_project.definitions import defs
    from dagster_project.erasure.residue import retract_outgrown_evaluations
    from dagster_project.plan import plan_retries, plan_runs
    from dagster_project.steps import SPECS
    from schemas import validation

    retract_outgrown_evaluations(home, home.settings())
    if not home.warehouse.exists():
        home.lake.remove(PUBLISHED_TABLES.zone, PUBLISHED_TABLES.name, WHOLE)
    specs = list(SPECS.values())
    retries = plan_retries(specs, home, evaluate=evaluate) if retry else []
    if not (retries or plan_runs(specs, home, evaluate=evaluate)):
        return Materialised([], [])
    validation.prepare()
    home.use_as_dagster_home()
    with private_files(), dg.DagsterInstance.get() as instance:
        drop_unregistered(instance, home)
        drop_subjects(instance, home)
        instance.add_dynamic_partitions("batches", [batch.key for batch in home.batches()])
        instance.add_dynamic_partitions("subjects", [it.key for it in home.evaluations().subjects])
        execute = partial(_execute, defs.resolve_implicit_global_asset_job_def(), instance, home, on_event)
        outcomes = [_try_again(execute, run) for run in retries]
        # Planned again each time: a retry changes what depends on it, and of batches that are all refused nothing does.
        runs = plan_runs(specs, home, evaluate=evaluate)
        outcomes += [execute(run) for run in runs if run.batch is not None]
        for run in plan_runs(specs, home, evaluate=evaluate):
            if run.batch is None:
                _require_conversations(home)
                outcomes.append(_ask(execute, run, home) if run.subject else execute(run))
    return Materialised([*retries, *runs], [refusal for refusal in outcomes if refusal])


def _try_again(execute: Callable[[PlannedRun], str | None], run: PlannedRun) -> str | None:
    """Run a step again for what it has left out. Returns why that failed: the tables of before stay as they are."""
    try:
        return execute(run)
    except ObservatoryError as error:
        return f"{error} What is missing of {run.partition} stays so until a later run."


def _ask(execute: Callable[[PlannedRun], str | None], run: PlannedRun, home: Home) -> str | None:
    """Ask one subject. Returns why it was not asked everything: what it and the others have answered is published.

    Its unfinished tables, and what depends on them, stay stale: the next evaluation asks what is not in the call cache.
    """
    from dagster_project.plan import plan_runs
    from dagster_project.steps import SPECS

    try:
        return execute(run)
    except ObservatoryError as error:
        left = [
            str(SPECS[step].suite).replace("_", "-")
            for other in plan_runs(list(SPECS.values()), home, evaluate=True)
            for step in (other.steps if other.subject == run.subject else ())
        ]
        name = home.evaluations().subject(str(run.subject)).name
        return (
            f"{error} {name} was not asked all of {', '.join(left)}: what is finished is published, and the next "
            "`observatory evaluate` goes on from there."
        )


def materialise(home: Home, on_event: Callable[[StepEvent], None] = lambda event: None) -> list[PlannedRun]:
    """Run everything stale and return what ran; raises ObservatoryError where a batch was refused, too."""
    made = bring_up_to_date(home, on_event)
    if made.refusals:
        raise ObservatoryError(" ".join(made.refusals))
    return made.runs


def drop_unregistered(instance: dg.DagsterInstance, home: Home) -> None:
    """Take partitions out of Dagster that are no batch of the home: steps over all batches would ask for their tables.

    A crash while a batch is dropped leaves one, and so does `Add partition` in the UI.
    """
    registered = {batch.key for batch in home.batches()}
    for key in instance.get_dynamic_partitions("batches"):
        if key not in registered:
            instance.delete_dynamic_partition("batches", key)


def was_read(home: Home, batch: str) -> bool:
    """Whether the batch's conversations were ever committed, even where their manifest is damaged now."""
    try:
        return home.lake.manifest(CONVERSATIONS.zone, CONVERSATIONS.name, batch) is not None
    except ObservatoryError:
        return True


def holds_conversations(home: Home) -> bool:
    """Whether any batch has a conversation, or may have one because it has not been read yet."""
    manifests = [
        home.lake.manifest(CONVERSATIONS.zone, CONVERSATIONS.name, batch.key) for batch in home.batches()
    ]
    return any(manifest is None or manifest.rows for manifest in manifests)


def _require_conversations(home: Home) -> None:
    if not holds_conversations(home):
        raise ObservatoryError(
            "no conversation is left in this home, so nothing is published; add files with `observatory run FILE...`"
        )


def _execute(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    home: Home,
    on_event: Callable[[StepEvent], None],
    run: PlannedRun,
) -> str | None:
    """Run the steps. Returns why a new batch was refused and taken out again; raises on any other failure."""
    import uuid

    import dagster as dg

    run_id = str(uuid.uuid4())
    instance.add_event_listener(run_id, translated(run, on_event))
    result = job.execute_in_process(
        instance=instance,
        run_id=run_id,
        partition_key=run.partition,
        asset_selection=[dg.AssetKey(name) for name in run.assets],
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )
    if result.success:
        return None
    reason = failure_reason(result)
    if run.batch is None or was_read(home, run.batch):
        raise ObservatoryError(reason)
    home.drop_batch(run.batch)
    drop_unregistered(instance, home)
    return f"{reason} Batch {run.batch} was not added."
