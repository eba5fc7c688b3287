"""The index of windows: whatever the exact search finds has a common hash, and each text is hashed once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.home import Home
from dagster_project.lake import WHOLE
from dagster_project.leak_gate import find_leaks
from dagster_project.privacy import text_windows
from dagster_project.privacy.leaks import scan_verbatim
from dagster_project.privacy.text_windows import TABLE, ZONE, shared_strings, window_hashes
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
    st.sampled_from(["ab", "AB", "c-d", "é", "Straße", "ﬁn", "漢", "字かな", "ไทย"]), max_size=40
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
