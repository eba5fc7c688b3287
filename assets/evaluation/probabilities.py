"""From answers to the probability of each option, the same whether it was read from log-probabilities or from samples.

Source: specs/discrimination.md 2.3 and 2.4 (normalised over the options, in log space; samples as (count + 1/k) / (n + 1)).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from schemas.evaluation import ANSWERED

POSITION = "position"


def option_scores(items: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """One row per subject and item with options that has an answer which can be scored.

    In: schemas.evaluation.EvalItem and EvalAnswer.
    Out: the items' columns, and subject; answers (rows behind it); p, List[f64], normalised over the options in their
    order, and log_p, its logarithm; missing_mass (mean); choice, the likeliest option, null on a tie; p_target; hit,
    whether the choice is the target, null on a tie or without a target.
    """
    asked = items.filter(pl.col("options").list.len() > 0)
    kept = answers.filter(pl.col("status") == ANSWERED)
    read = pl.concat([_from_logprobs(asked, kept), _from_choices(asked, kept)])
    first = pl.col("log_p").list.arg_max()
    tied = pl.col("log_p").list.eval(pl.element() == pl.element().max()).list.sum() > 1
    placed = asked.join(_target_places(asked), on="item_id", how="left", maintain_order="left")
    scored = placed.join(read, on="item_id", maintain_order="left_right").with_columns(
        p=pl.col("log_p").list.eval(pl.element().exp()),
        choice=pl.when(~tied).then(pl.col("options").list.get(first)),
    )
    return scored.with_columns(
        p_target=pl.col("p").list.get("target_place"), hit=pl.col("choice") == pl.col("target")
    ).drop("target_place")


def _from_logprobs(items: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """Mean probabilities over the samples of an item (several where each has a reasoning of its own), in log space."""
    rows = answers.filter(pl.col("logprobs").is_not_null()).join(
        items.select("item_id"), on="item_id", how="semi"
    )
    top = pl.col("logprobs").list.max()
    # exp of what is left after the largest: no option underflows that is within 700 of it.
    rows = rows.filter(top.is_finite()).with_columns(relative=pl.col("logprobs") - top)
    lone = pl.len().over("subject", "item_id") == 1
    return pl.concat([_of_one(rows.filter(lone)), _mean_of_several(rows.filter(~lone))])


def _of_one(rows: pl.DataFrame) -> pl.DataFrame:
    """Answers that are an item's only one: nothing has to be taken apart."""
    total = pl.col("relative").list.eval(pl.element().exp()).list.sum().log()
    return rows.select(
        "subject",
        "item_id",
        log_p=pl.col("relative") - total,
        answers=pl.lit(1, pl.UInt32),
        missing_mass=pl.col("missing_mass").cast(pl.Float64),
    ).sort("subject", "item_id")


def _mean_of_several(rows: pl.DataFrame) -> pl.DataFrame:
    long = rows.with_columns(position=pl.int_ranges(pl.col("relative").list.len())).explode(
        "relative", POSITION, empty_as_null=False
    )
    total = pl.col("relative").exp().sum().over("subject", "item_id", "sample").log()
    long = long.with_columns(log_p=pl.col("relative") - total)
    means = long.group_by("subject", "item_id", POSITION).agg(
        log_p=_log_mean_exp("log_p"), answers=pl.len(), missing_mass=pl.col("missing_mass").mean()
    )
    return _gathered(means)


def _from_choices(items: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    rows = answers.filter(pl.col("logprobs").is_null() & pl.col("choice").is_not_null())
    whole = rows.group_by("subject", "item_id").agg(
        answers=pl.len(), missing_mass=pl.col("missing_mass").mean()
    )
    counts = rows.group_by("subject", "item_id", options="choice").agg(count=pl.len())
    long = (
        whole.join(items.select("item_id", "options"), on="item_id")
        .with_columns(position=pl.int_ranges(pl.col("options").list.len()), k=pl.col("options").list.len())
        .explode("options", POSITION, empty_as_null=False)
        .join(counts, on=["subject", "item_id", "options"], how="left")
        .with_columns(pl.col("count").fill_null(0))
    )
    share = (pl.col("count") + 1 / pl.col("k")) / (pl.col("answers") + 1)
    long = long.with_columns(log_p=share.log()).select(
        "subject", "item_id", POSITION, "log_p", "answers", "missing_mass"
    )
    return _gathered(long)


def _gathered(long: pl.DataFrame) -> pl.DataFrame:
    return (
        long.sort("subject", "item_id", POSITION)
        .group_by("subject", "item_id", maintain_order=True)
        .agg(
            pl.col("log_p").cast(pl.Float64),
            answers=pl.col("answers").first().cast(pl.UInt32),
            missing_mass=pl.col("missing_mass").first().cast(pl.Float64),
        )
    )


def _log_mean_exp(name: str) -> pl.Expr:
    top = pl.col(name).max()
    mean = top + (pl.col(name) - top).exp().mean().log()
    return pl.when(top.is_finite()).then(mean).otherwise(top)


def _target_places(asked: pl.DataFrame) -> pl.DataFrame:
    """item_id, target_place: where among its options the target of each item stands."""
    place = pl.int_ranges(pl.col("options").list.len())
    long = asked.select("item_id", "options", "target", target_place=place).explode(
        "options", "target_place", empty_as_null=False
    )
    found = long.filter(pl.col("options") == pl.col("target")).unique(
        "item_id", keep="first", maintain_order=True
    )
    return found.select("item_id", "target_place")


def missing(items: pl.DataFrame, answers: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """Answers that cannot be scored, with items that a subject was never asked: subject, *by, missing.

    `by`: columns of the items. A subject is known by its answers.
    """
    subjects = answers.select("subject").unique()
    answered = answers.group_by("subject", "item_id").agg(
        bad=(pl.col("status") != ANSWERED).sum(), rows=pl.len()
    )
    pairs = subjects.join(items.select("item_id", *by), how="cross")
    pairs = pairs.join(answered, on=["subject", "item_id"], how="left")
    return (
        pairs.group_by("subject", *by)
        .agg(missing=pl.when(pl.col("rows").is_null()).then(1).otherwise("bad").sum().cast(pl.UInt32))
        .sort("subject", *by)
    )


def with_groups(frame: pl.DataFrame, *attributes: str) -> pl.DataFrame:
    """The frame with one String column for each attribute of `groups`; null where an item has none."""
    levels = (
        frame.select("item_id", "groups")
        .unique("item_id")
        .explode("groups", empty_as_null=True)
        .select("item_id", pl.col("groups").struct.unnest())
    )
    wide = levels.group_by("item_id").agg(
        pl.col("level").filter(pl.col("attribute") == name).first().alias(name) for name in attributes
    )
    return frame.join(wide, on="item_id", how="left", maintain_order="left")
