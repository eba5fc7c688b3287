"""The release in the lake, as the next one is compared with it: whole, absent, or damaged, which is not absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.clio.gates import OF_A_RELEASE, previous_release
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home
from dagster_project.lake import WHOLE
from dagster_project.settings import Settings
from dagster_project.steps import Step
from schemas.catalogue import Table
from tests.unit.tiny_release import counted_release, plain


@pytest.fixture
def released(home: Path) -> Home:
    opened, release = Home(home), counted_release(*plain())
    frames = [*release.tables.frames().values(), release.counted]
    for table, frame in zip(OF_A_RELEASE, frames, strict=True):
        staged = opened.lake.stage(table.zone, table.name, frame)
        opened.lake.commit(staged, code_version="1", fingerprint="f")
    return opened


def step_of(home: Home, **settings: object) -> Step:
    return Step("release", Home(home.root), Settings.model_validate(settings), WHOLE, "run")


def test_a_whole_release_is_compared_with_and_an_absent_one_is_not(released: Home) -> None:
    before = previous_release(step_of(released))
    assert before is not None and before.tables.clusters.height
    released.lake.remove("published", "clusters", WHOLE)
    assert previous_release(step_of(released)) is None


@pytest.mark.parametrize("torn", ["*.parquet", "manifest.json"])
@pytest.mark.parametrize("table", OF_A_RELEASE, ids=lambda table: table.name)
def test_a_damaged_release_is_not_taken_for_none(released: Home, table: Table, torn: str) -> None:
    (file,) = released.lake.folder(table.zone, table.name).glob(torn)
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)
    with pytest.raises(ObservatoryError, match=r"restore .*hold_small_changes=false"):
        previous_release(step_of(released))
    assert previous_release(step_of(released, hold_small_changes=False)) is None
