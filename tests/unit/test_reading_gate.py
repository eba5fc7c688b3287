"""The gate behind the facets: each conversation read or with a reason, once, and not too many with one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from assets.clio.reading_steps import account_for_all, common_codes
from dagster_project.home import Home
from dagster_project.settings import Settings
from dagster_project.steps import Result
from schemas.catalogue import FACETS, READING_FAULTS


def outcomes(folder: Path, read: list[str], faults: dict[str, str], rows_in: int) -> list[bool]:
    lake = Home(folder / "home").lake
    frames = {
        FACETS: pl.DataFrame({"conversation_id": read}, schema={"conversation_id": pl.String}),
        READING_FAULTS: pl.DataFrame(
            {"conversation_id": list(faults), "code": list(faults.values())},
            schema={"conversation_id": pl.String, "code": pl.String},
        ),
    }
    staged = {table.name: lake.stage(table.zone, table.name, frame, "b") for table, frame in frames.items()}
    step = SimpleNamespace(settings=Settings(max_unread_share=0.25))  # type: ignore[call-arg]
    return [outcome.passed for outcome in account_for_all(step, staged, Result({}, rows_in=rows_in))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("read", "faults", "rows_in", "passed"),
    [
        (["a", "b", "c"], {}, 3, [True, True]),
        (["a", "b", "c"], {"d": "refused"}, 4, [True, True]),
        (["a", "b"], {"d": "refused"}, 3, [True, False]),
        (["a"], {"b": "screened_out", "c": "screened_out"}, 3, [True, True]),
        (["a", "b"], {}, 3, [False, True]),
        (["a", "b", "c"], {"c": "refused"}, 4, [False, True]),
        ([], {}, 0, [True, True]),
    ],
)
def test_nobody_slips_by(
    tmp_path: Path, read: list[str], faults: dict[str, str], rows_in: int, passed: list[bool]
) -> None:
    assert outcomes(tmp_path, read, faults, rows_in) == passed


def test_a_reason_of_few_is_not_counted_in_public() -> None:
    faults = pl.LazyFrame({"code": ["refused"] * 3 + ["screened_out"] * 20})
    assert common_codes(faults, 15).rows() == [("refused", "fewer than 15"), ("screened_out", "20")]
