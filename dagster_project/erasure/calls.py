"""Answers of language models that the forgotten had a part in: found by tombstone, so in no need of any table."""

from __future__ import annotations

import polars as pl

from dagster_project.home import Home
from dagster_project.privacy.tombstones import Mason, Tombstones


def met_in_calls(home: Home, tombstones: Tombstones, mason: Mason) -> set[str]:
    """Tombstones that sources of cached answers meet."""
    met = _sources(home, tombstones, mason)
    return {mark for kind in ("user", "conversation", "unowned") for mark in met[kind].drop_nulls()}


def erase_calls(home: Home, tombstones: Tombstones, mason: Mason) -> int:
    """Erase every cached answer with a source that meets a tombstone. Returns how many there were.

    An answer made of the words of several goes with each of them. Raises ObservatoryError while another process uses
    the cache.
    """
    if not home.calls.exists():
        return 0
    from dagster_project.language_models import CallCache

    gone = _sources(home, tombstones, mason).filter(
        pl.any_horizontal(pl.col("user", "conversation", "unowned").is_not_null())
    )
    return CallCache(home.calls).forget(gone["source"].to_list())


def _sources(home: Home, tombstones: Tombstones, mason: Mason) -> pl.DataFrame:
    """source, user, conversation, unowned: the sources of the cache and the tombstones that they meet.

    The cache does not say which of them are users, so each is looked for as a user and as a conversation.
    """
    names: list[str] = []
    if home.calls.exists():
        from dagster_project.language_models import CallCache

        names = CallCache(home.calls).sources()
    source = pl.Series("source", names, dtype=pl.String)
    rows = pl.DataFrame({"conversation_id": source, "user_key": source}).with_columns(unowned=pl.lit(True))
    return tombstones.find(rows, mason).insert_column(0, source)
