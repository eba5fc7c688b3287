"""What is stale: which steps have to run, for which partitions, so that every table is what its inputs and code imply.

A table is fresh when its manifest carries the fingerprint that its step would write now. The fingerprint covers the
code version, the settings the step reads and, through its inputs, everything upstream; so a plan costs a few small
reads, whatever the number of rows. Steps of evaluations are planned where somebody evaluates; everywhere else their
tables are taken as they are, so that a run over new conversations asks no subject model. Where a subject or a suite was
removed, the figures alone are told anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from dagster_project.errors import ObservatoryError
from dagster_project.evaluations import Subject
from dagster_project.home import Batch, Home
from dagster_project.lake import WHOLE, with_gap
from dagster_project.settings import Settings
from dagster_project.steps import StepSpec
from schemas.catalogue import BATCHES, EVALUATION, SUBJECTS, Table

Fingerprints = Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class PlannedRun:
    """Steps that run together: all for one batch, all for one subject, or all over whole tables (neither is given)."""

    batch: str | None
    steps: tuple[str, ...]
    assets: tuple[str, ...]
    subject: str | None = None

    @property
    def partition(self) -> str | None:
        """Key of the batch or of the subject."""
        return self.batch or self.subject


def plan_runs(specs: Sequence[StepSpec], home: Home, *, evaluate: bool = False) -> list[PlannedRun]:
    """Runs that bring every table up to date, in order; [] means nothing to do.

    evaluate: whether tables of evaluations are brought up to date, too.
    """
    batches = home.batches()
    expected = expected_fingerprints(
        specs, home.settings(), batches, gaps(specs, home), home=home, evaluate=evaluate
    )
    stale: dict[tuple[str | None, str], list[StepSpec]] = {}
    for spec in in_order(specs):
        for key, _ in _members(spec, batches, home) if _in_scope(spec, home, evaluate=evaluate) else ():
            if not _is_fresh(spec, key, expected, home):
                stale.setdefault((spec.partition, key), []).append(spec)
    runs = [
        _run(stale[BATCHES, batch.key], batch=batch.key) for batch in batches if (BATCHES, batch.key) in stale
    ]
    if not batches:
        return runs
    asked = {key: found for (kind, key), found in stale.items() if kind == SUBJECTS}
    behind = _behind(specs, [spec for found in asked.values() for spec in found])
    whole = stale.get((None, WHOLE), [])
    before = [spec for spec in whole if spec.name not in behind]
    after = [spec for spec in whole if spec.name in behind]
    runs += [_run(before)] if before else []
    runs += [_run(found, subject=key) for key, found in asked.items()]
    return runs + ([_run(after)] if after else [])


def plan_retries(specs: Sequence[StepSpec], home: Home, *, evaluate: bool = False) -> list[PlannedRun]:
    """Runs that try again what a passing fault has left out of tables that are otherwise what they should be."""
    batches, found = home.batches(), gaps(specs, home)
    expected = expected_fingerprints(specs, home.settings(), batches, found, home=home, evaluate=evaluate)
    return [
        _run([spec], **{"batch" if spec.batched else "subject": key})
        for spec in in_order(specs)
        for key, _ in (_members(spec, batches, home) if _in_scope(spec, home, evaluate=evaluate) else ())
        if (spec.name, key) in found and _is_fresh(spec, key, expected, home)
    ]


def gaps(specs: Sequence[StepSpec], home: Home) -> dict[tuple[str, str], str]:
    """The mark of what a passing fault has left out, by step and partition, where any was.

    The table that is committed last tells: where a crash has left the others with another mark, they are stale.
    """
    found = {}
    for spec in specs:
        for key in home.partition_keys(spec.partition, spec.suite) if spec.partition else ():
            with contextlib.suppress(ObservatoryError):
                manifest = home.lake.manifest(spec.outputs[-1].zone, spec.outputs[-1].name, key)
                if manifest is not None and manifest.gap:
                    found[spec.name, key] = manifest.gap
    return found


def expected_fingerprints(
    specs: Sequence[StepSpec],
    settings: Settings,
    batches: Sequence[Batch],
    gaps: Mapping[tuple[str, str], str] | None = None,
    *,
    home: Home | None = None,
    evaluate: bool = False,
) -> dict[tuple[str, str], str]:
    """The fingerprint that each (table, partition) has when it is what its inputs, settings and code imply.

    Those with a gap, as `gaps` finds them, keep its mark: what depends on them was made without the rows of the gap.
    Tables of evaluations are expected to stay as they are in `home` unless `evaluate` is set; those that are not there
    have none.
    """
    expected: dict[tuple[str, str], str] = {}
    for spec in in_order(specs):
        for key, member in _members(spec, batches, home):
            if _in_scope(spec, home, evaluate=evaluate):
                inputs = _inputs(spec, key, batches, home, expected)
                options = {} if home is None else home.evaluations().suites.get(spec.suite or "", {})
                fingerprint = spec.fingerprint(settings, inputs, member, options)
                fingerprint = with_gap(fingerprint, (gaps or {}).get((spec.name, key), ""))
                expected.update({(table.name, key): fingerprint for table in spec.outputs})
            elif home is not None:
                expected.update(_present(spec, key, home))
    return expected


def in_order(specs: Sequence[StepSpec]) -> list[StepSpec]:
    """The steps, each after those whose tables it reads."""
    writers = {table.name: spec.name for spec in specs for table in spec.outputs}
    graph = {spec.name: {writers[table.name] for table in spec.inputs} for spec in specs}
    by_name = {spec.name: spec for spec in specs}
    return [by_name[name] for name in TopologicalSorter(graph).static_order()]


def _in_scope(spec: StepSpec, home: Home | None, *, evaluate: bool) -> bool:
    if spec.suite is None:
        return True
    if home is None:
        return False
    register = home.evaluations()
    if not evaluate and not (register.unsettled and _tells_of_answers(spec, home)):
        return False
    return spec.suite == EVALUATION or spec.suite in register.suites


def _tells_of_answers(spec: StepSpec, home: Home) -> bool:
    """Whether a step has made figures of subjects' answers: after a removal they are told anew, and nobody is asked."""
    figures = spec.partition is None and any(table.partition == SUBJECTS for table in spec.inputs)
    return figures and all(home.lake.manifest(table.zone, table.name) for table in spec.outputs)


