"""One home with a hostile world in it, run once for all tests of a worker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from dagster_project import embedding
from dagster_project.home import Home
from dagster_project.settings import Settings
from tests.privacy.adversarial_world import SCENES, World, hostile_world
from tests.support import HashingEmbedder

REPOSITORY = Path(__file__).resolve().parents[2]
LOUD = (
    "import logging; logging.basicConfig(level=logging.DEBUG)\n"
    "from tests.support import HashingEmbedder\n"
    "from dagster_project import cli, embedding\n"
    "embedding.default_embedder = HashingEmbedder\n"
    "cli.main()\n"
)


class Hostile(NamedTuple):
    """A home that has run on a world, and all that the command line printed, with every library at DEBUG."""

    home: Home
    world: World
    printed: str


def one_level() -> Settings:
    """A cluster for each scene and no tree above: what becomes of each is then in plain sight."""
    return Settings(clusters=SCENES, top_clusters=2 * SCENES)  # type: ignore[call-arg]


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    """The hostile world through `python -m dagster_project run`."""
    folder = tmp_path_factory.mktemp("hostile")
    world, home = hostile_world(), Home(folder / "home")
    home.store_settings(one_level())
    (folder / "canaries.txt").write_text("\n".join(world.canaries))
    file = world.write(folder / "world.jsonl")
    arguments = ["run", str(file), "--home", str(home.root), "--canaries", str(folder / "canaries.txt")]
    ran = subprocess.run(
        [sys.executable, "-c", LOUD, *arguments],
        cwd=REPOSITORY,
        env={
            name: value for name, value in os.environ.items() if not name.endswith("_HOME") or name == "HOME"
        },
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    return Hostile(home, world, ran.stdout + ran.stderr)


@pytest.fixture
def cheap_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model is loaded."""
    monkeypatch.setattr(embedding, "default_embedder", HashingEmbedder)
