"""The index of windows: whatever the exact search finds has a common hash, and each text is hashed once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project import text_windows
from dagster_project.home import Home
from dagster_project.lake import WHOLE
from dagster_project.leak_gate import find_leaks
from dagster_project.privacy.leaks import scan_verbatim
from dagster_project.privacy.verbatim import text_slices
from dagster_project.text_windows import (
    TABLE,
    ZONE,
    drop_index,
    drop_strays,
    shared_strings,
    window_hashes,
)
from schemas.catalogue import CONVERSATIONS

MESSAGES = {"messages": pl.List(pl.Struct({"role": pl.String, "content": pl.String}))}
SECRET = "the quiet harbour opens at dawn when seven grey boats return with their nets full of silver"


def store(home: Home, name: str, texts: list[str]) -> None:
    """A batch whose conversations hold one message each."""
    file = home.root / f"{name}.jsonl"
    file.write_text(name)
    batch, _ = home.add_batch(file, format_name="openai", privacy_unit="user", mapping={})
    frame = pl.DataFrame({"messages": [[{"role": "user", "content": text}] for text in texts]}, MESSAGES)
    staged = home.lake.stage(CONVERSATIONS.zone, CONVERSATIONS.name, frame, batch.key)
    home.lake.commit(staged, code_version="1", fingerprint=name)


words = st.lists(
    st.sampled_from(
        ["ab", "AB", "c-d", "é", "Straße", "ﬁn", "漢", "字かな", "ｶﾀｶﾅ", "カタカナ", "𠀀𠀁", "ไทย"]
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(words, st.integers(0, 30), st.integers(1, 30), st.sampled_from([" ", ", ", "\n", ""]))
def test_every_copy_that_the_exact_search_finds_shares_a_hash(
    text: list[str], start: int, count: int, glue: str
) -> None:
    raw = glue.join(text)
    shown = f"about {glue.join(text[start : start + count])} and more"
    mine, theirs = (set(window_hashes(pl.Series([side]))[0].tolist()) for side in (shown, raw))
    assert bool(mine & theirs) == bool(scan_verbatim([shown], [pl.DataFrame({"text": [raw]})]))


def test_hashes_tell_their_rows_and_no_window_runs_over() -> None:
    half = SECRET.split()[:9]
    texts = pl.Series([None, SECRET, "", " ".join(half), " ".join(SECRET.split()[9:])], dtype=pl.String)
    hashes, rows = window_hashes(texts)
    assert set(rows.tolist()) == {1}
    assert len(hashes) == len(SECRET.split()) - text_windows.WORDS + 1 == np.unique(hashes).size
    assert window_hashes(pl.Series([], dtype=pl.String))[0].size == 0


@pytest.mark.parametrize(
    ("raw", "shown"), [("ｶﾀｶﾅﾃﾞｽ" * 8, "カタカナデス" * 8), ("カタカナデス" * 8, "ｶﾀｶﾅﾃﾞｽ" * 8)]
)
def test_the_width_of_letters_hides_no_copy(home: Path, raw: str, shown: str) -> None:
    opened = Home(home)
    store(opened, "first", [raw])
    assert shared_strings(opened, [shown]) == {shown}
    assert scan_verbatim([shown], [pl.DataFrame({"text": [raw]})])


@pytest.mark.parametrize("size", [1, 40, 10_000])
def test_parts_of_a_text_column_are_all_of_it(size: int) -> None:
    texts = pl.Series(["a" * 7, "", "b" * 300, "", "c" * 20, "d"], dtype=pl.String)
    for column in (texts, texts.clear(), pl.Series(["", ""])):
        parts = list(text_slices(column, size))
        assert pl.concat([column.clear(), *parts]).equals(column)
        sizes = [part.str.len_bytes() for part in parts]
        assert all(held.sum() - max(held.to_list(), default=0) <= size for held in sizes)


def test_only_what_is_shared_is_compared_and_only_new_text_is_hashed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Home(home)
    store(opened, "first", ["hello", f"so {SECRET}."])
    store(opened, "empty", [])
    copied = f"Users say that {SECRET.upper()}"
    assert shared_strings(opened, ["fine", copied]) == {copied}
    hashed = []
    monkeypatch.setattr(
        text_windows, "_distinct", lambda frame: hashed.append(frame.height) or pl.Series([1])
    )
    store(opened, "second", ["three", "small", "texts"])
    assert shared_strings(opened, ["fine", copied]) == {copied}
    assert hashed == [3]


def test_many_strings_keep_their_places(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_windows, "SLICE_BYTES", 100)
    opened = Home(home)
    store(opened, "first", [f"so {SECRET}."] * 3)
    strings = [f"{index} fine and some more words" for index in range(50)]
    strings[37] = f"37: {SECRET}"
    assert shared_strings(opened, strings) == {strings[37]}


def test_the_index_of_a_batch_goes_with_its_text(home: Path) -> None:
    opened = Home(home)
    for name in ("first", "second"):
        store(opened, name, [SECRET])
    shared_strings(opened, [SECRET])
    first, second = (opened.lake.folder(ZONE, TABLE, batch.key) for batch in opened.batches())
    drop_index(opened, opened.batches()[0].key)
    assert not first.exists() and second.exists()
    opened.drop_batch(opened.batches()[1].key)
    drop_strays(opened)
    assert not second.exists()


def test_a_damaged_or_outdated_index_is_made_again(home: Path, tmp_path: Path) -> None:
    opened = Home(home)
    store(opened, "first", ["hello"])
    copied = f"Users say that {SECRET}"
    shown = tmp_path / "clusters.parquet"
    pl.DataFrame({"summary": [copied]}).write_parquet(shown)
    assert find_leaks(opened, [shown]) == {}
    store(opened, "first", [SECRET])
    assert find_leaks(opened, [shown]) == {"clusters.parquet: verbatim": 1}
    key = opened.batches()[0].key
    opened.lake.path(ZONE, TABLE, key).write_bytes(b"torn")
    assert find_leaks(Home(home), [shown]) == {"clusters.parquet: verbatim": 1}
    assert opened.lake.manifest(ZONE, TABLE, WHOLE) is None
