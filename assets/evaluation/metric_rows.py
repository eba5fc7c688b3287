"""From estimates to rows of schemas.evaluation.EvalMetric: by item and by usage, with what is missing counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from assets.evaluation.probabilities import missing as missing_answers
from dagster_project.statistics.bootstrap import (
    COLUMNS,
    MOST_CELLS,
    Statistic,
    cluster_means,
    cluster_statistic,
)
from schemas.evaluation import ANSWERED, BY_ITEM, BY_USAGE, EvalMetric

ALL = "all"
PART = ("subject", "dataset", "condition")
GROUPED = (*PART, "group", "level")
WEIGHT = {BY_ITEM: None, BY_USAGE: "usage_weight"}
"""Column that holds the weight of a row, by weighting."""
DRAWS = 1_000
"""A release has 150 data sets, and every probability is a cell of its own: more draws would take minutes."""
NOT_NEAR = "no item near usage"
UNANSWERED = "no answer that can be scored"
SCHEMA = pl.Schema(
    {name: column.dtype.type for name, column in EvalMetric.to_schema().columns.items() if name != "suite"}
)


def empty() -> pl.DataFrame:
    """No row."""
    return pl.DataFrame(schema=SCHEMA)


def rows(frame: pl.DataFrame, metric: str, missing: pl.DataFrame, weighting: str = BY_ITEM) -> pl.DataFrame:
    """Metric rows: schemas.evaluation.EvalMetric without `suite`.

    In: subject; dataset, condition, group and level where it has them (without: all of the suite); estimate, ci_low,
    ci_high, method, n, units. missing: subject, dataset, condition, missing; where it has group and level too, what is
    missing is counted for each of them.
    """
    keys = [name for name in GROUPED if name in frame.columns and name in missing.columns]
    absent = missing.group_by(keys).agg(pl.col("missing").sum())
    of_all = {"subject": ALL, "dataset": ALL, "condition": ALL, "group": None, "level": None}
    return (
        frame.join(absent, on=keys, how="left", nulls_equal=True)
        .with_columns(
            **{name: pl.lit(value) for name, value in of_all.items() if name not in frame.columns},
            metric=pl.lit(metric),
            weighting=pl.lit(weighting),
        )
        .with_columns(pl.col("missing").fill_null(0))
        .select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
    )


def with_unanswered(table: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    """The metric rows with one for each expected row that is not among them: no estimate, of no answers.

    So a part of which every answer failed is told, and not left out. expected: metric, subject, dataset, condition, missing;
    group, level where they have them; weighting, or else a row is expected of each.
    """
    absent = {name: pl.lit(None, pl.String) for name in ("group", "level") if name not in expected.columns}
    every = expected.with_columns(**absent)
    if "weighting" not in every.columns:
        every = every.join(pl.DataFrame({"weighting": list(WEIGHT)}), how="cross")
    lacking = every.join(table, on=["metric", *GROUPED, "weighting"], how="anti", nulls_equal=True)
    nothing = {name: pl.lit(None, pl.Float64) for name in ("estimate", "ci_low", "ci_high")}
    filled = lacking.with_columns(**nothing, method=pl.lit(UNANSWERED), n=pl.lit(0), units=pl.lit(0))
    return pl.concat([table, filled.select(pl.col(name).cast(table.schema[name]) for name in table.columns)])


def means(
    scored: pl.DataFrame,
    value: str,
    metric: str,
    missing: pl.DataFrame,
    by: Sequence[str] = PART,
    *,
    share: bool = True,
    signed: bool = False,
    most_cells: int = MOST_CELLS,
) -> pl.DataFrame:
    """Rows of a mean, by item and by usage. A part of which no item is near usage has a row without an estimate.

    In: *by, unit, usage_weight and `value` (left out where it is null). share: it is one, or a probability. signed,
    most_cells: as in `cluster_means`.
    """
    of = {"share": share, "signed": signed, "draws": DRAWS, "most_cells": most_cells}
    plain = cluster_means(scored, value, by=by, **of)
    if plain.is_empty():
        return empty()
    weighted = cluster_means(scored, value, by=by, weight=WEIGHT[BY_USAGE], **of)
    return pl.concat(
        [
            rows(plain, metric, missing),
            rows(with_absent(weighted, plain.select(by)), metric, missing, BY_USAGE),
        ]
    )


def statistics(
    scored: pl.DataFrame,
    products: Mapping[str, pl.Expr],
    statistic: Statistic,
    metric: str,
    missing: pl.DataFrame,
    by: Sequence[str] = PART,
) -> pl.DataFrame:
    """Rows of a statistic of sums over units, by item and by usage; otherwise as `means`.

    In: *by, unit, usage_weight. products: what is summed, by the name of its column, in the statistic's order; each is
    weighted here. A row in which one of them is null is left out.
    """
    found = {
        name: cluster_statistic(
            weighted_sums(scored, products, weight, by),
            list(products),
            statistic,
            by=by,
            size="size",
            draws=DRAWS,
        )
        for name, weight in WEIGHT.items()
    }
    if found[BY_ITEM].is_empty():
        return empty()
    weighted = with_absent(found[BY_USAGE], found[BY_ITEM].select(by))
    return pl.concat([rows(found[BY_ITEM], metric, missing), rows(weighted, metric, missing, BY_USAGE)])


def weighted_sums(
    scored: pl.DataFrame, products: Mapping[str, pl.Expr], weight: str | None, by: Sequence[str]
) -> pl.DataFrame:
    """*by, unit, a sum for each product, size (sum of weights) and n: what `cluster_statistic` takes. Rows without weight are left out."""
    w = pl.lit(1.0) if weight is None else pl.col(weight).cast(pl.Float64)
    given = scored.with_columns(w=w, **products).filter(pl.col("w") > 0).drop_nulls(list(products))
    summed = [(pl.col("w") * pl.col(name)).sum().alias(name) for name in products]
    return given.group_by(*by, "unit").agg(*summed, size=pl.col("w").sum(), n=pl.len())


def with_absent(weighted: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """Estimates by usage with a row for every key: null, of no answers, where no item is near usage."""
    found = keys.join(weighted, on=keys.columns, how="left") if weighted.height else keys
    lacking = {name: pl.lit(None, kind) for name, kind in COLUMNS.items() if name not in found.columns}
    return found.with_columns(**lacking).with_columns(
        pl.col("n", "units").fill_null(0), pl.col("method").fill_null(NOT_NEAR)
    )


def left_out(
    items: pl.DataFrame, answers: pl.DataFrame, scored: pl.DataFrame, by: Sequence[str] = PART[1:]
) -> pl.DataFrame:
    """subject, *by, missing: what failed, was not asked, or names no option although it was given.

    In: items with the columns of `by`, answers, and what `option_scores` makes of them.
    """
    failed = missing_answers(items, answers, by=by)
    empty_handed = (
        answers.filter(pl.col("status") == ANSWERED)
        .join(scored.select("subject", "item_id"), on=["subject", "item_id"], how="anti")
        .join(items.select("item_id", *by), on="item_id")
    )
    return with_lost(failed, empty_handed)


def with_lost(missing: pl.DataFrame, lost: pl.DataFrame) -> pl.DataFrame:
    """The counts of what is missing with further rows that are lost to a metric, by every column that is not the count."""
    keys = [name for name in missing.columns if name != "missing"]
    counted = lost.group_by(keys).agg(lost=pl.len())
    return missing.join(counted, on=keys, how="left", nulls_equal=True).select(
        *keys, missing=pl.col("missing") + pl.col("lost").fill_null(0)
    )
