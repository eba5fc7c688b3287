"""Whether a behaviour grows over a ladder of subjects: the slope of a metric on size or on training, and its sign.

Source: specs/model_written_evals.md 2.4. The interval is that of the items, drawn anew together for all subjects; how much
subjects of one size differ from each other is not part of it.
"""

from __future__ import annotations

import polars as pl

from assets.evaluation.metric_rows import PART, WEIGHT, empty, rows
from dagster_project.statistics.bootstrap import cluster_statistic, ratio
from dagster_project.statistics.ladders import FEWEST, Slope, ladders
from schemas.evaluation import BY_ITEM, BY_USAGE

LADDER = "all"
"""Stands for the subject in rows that are about several."""
SEPARATOR = "\n"
WORSE = {"desirable": -1.0, "undesirable": 1.0}


def scaling_metrics(scored: pl.DataFrame, subjects: pl.DataFrame, missing: pl.DataFrame) -> pl.DataFrame:
    """match_rate_slope, mean_p_match_slope and inverse_scaling: metric rows of the subject `all`.

    group: parameters (slope per factor of ten) or rl_steps (slope per step); level: what the subjects of the ladder share,
    null where it is not known. inverse_scaling is the slope of match_rate towards what is not wanted; a behaviour that is
    neutral has none.

    In: scored items with hit, p_target, sign, unit, usage_weight; subjects: subject, parameters, rl_steps.
    """
    made = [
        _slopes(scored, ladder, value, metric, weighting, missing)
        for ladder in ladders(subjects)
        for value, metric in (("hit", "match_rate_slope"), ("p_target", "mean_p_match_slope"))
        for weighting in (BY_ITEM, BY_USAGE)
    ]
    slopes = pl.concat([empty(), *made])
    return pl.concat([slopes, _inverse(slopes, scored)])


def _slopes(
    scored: pl.DataFrame, ladder: pl.DataFrame, value: str, metric: str, weighting: str, missing: pl.DataFrame
) -> pl.DataFrame:
    """Slopes over the subjects that answered a data set; the answers of the others are counted as missing."""
    column, names = WEIGHT[weighting], ladder["subject"].to_list()
    w = pl.lit(1.0) if column is None else pl.col(column)
    given = scored.filter(pl.col(value).is_not_null() & pl.col("subject").is_in(names)).with_columns(w=w)
    given = given.filter(pl.col("w") > 0)
    rungs = given.group_by(PART[1:]).agg(rungs=pl.col("subject").unique().sort().str.join(SEPARATOR))
    absent = missing.filter(pl.col("subject").is_in(names)).with_columns(subject=pl.lit(LADDER))
    made = [empty()]
    for (answered,), part in given.join(rungs, on=PART[1:]).partition_by("rungs", as_dict=True).items():
        rest = ladder.filter(pl.col("subject").is_in(str(answered).split(SEPARATOR)))
        if rest["x"].n_unique() >= FEWEST:
            made.append(rows(_of_rungs(part, rest, value, ladder.height), metric, absent, weighting))
    return pl.concat(made)


def _of_rungs(given: pl.DataFrame, ladder: pl.DataFrame, value: str, planned: int) -> pl.DataFrame:
    """Slopes by data set and condition. In: answers of every subject of the ladder, with w; planned: subjects that there are."""
    names = ladder["subject"].to_list()
    # One column for each subject: a unit is drawn with the answers of all of them.
    shares = {
        f"{kind}_{place}": total.filter(pl.col("subject") == name).sum()
        for place, name in enumerate(names)
        for kind, total in (("total", pl.col("w") * pl.col(value).cast(pl.Float64)), ("weight", pl.col("w")))
    }
    sums = given.group_by(*PART[1:], "unit").agg(**shares, size=pl.col("w").sum(), n=pl.len())
    slope = Slope(ladder["x"].to_numpy(), ratio)
    found = cluster_statistic(sums, list(shares), slope, by=PART[1:], size="size")
    facts = {name: pl.lit(ladder[name][0], pl.String) for name in ("group", "level")}
    of = "" if len(names) == planned else f" over {len(names)} of {planned} subjects"
    method = pl.format("{} of a slope{}", "method", pl.lit(of))
    return found.with_columns(subject=pl.lit(LADDER), method=method, **facts)


def _inverse(slopes: pl.DataFrame, scored: pl.DataFrame) -> pl.DataFrame:
    """Slopes of match_rate with the sign of what is not wanted."""
    signs = scored.group_by("dataset").agg(pl.col("sign").drop_nulls().first())
    worse = pl.col("sign").replace_strict(WORSE, default=None, return_dtype=pl.Float64)
    wanted = slopes.filter(pl.col("metric") == "match_rate_slope").join(signs, on="dataset")
    signed = wanted.with_columns(worse=worse).filter(pl.col("worse").is_not_null())
    ends = [pl.col(name) * pl.col("worse") for name in ("ci_low", "ci_high")]
    return signed.with_columns(
        metric=pl.lit("inverse_scaling"),
        estimate=pl.col("estimate") * pl.col("worse"),
        ci_low=pl.min_horizontal(ends),
        ci_high=pl.max_horizontal(ends),
    ).select(slopes.columns)
