"""A home with a first run behind it, with the cheap embedder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dagster_project import embedding, evaluating, running
from dagster_project.evaluating import Asked
from dagster_project.home import Home
from tests.forget_support import with_marked_user
from tests.opinion_support import statements, votes, write_tables
from tests.opinions_support import random_rows, write_csv
from tests.support import HashingEmbedder, write_conversations
from tests.tiny_llama import save_tiny_llama

SMALL = {"discrimination": {"questions": 1, "usage_scenarios": 2}}


@pytest.fixture
def cheap_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "default_embedder", HashingEmbedder)


@pytest.fixture
def add(home: Path, tmp_path: Path, cheap_embedder: None, monkeypatch: pytest.MonkeyPatch):
    """Add a generated file to the home and bring the tables up to date; returns the home."""
    monkeypatch.setenv("OBSERVATORY_HOME", str(home))

    def add_file(name: str = "first.jsonl", count: int = 400, **options) -> Home:
        opened = Home(home)
        file = write_conversations(tmp_path / name, count, **options)
        running.add_files(opened, [file], format_name=None, privacy_unit="user", mapping={})
        running.materialise(opened)
        return opened

    return add_file


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Folder with a home that has run on one generated file of so many conversations; made once in a worker."""
    made: dict[int, Path] = {}

    def run(count: int) -> Path:
        if count not in made:
            made[count] = tmp_path_factory.mktemp(f"first-{count}")
            run_once(made[count], [write_conversations(made[count] / "first.jsonl", count)])
        return made[count]

    return run


@pytest.fixture
def start(
    first_run: Callable[[int], Path],
    home: Path,
    tmp_path: Path,
    cheap_embedder: None,
    monkeypatch: pytest.MonkeyPatch,
):
    """The test's own copy of a home after its first run, on `first.jsonl` beside it; `add` goes on from there."""
    monkeypatch.setenv("OBSERVATORY_HOME", str(home))

    def copy(count: int = 400) -> Home:
        made = first_run(count)
        shutil.copytree(made / "home", home, dirs_exist_ok=True)
        file, opened = shutil.copy(made / "first.jsonl", tmp_path), Home(home)
        running.add_files(opened, [Path(file)], format_name=None, privacy_unit="user", mapping={})
        return opened

    return copy


def run_once(folder: Path, files: list[Path]) -> Home:
    """A home in the folder that has run on the files."""
    opened = Home(folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding, "default_embedder", HashingEmbedder)
        patch.setenv("OBSERVATORY_HOME", str(opened.root))
        running.add_files(opened, files, format_name=None, privacy_unit="user", mapping={})
        running.materialise(opened)
    return opened


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of three batches, two of which hold conversations of the user `Ms.Quill`; tests work on copies."""
    folder = tmp_path_factory.mktemp("marked")
    files = [write_conversations(folder / f"{name}.jsonl", 150, seed=n) for n, name in enumerate("abc")]
    with_marked_user(files[0], "Ms.Quill")
    with_marked_user(files[1], " ms.QUILL\u200b", first=6)
    return run_once(folder, files).root


@pytest.fixture
def marked(ran: Path, home: Path, cheap_embedder: None, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("OBSERVATORY_HOME", str(home))
    shutil.copytree(ran, home, dirs_exist_ok=True)
    return Home(home)


@pytest.fixture(scope="session")
def evaluated(ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose tiny model has answered a small part of the suite; tests work on copies."""
    folder = tmp_path_factory.mktemp("evaluated")
    home = Home(shutil.copytree(ran, folder / "home"))
    model = save_tiny_llama(folder / "tiny")
    suite = evaluating.suite_named("discrimination")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding, "default_embedder", HashingEmbedder)
        patch.setenv("OBSERVATORY_HOME", str(home.root))
        subject = evaluating.model_subject(Asked(f"transformers:{model}"), [suite])
        made = evaluating.evaluate(home, [suite], [subject], SMALL)
        evaluating.evaluate(home, [evaluating.suite_named("model_written")], [], {})
        opinions = evaluating.suite_named("global_opinions")
        asked = {
            "file": str(write_csv(folder / "opinions.csv", random_rows(4, ["Kenya", "Peru"]))),
            "countries": [],
        }
        voter = evaluating.model_subject(Asked(f"transformers:{model}", "voter"), [opinions])
        evaluating.evaluate(home, [opinions], [voter], {opinions.name: asked})
        public = write_tables(folder / "votes", votes(), statements())
        (folder / "law.csv").write_text(
            "sex,LSAT,UGPA\n" + "".join(f"{n % 2 + 1},{30 + n},3.{n}\n" for n in range(8))
        )
        given = {
            "collective_constitution": {"folder": str(public)},
            "moral_self_correction": {"law": str(folder / "law.csv")},
        }
        evaluating.evaluate(home, [evaluating.evaluation_named(name) for name in given], [], given)
    assert made.spent["model_calls"] == 135 * (2 + 2)
    return home.root


@pytest.fixture
def asked(evaluated: Path, home: Path, cheap_embedder: None, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("OBSERVATORY_HOME", str(home))
    shutil.copytree(evaluated, home, dirs_exist_ok=True)
    return Home(home)