def _members(
    spec: StepSpec, batches: Sequence[Batch], home: Home | None
) -> list[tuple[str, Batch | Subject | None]]:
    if spec.partition == BATCHES:
        return [(batch.key, batch) for batch in batches]
    if spec.partition == SUBJECTS:
        return [] if home is None else [(it.key, it) for it in home.evaluations().answering(spec.suite)]
    return [(WHOLE, None)]


def _inputs(
    spec: StepSpec, partition: str, batches: Sequence[Batch], home: Home | None, expected: Fingerprints
) -> list[str]:
    found = [
        expected.get((table.name, key))
        for table in spec.inputs
        for key in (
            [partition]
            if spec.partition and table.partition == spec.partition
            else _keys(table, batches, home)
        )
    ]
    return [fingerprint for fingerprint in found if fingerprint is not None]


def _keys(table: Table, batches: Sequence[Batch], home: Home | None) -> list[str]:
    if table.partition == BATCHES:
        return [batch.key for batch in batches]
    if table.partition == SUBJECTS:
        return [] if home is None else home.partition_keys(SUBJECTS, table.suite)
    return [WHOLE]


def _present(spec: StepSpec, key: str, home: Home) -> dict[tuple[str, str], str]:
    """The fingerprints of a step's tables as they are in the home."""
    manifests = {table.name: home.lake.manifest(table.zone, table.name, key) for table in spec.outputs}
    return {(name, key): manifest.fingerprint for name, manifest in manifests.items() if manifest}


def _is_fresh(spec: StepSpec, partition: str, expected: Fingerprints, home: Home) -> bool:
    return all(
        home.lake.holds(table.zone, table.name, partition, expected[table.name, partition])
        for table in spec.outputs
    )


def _behind(specs: Sequence[StepSpec], first: Sequence[StepSpec]) -> set[str]:
    """Names of the steps that read, over any number of steps between, what the first ones write."""
    tables = {table.name for spec in first for table in spec.outputs}
    behind: set[str] = set()
    for spec in in_order(specs):
        if tables & {table.name for table in spec.inputs}:
            behind.add(spec.name)
            tables |= {table.name for table in spec.outputs}
    return behind


def _run(specs: Sequence[StepSpec], *, batch: str | None = None, subject: str | None = None) -> PlannedRun:
    return PlannedRun(
        batch,
        tuple(spec.name for spec in specs),
        tuple(table.name for spec in specs for table in spec.outputs),
        subject,
    )
