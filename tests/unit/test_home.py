"""The home: private, its batches content-addressed, its settings validated."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from dagster_project.errors import ObservatoryError
from dagster_project.home import Batch, Home, weakest_unit
from dagster_project.settings import Settings


def test_a_home_is_created_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    for folder in (home.root, home.restricted, home.published, home.inbox, home.dagster):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_home_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(ObservatoryError, match="chmod 700"):
        Home(tmp_path / "open")


def test_the_same_bytes_are_the_same_batch_whatever_the_name(home: Path, tmp_path: Path) -> None:
    opened = Home(home)
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text("same")
    first, new = opened.add_batch(tmp_path / "a.jsonl", format_name="text", privacy_unit="user", mapping={})
    again, old = opened.add_batch(tmp_path / "b.jsonl", format_name="text", privacy_unit="user", mapping={})
    assert (new, old) == (True, False)
    assert first.key == again.key
    assert [batch.key for batch in Home(home).batches()] == [first.key]


def test_a_batch_key_is_safe_whatever_the_file_is_called(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "we'ird \u202e näme;DROP TABLE.jsonl"
    file.write_text("x")
    batch, _ = Home(home).add_batch(file, format_name="text", privacy_unit="user", mapping={})
    Home(home).lake.folder("restricted", "facets", batch.key)


def test_ordinals_grow_even_after_a_batch_was_dropped(home: Path, tmp_path: Path) -> None:
    opened = Home(home)
    keys = []
    for n in range(3):
        (tmp_path / f"{n}.txt").write_text(str(n))
        keys.append(
            opened.add_batch(tmp_path / f"{n}.txt", format_name="text", privacy_unit="user", mapping={})[
                0
            ].key
        )
        if n == 1:
            opened.drop_batch(keys[0])
    assert [batch.ordinal for batch in opened.batches()] == [2, 3]
    with pytest.raises(ObservatoryError, match="not registered"):
        opened.batch(keys[0])


def test_settings_survive_and_bad_ones_are_named(home: Path) -> None:
    opened = Home(home)
    opened.store_settings(Settings(clusters=12))
    assert opened.settings().clusters == 12
    (home / "settings.json").write_text('{"clusters": -1, "colour": 3}')
    with pytest.raises(ObservatoryError, match="clusters, colour"):
        opened.settings()


@pytest.mark.parametrize("name", ["dp_delta", "dp_budget_delta"])
@pytest.mark.parametrize("delta", [0.5, 1e-3])
def test_a_delta_that_protects_nobody_is_refused_with_the_reason(home: Path, name: str, delta: float) -> None:
    opened = Home(home)
    (home / "settings.json").write_text(json.dumps({name: delta}))
    with pytest.raises(ObservatoryError, match=rf"\({name} must be under 0.001, .*nobody is protected\)"):
        opened.settings()
    (home / "settings.json").write_text(json.dumps({name: 9e-4}))
    assert getattr(opened.settings(), name) == 9e-4


def test_one_batch_counted_by_conversation_makes_the_conversation_the_unit() -> None:
    by_user, by_conversation = (
        Batch(unit, unit, "text", unit, "0", ordinal) for ordinal, unit in enumerate(("user", "conversation"))
    )
    assert weakest_unit([by_user, by_user]) == "user"
    assert weakest_unit([by_user, by_conversation, by_user]) == "conversation"


def test_canaries_add_up(home: Path, tmp_path: Path) -> None:
    opened = Home(home)
    (tmp_path / "c.txt").write_text("one\ntwo\n\n")
    assert opened.add_canaries(tmp_path / "c.txt") == 2
    (tmp_path / "c.txt").write_text("two\nthree\n")
    assert opened.add_canaries(tmp_path / "c.txt") == 3
    assert opened.read_canaries() == ["one", "two", "three"]
