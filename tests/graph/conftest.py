"""A home with a first run behind it, with the cheap embedder."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project import embedding, running
from dagster_project.home import Home
from tests.support import HashingEmbedder, write_conversations


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
