"""How much a model auditor finds private at each layer, in figures that tell of nobody; pure."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from assets.clio.audit import PASSES
from dagster_project.privacy.identity import keyed_rank
from dagster_project.statistics import wilson
from schemas.audit import LAYERS

HEAD, TAIL = 4_000, 2_000
DECIMALS = 2
REPORT = {
    "layer": pl.String,
    "rated": pl.UInt32,
    "share_private": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "auditor": pl.String,
}


def drawn(conversations: pl.DataFrame, size: int, least: int, secret: bytes) -> pl.DataFrame:
    """A sample of at most `size` conversations, one of a user, chosen by a keyed hash.

    In: conversation_id, user_key and others. Its size is a multiple of `least`, so that it moves by crowds only.
    Conversations without a user are left out: they may all be of one.
    """
    known = conversations.drop_nulls("user_key")
    ranked = known.with_columns(
        rank=pl.Series(keyed_rank(secret, "audit sample", known["conversation_id"]), dtype=pl.Binary)
    )
    one_each = ranked.sort("rank").unique("user_key", keep="first", maintain_order=True)
    return one_each.head(min(size, one_each.height) // least * least).drop("rank")


def spoken(messages: str) -> pl.Expr:
    """Text of a list of messages, a line for each; of a long one its head and tail."""
    lines = pl.col(messages).list.eval(
        pl.format("{}: {}", pl.element().struct.field("role"), pl.element().struct.field("content"))
    )
    text = lines.list.join("\n")
    shortened = pl.concat_str(text.str.head(HEAD), pl.lit("\n[...]\n"), text.str.tail(TAIL))
    return pl.when(text.str.len_chars() > HEAD + TAIL).then(shortened).otherwise(text)


def people_row(
    layer: str, ids: list[str], rated: Mapping[str, int], least: int, auditor: str
) -> pl.DataFrame:
    """The report's row of a layer of people's texts; no row where fewer than `least` were sampled.

    Fewer than `least` people on either side are not told apart from none: the share is null, and the interval is that of
    the most that is not told.
    """
    count, private = len(ids), sum(rated.get(one, 0) < PASSES for one in ids)
    if count < least:
        return pl.DataFrame(schema=REPORT)
    if private < least:
        return _row(layer, count, None, 0.0, wilson(min(least - 1, count), count).high, auditor)
    if count - private < least:
        return _row(layer, count, None, wilson(max(count - least + 1, 0), count).low, 1.0, auditor)
    return _told(layer, count, private, auditor)


def names_row(ids: list[str], rated: Mapping[str, int], auditor: str) -> pl.DataFrame:
    """The report's row of cluster names, which are of nobody: exact."""
    if not ids:
        return pl.DataFrame(schema=REPORT)
    return _told(LAYERS[2], len(ids), sum(rated.get(one, 0) < PASSES for one in ids), auditor)


def _told(layer: str, count: int, private: int, auditor: str) -> pl.DataFrame:
    interval = wilson(private, count)
    return _row(layer, count, interval.estimate, interval.low, interval.high, auditor)


def _row(layer: str, count: int, share: float | None, low: float, high: float, auditor: str) -> pl.DataFrame:
    rounded = [None if value is None else round(float(value), DECIMALS) for value in (share, low, high)]
    return pl.DataFrame([(layer, count, *rounded, auditor)], schema=REPORT, orient="row")
