"""What every test shares: the socket guard, the public data folder, and a private home per test."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import hypothesis
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    """Switch off everything that could talk to the network before any library reads its switches."""
    from dagster_project.cli import OBJECTS_BETWEEN_COLLECTIONS
    from dagster_project.settings import silence_telemetry

    silence_telemetry()
    # How long an example takes says how busy the machine is, not whether the code is right.
    hypothesis.settings.register_profile("suite", deadline=None)
    hypothesis.settings.load_profile("suite")
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the public data sets; the test is skipped where it is absent."""
    folder = Path(os.environ.get("OBSERVATORY_DATA", REPOSITORY / ".." / "shared" / "data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"public data not found at {folder}; set OBSERVATORY_DATA to its folder")
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A fresh observatory home, private to its owner."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder
