"""How a room declares its assets: a step reads tables lazily, returns tables, and commits those that pass their gates.

`table_step` wraps a small function into a Dagster multi-asset. The function receives the step and its inputs as
`pl.LazyFrame`s and returns a `Result`; staging, gates, metadata, the journal and safe error messages are the same
for all rooms and live here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from dagster_project import partitions, progress
from dagster_project.checks import GateSpec, Outcome, schema_outcome
from dagster_project.errors import INTERRUPTIONS, ObservatoryError, kind_and_place
from dagster_project.files import write_private
from dagster_project.home import Batch, Home
from dagster_project.lake import WHOLE, Lake, StagedTable
from dagster_project.memory import peak_megabytes, release_freed, reset_peak
from dagster_project.metadata import displayable
from dagster_project.settings import Settings
from schemas.catalogue import Table

if TYPE_CHECKING:
    from dagster_project.language_models import Asker, Meter

OWNERS = ["team:observatory"]
Frames = pl.DataFrame | pl.LazyFrame | Iterable[pl.DataFrame] | StagedTable


@dataclass
class Result:
    """What a step's function returns.

    `tables` are written in the order given, unless the function has staged them itself. `on_commit` runs once all
    gates have passed. `rows_in` defaults to the rows of the last output. `metadata` holds what Dagster shows: counts,
    and small frames as tables; nothing restricted. Tables in `keep_when_refused` are committed if they themselves pass,
    even when another table of the step does not.
    """

    tables: Mapping[str, Frames]
    rows_in: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    on_commit: Callable[[], None] = lambda: None
    keep_when_refused: Sequence[str] = ()


@dataclass(frozen=True)
class Step:
    """What a step's function may use besides its inputs."""

    name: str
    home: Home
    settings: Settings
    partition: str
    run_id: str

    @property
    def lake(self) -> Lake:
        """The home's lake."""
        return self.home.lake

    @property
    def batch(self) -> Batch:
        """The batch of a batched step."""
        return self.home.batch(self.partition)

    def asker(self, role: str) -> Asker | None:
        """The model that the settings give a role (`reader`, `namer`, ...), with the home's call cache; None without one."""
        from dagster_project.language_models import Asker, CallCache, parse
        from dagster_project.language_models.backends import connect

        chosen = getattr(self.settings, role)
        if chosen is None:
            return None
        return Asker(connect(parse(chosen)), CallCache(self.home.calls), meter_of(self.run_id))

    def report(self, done: int, total: int | None = None) -> None:
        """Tell the progress display how far this step is."""
        progress.report(self.name, done, total)


@lru_cache(maxsize=4)
def meter_of(run_id: str) -> Meter:
    """The meter that all steps of a run share."""
    from dagster_project.language_models import Meter

    del run_id
    return Meter()


