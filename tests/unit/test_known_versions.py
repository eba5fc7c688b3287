"""What a batch drops because earlier batches hold it, as the step reads them from the lake."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assets.conversations.assets import _known
from assets.conversations.batch import read_batch
from dagster_project.home import Batch, Home
from dagster_project.privacy.tombstones import Tombstones
from schemas.catalogue import CONVERSATIONS
from tests.reading_support import said, write_rows


def add(home: Home, folder: Path, name: str, *texts: str) -> Batch:
    """Register a file of undated conversations c0, c1, ..."""
    rows = [{"id": f"c{n}", "user": "u", "messages": said(text)} for n, text in enumerate(texts)]
    rows.append({"id": f"own-{name}", "user": "u", "messages": said(name)})
    return home.add_batch(
        write_rows(folder / name, *rows), format_name="openai", privacy_unit="user", mapping={}
    )[0]


def read(home: Home, batch: Batch) -> list[str]:
    """Read a batch as the step does. Returns the ids that it holds."""
    step: Any = SimpleNamespace(home=home, lake=home.lake)
    reading = read_batch(
        home.lake,
        batch,
        Path(batch.path),
        home.secret,
        _known(step, batch),
        home.settings(),
        lambda done: None,
        Tombstones(),
    )
    home.lake.commit(reading.conversations, code_version="1", fingerprint="f")
    held = home.lake.scan(CONVERSATIONS.zone, CONVERSATIONS.name, batch.key).collect()
    return sorted(held["conversation_id"])


@pytest.mark.parametrize(
    ("order", "third"),
    [([0, 1, 2], ["c0", "own-3"]), ([0, 2, 1], ["c0", "c1", "own-3"])],
)
def test_what_came_back_after_a_change_is_kept(
    home: Path, tmp_path: Path, order: list[int], third: list[str]
) -> None:
    opened = Home(home)
    batches = [
        add(opened, tmp_path, str(number), text, "always the same")
        for number, text in ((1, "first"), (2, "second"), (3, "first"))
    ]
    held = {number: read(opened, batches[number]) for number in order}
    assert held[0] == ["c0", "c1", "own-1"] and held[2] == third
