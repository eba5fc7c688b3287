"""Gates: what a staged table must pass before it is committed.

A gate runs inside the step that writes, before the commit, and its outcome is a blocking asset check. So a failed
gate leaves the previous table in place, stops everything downstream, and cannot be stepped around by a later run
that finds the table already there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from dagster_project.lake import StagedTable
from schemas.catalogue import Table


@dataclass(frozen=True)
class Outcome:
    """Result of one gate on one table. `metadata` holds counts and names of rules, never values of rows."""

    table: str
    gate: str
    passed: bool
    metadata: Mapping[str, Any] = field(default_factory=dict)


Gate = Callable[[Any, Mapping[str, StagedTable], Any], list[Outcome]]
"""Takes the step, its staged tables by name and its result; returns an outcome for each (table, check) it answers."""


@dataclass(frozen=True)
class GateSpec:
    """A gate and the (table, check name) pairs that it answers for."""

    run: Gate
    answers: tuple[tuple[str, str], ...]
    description: str


def schema_outcome(table: Table, staged: StagedTable) -> Outcome:
    """Validate every row group of a staged table against its pandera model; report broken rules by count."""
    broken: Counter[str] = Counter()
    for frame in _row_groups(staged):
        broken.update(_violations(table, frame))
    unique = table.schema.to_schema().unique
    if unique:
        columns = [unique] if isinstance(unique, str) else list(unique)
        repeated = staged.scan().select(pl.struct(columns).is_duplicated().sum()).collect().item()
        if repeated:
            broken[f"{'+'.join(columns)}: unique"] = repeated
    return Outcome(table.name, "schema", not broken, {"rows": staged.rows, "broken_rules": dict(broken)})


def _row_groups(staged: StagedTable) -> Iterator[pl.DataFrame]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(staged.path) as file:
        if file.num_row_groups == 0:
            yield pl.read_parquet(staged.path)
        for index in range(file.num_row_groups):
            frame = pl.from_arrow(file.read_row_group(index))
            assert isinstance(frame, pl.DataFrame)  # noqa: S101 a table never becomes a Series
            yield frame


def _violations(table: Table, frame: pl.DataFrame) -> Counter[str]:
    from pandera.errors import SchemaErrors

    try:
        table.schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        return Counter(_rule(error) for error in errors.schema_errors)
    return Counter()


def _rule(error: Any) -> str:
    # The error's own text lists failing values; only the names of the column and the rule may leave here.
    column = getattr(error.schema, "name", None) or "table"
    check = getattr(error.check, "name", None) or getattr(error.reason_code, "name", None) or "rule"
    return f"{column}: {check}"