@dataclass(frozen=True)
class StepSpec:
    """Declaration of a step: what `plan` needs to know about it without running it."""

    name: str
    outputs: tuple[Table, ...]
    inputs: tuple[Table, ...]
    version: str
    settings: tuple[str, ...]
    batched: bool
    besides: Callable[[Settings], Mapping[str, Any]] = lambda settings: {}

    def fingerprint(self, settings: Settings, inputs: Sequence[str], batch: Batch | None) -> str:
        """Hash of everything the outputs depend on: version, settings, what `besides` adds, inputs, the file."""
        facts = {
            "version": self.version,
            "settings": settings.fingerprint(self.settings),
            "inputs": list(inputs),
            "batch": batch.signature() if batch and not self.inputs else None,
            **self.besides(settings),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def table_step(
    *,
    outputs: Sequence[Table],
    inputs: Sequence[Table] = (),
    version: str,
    group: str,
    settings: Sequence[str] = (),
    besides: Callable[[Settings], Mapping[str, Any]] = lambda settings: {},
    gates: Sequence[GateSpec] = (),
    kinds: Sequence[str] = ("polars", "parquet"),
) -> Callable[[Callable[..., Result]], dg.AssetsDefinition]:
    """Turn `fn(step, **input_frames) -> Result` into a multi-asset whose tables are gated before they are committed.

    A step whose outputs are batched runs once per batch. `version` is the code version; `settings` names the settings
    whose change makes the outputs stale; `besides` gives what else does under some settings, such as the hash of the
    prompts where a model is asked, and nothing where none is.
    """

    def decorate(function: Callable[..., Result]) -> dg.AssetsDefinition:
        name = function.__name__
        spec = StepSpec(
            name, tuple(outputs), tuple(inputs), version, tuple(settings), outputs[0].batched, besides
        )
        asset = dg.multi_asset(
            name=f"{name}_step",
            description=(function.__doc__ or "").strip(),
            outs={table.name: _asset_out(table, version, group, kinds) for table in outputs},
            ins={table.name: dg.AssetIn(key=table.name, input_manager_key="lake") for table in inputs},
            check_specs=_check_specs(outputs, gates),
            partitions_def=partitions.batches if spec.batched else None,
            required_resource_keys={"home"},
            op_tags={"observatory/step": name},
        )(_compute(spec, function, tuple(gates)))
        SPECS[name] = spec
        return asset

    return decorate


SPECS: dict[str, StepSpec] = {}
"""Every declared step by name, in the order of import: `plan` reads it."""


def _asset_out(table: Table, version: str, group: str, kinds: Sequence[str]) -> dg.AssetOut:
    columns = [
        dg.TableColumn(name, str(column.dtype), description=column.description or column.title)
        for name, column in table.schema.to_schema().columns.items()
    ]
    return dg.AssetOut(
        key=table.name,
        description=table.description,
        io_manager_key="lake",
        metadata={"zone": table.zone, "dagster/column_schema": dg.TableSchema(columns)},
        group_name=group,
        code_version=version,
        owners=OWNERS,
        kinds=set(kinds),
        tags={"zone": table.zone},
        automation_condition=dg.AutomationCondition.eager(),
    )


def _check_specs(outputs: Sequence[Table], gates: Sequence[GateSpec]) -> list[dg.AssetCheckSpec]:
    schema = [
        dg.AssetCheckSpec(
            "schema",
            asset=table.name,
            blocking=True,
            description="Every row satisfies the table's pandera model.",
        )
        for table in outputs
    ]
    others = [
        dg.AssetCheckSpec(check, asset=table, blocking=True, description=gate.description)
        for gate in gates
        for table, check in gate.answers
    ]
    return [*schema, *others]


def _compute(
    spec: StepSpec, function: Callable[..., Result], gates: tuple[GateSpec, ...]
) -> Callable[..., Iterator[Any]]:
    def compute(context, **inputs: Callable[[], pl.LazyFrame]) -> Iterator[Any]:
        home: Home = context.resources.home.open()
        partition = context.partition_key if spec.batched else WHOLE
        step = Step(spec.name, home, home.settings(), partition, context.run_id)
        with home.lake.writer():
            run = _Run(spec, step, home, started=time.monotonic())
            release_freed()
            reset_peak()
            staged, result, outcomes = _guarded(run, lambda: run.stage(function, inputs, gates))
            yield from run.publish(staged, result, outcomes)

    return compute


@dataclass
class _Run:
    """One execution of a step."""

    spec: StepSpec
    step: Step
    home: Home
    started: float

    def stage(
        self,
        function: Callable[..., Result],
        inputs: Mapping[str, Callable[[], pl.LazyFrame]],
        gates: tuple[GateSpec, ...],
    ) -> tuple[dict[str, StagedTable], Result, list[Outcome]]:
        """Run the function, write its tables aside and put them before their gates."""
        for table in self.spec.outputs:
            self.home.lake.sweep(table.zone, table.name, self.step.partition)
        result = function(self.step, **{name: find() for name, find in inputs.items()})
        zones = {table.name: table.zone for table in self.spec.outputs}
        staged = {
            name: frames
            if isinstance(frames, StagedTable)
            else self.home.lake.stage(zones[name], name, frames, self.step.partition)
            for name, frames in result.tables.items()
        }
        outcomes = [schema_outcome(table, staged[table.name]) for table in self.spec.outputs]
        if all(outcome.passed for outcome in outcomes):
            for gate in gates:
                outcomes += gate.run(self.step, staged, result)
        if all(outcome.passed for outcome in outcomes):
            result.on_commit()
        return staged, result, outcomes

    def publish(
        self, staged: dict[str, StagedTable], result: Result, outcomes: list[Outcome]
    ) -> Iterator[dg.AssetCheckResult | dg.Output]:
        """Yield the checks, commit what passed, and fail the step when any gate did not pass.

        A refusal commits none of the step's tables, but for those that the result keeps in that case.
        """
        failed = {outcome.table for outcome in outcomes if not outcome.passed}
        for outcome in outcomes:
            yield dg.AssetCheckResult(
                asset_key=outcome.table,
                check_name=outcome.gate,
                passed=outcome.passed,
                metadata=displayable(outcome.metadata),
            )
        facts = self._facts(result)
        kept = set(result.keep_when_refused if failed else staged) - failed
        for table in self.spec.outputs:
            if table.name in kept:
                yield self._output(table, staged[table.name], result, facts)
        if failed:
            for table in staged.values():
                self.home.lake.discard(table)
            raise _refusal(outcomes, kept)
        self._record(staged, result)

    def _facts(self, result: Result) -> dict[str, Any]:
        fingerprint = self.spec.fingerprint(self.step.settings, self._input_fingerprints(), self._batch())
        return {"code_version": self.spec.version, "fingerprint": fingerprint}

    def _batch(self) -> Batch | None:
        return self.step.batch if self.spec.batched else None

    def _input_fingerprints(self) -> list[str]:
        keys = [batch.key for batch in self.home.batches()]
        return [
            manifest.fingerprint
            for table in self.spec.inputs
            for key in ([self.step.partition] if self.spec.batched else keys if table.batched else [WHOLE])
            if (manifest := self.home.lake.manifest(table.zone, table.name, key))
        ]

    def _output(self, table: Table, staged: StagedTable, result: Result, facts: dict[str, Any]) -> dg.Output:
        measured = {"seconds": round(time.monotonic() - self.started, 3), "peak_memory_mb": peak_megabytes()}
        return dg.Output(
            (staged, facts),
            output_name=table.name,
            metadata=displayable({**result.metadata, **measured}),
            data_version=dg.DataVersion(facts["fingerprint"]),
        )

    def _record(self, staged: Mapping[str, StagedTable], result: Result) -> None:
        rows_out = staged[self.spec.outputs[-1].name].rows
        self.home.lake.record(
            {
                "run_id": self.step.run_id,
                "stage": self.spec.name,
                "batch": self.step.partition if self.spec.batched else None,
                "rows_in": rows_out if result.rows_in is None else result.rows_in,
                "rows_out": rows_out,
                "seconds": round(time.monotonic() - self.started, 3),
                "peak_memory_mb": peak_megabytes(),
                "finished_at": datetime.now(UTC).isoformat(),
                "code_version": self.spec.version,
            }
        )


def _refusal(outcomes: Sequence[Outcome], kept: set[str]) -> dg.Failure:
    failed = [outcome for outcome in outcomes if not outcome.passed]
    names = ", ".join(f"{outcome.table}/{outcome.gate}" for outcome in failed)
    reasons = displayable({f"{outcome.table}/{outcome.gate}": dict(outcome.metadata) for outcome in failed})
    return dg.Failure(
        f"refused by {names}; {', '.join(sorted(kept)) or 'nothing'} was committed",
        metadata=reasons,
        allow_retries=False,
    )


def _guarded(run: _Run, work: Callable[[], Any]) -> Any:
    """Run `work`; any error that is not known to be safe is replaced by one that names only its kind and place.

    Library errors quote the values they failed on. The whole traceback goes to a file in the restricted zone.
    """
    failure: dg.Failure
    try:
        return work()
    except ObservatoryError as error:
        failure = dg.Failure(str(error), allow_retries=False)
    except (*INTERRUPTIONS, dg.DagsterExecutionInterruptedError):
        raise
    except BaseException as error:
        # A panic in a Rust library is no `Exception`, and its message quotes values too.
        name = f"{run.step.run_id}-{run.spec.name}.txt"
        # An error while this one is handled would carry it along into Dagster's event log.
        with contextlib.suppress(OSError):
            details = traceback.format_exc().encode("utf-8", "backslashreplace")
            write_private(run.home.restricted / "errors" / name, details)
        failure = dg.Failure(
            f"{kind_and_place(error)}; details: restricted/errors/{name}", allow_retries=False
        )
    raise failure
