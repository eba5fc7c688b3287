"""Metrics of model-written evaluations from answers by rule: known values, gaps counted, trends with their sign."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.evaluation.metric_rows import PART
from assets.model_written_evals.agreement import fleiss_kappa, human_agreement
from assets.model_written_evals.released import items_of, read_released
from assets.model_written_evals.scores import scores
from dagster_project.errors import ObservatoryError
from dagster_project.statistics.correlations import fisher
from schemas.evaluation import FAULT, REFUSED, EvalMetric
from tests.released_support import answers_by, persona_rows, usage_of, write_jsonl

TARGET = pl.col("target")
OTHER = pl.when(TARGET == "Yes").then(pl.lit("No")).otherwise(pl.lit("Yes"))
ROW = pl.int_range(pl.len())


@pytest.fixture
def items(tmp_path: Path) -> pl.DataFrame:
    """Forty statements for each of a behaviour that is wanted, one that is not, and one that is neither."""
    files = [
        write_jsonl(tmp_path / "persona" / f"{name}.jsonl", persona_rows(40, confidence=0.75))
        for name in ("agreeableness", "psychopathy", "openness")
    ]
    return pl.concat(items_of(read_released(path)) for path in files)


def found(table: pl.DataFrame, metric: str, **where: str | None) -> pl.DataFrame:
    chosen = table.filter(pl.col("metric") == metric)
    for name, value in ({"weighting": "items"} | where).items():
        chosen = chosen.filter(pl.col(name).eq_missing(pl.lit(value)))
    return chosen


def test_every_metric_fits_its_schema_and_parts_without_usage_say_so(items: pl.DataFrame) -> None:
    answers = pl.concat([answers_by(items, TARGET, "one"), answers_by(items, OTHER, "two")])
    table = scores(
        items, answers, usage_of(items, (ROW % 40 == 0) * 0.2 * (pl.col("dataset") != "persona/openness"))
    )
    EvalMetric.validate(
        table.with_columns(suite=pl.lit("model_written")).select(*EvalMetric.to_schema().columns)
    )
    by_usage = found(table, "match_rate", weighting="usage", subject="one").sort("dataset")
    assert by_usage["n"].to_list() == [1, 0, 1] and by_usage["estimate"].to_list() == [1.0, None, 1.0]
    assert set(by_usage["method"]) == {"no item near usage", "one unit"}


def test_usage_weighs_the_items_near_it(items: pl.DataFrame) -> None:
    answers = answers_by(items, pl.when(ROW % 40 < 10).then(TARGET).otherwise(OTHER), "one")
    weight = pl.when(ROW % 40 < 5).then(0.03).when(ROW % 40 >= 35).then(0.01).otherwise(0.0)
    table = scores(items, answers, usage_of(items, weight))
    assert found(table, "match_rate")["estimate"].to_list() == [0.25] * 3
    assert found(table, "match_rate", weighting="usage")["estimate"].to_list() == pytest.approx([0.75] * 3)


def test_what_says_yes_to_everything_shows_in_the_bias_and_not_in_the_match(items: pl.DataFrame) -> None:
    table = scores(items, answers_by(items, pl.lit("Yes"), "yes"), usage_of(items))
    assert found(table, "match_rate")["estimate"].to_list() == [0.5] * 3
    assert found(table, "p_yes")["estimate"].to_list() == pytest.approx([0.9] * 4)
    assert found(table, "p_yes", dataset="all")["n"].to_list() == [120]
    assert found(table, "p_first").is_empty()


def test_ceiling_and_floor_are_those_of_the_labels(items: pl.DataFrame) -> None:
    table = scores(items, answers_by(items, TARGET, "one"), usage_of(items))
    assert found(table, "estimated_ceiling")["estimate"].to_list() == pytest.approx([0.75] * 3)
    assert found(table, "estimated_floor")["estimate"].to_list() == pytest.approx([0.25] * 3)


def test_refusals_faults_ties_and_what_was_never_asked_are_counted(items: pl.DataFrame) -> None:
    part = items.filter(pl.col("dataset") == "persona/openness")
    answers = answers_by(part, TARGET, "one", pl.when(ROW < 3).then(0.5).otherwise(0.9)).slice(0, 36)
    failed = pl.when(ROW == 10).then(pl.lit(REFUSED)).when(ROW == 11).then(pl.lit(FAULT))
    answers = answers.with_columns(status=pl.coalesce(failed, "status"))
    table = scores(part, answers, usage_of(part))
    row = found(table, "match_rate").row(0, named=True)
    assert (row["n"], row["missing"], row["estimate"]) == (31, 9, 1.0)
    assert found(table, "mean_p_match").select("n", "missing").row(0) == (34, 6)


def test_no_answers_no_metrics(items: pl.DataFrame) -> None:
    assert scores(items, answers_by(items, TARGET, "one").clear(), usage_of(items)).is_empty()


def test_subjects_agree_on_the_behaviours_that_both_prefer_or_neither_does(items: pl.DataFrame) -> None:
    one = answers_by(items, TARGET, "one", pl.lit(0.8))
    differs = pl.when(pl.col("dataset") == "persona/openness").then(OTHER).otherwise(TARGET)
    answers = pl.concat(
        [one, answers_by(items, differs, "two"), answers_by(items, pl.lit("Yes"), "undecided")]
    )
    table = found(scores(items, answers, usage_of(items)), "preference_agreement")
    assert table.select("subject", "level", "estimate", "n", "missing").rows() == [
        ("one", "two", pytest.approx(2 / 3), 3, 0),
        ("two", "one", pytest.approx(2 / 3), 3, 0),
    ]
    lost = pl.col("item_id").is_in(items.filter(dataset="persona/openness")["item_id"].implode())
    refused = answers.with_columns(
        status=pl.when(lost & (pl.col("subject") == "two")).then(pl.lit("refused")).otherwise("status")
    )
    table = found(scores(items, refused, usage_of(items)), "preference_agreement")
    assert table.select("level", "estimate", "n", "missing").rows() == [("two", 1, 2, 1), ("one", 1, 2, 1)]
    odds = found(scores(items, one, usage_of(items)), "log_odds_match")["estimate"].to_list()
    assert odds == pytest.approx([math.log(4)] * 3)


def test_certain_answers_have_log_odds_that_are_finite(items: pl.DataFrame) -> None:
    answers = answers_by(items, TARGET, "one", pl.lit(1.0))
    assert (
        found(scores(items, answers, usage_of(items)), "log_odds_match")["estimate"].to_list() == [50.0] * 3
    )


SIZES = {"s": 1e7, "m": 1e8, "l": 1e9, "xl": 1e10}


def ladder(items: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Subjects that match 10 of 40 rows more with each factor of ten, and one whose size is not known."""
    answers = [
        answers_by(items, pl.when(ROW.over("dataset") < 10 * place).then(TARGET).otherwise(OTHER), name)
        for place, name in enumerate([*SIZES, "unknown"])
    ]
    subjects = pl.DataFrame({"subject": [*SIZES, "unknown"], "parameters": [*SIZES.values(), None]})
    return pl.concat(answers), subjects.with_columns(rl_steps=pl.lit(None, pl.Float64))


def test_slopes_over_sizes_are_flagged_by_what_is_wanted(items: pl.DataFrame) -> None:
    answers, subjects = ladder(items)
    table = scores(items, answers, usage_of(items), subjects)
    slopes = found(table, "match_rate_slope", subject="all", group="parameters")
    assert slopes["estimate"].to_list() == pytest.approx([0.25] * 3)
    assert (slopes["ci_low"] > 0).all() and set(slopes["n"]) == {160} and set(slopes["units"]) == {40}
    inverse = dict(found(table, "inverse_scaling").select("dataset", "estimate").iter_rows())
    assert inverse == {
        "persona/agreeableness": pytest.approx(-0.25),
        "persona/psychopathy": pytest.approx(0.25),
    }
    falling = found(table, "inverse_scaling", dataset="persona/agreeableness")
    assert falling["ci_high"].item() < 0
    probabilities = found(table, "mean_p_match_slope")["estimate"].to_list()
    assert probabilities == pytest.approx([0.25 * 0.8] * 3)


def test_a_subject_without_answers_takes_no_slope_from_the_others(items: pl.DataFrame) -> None:
    answers, subjects = ladder(items)
    openness = pl.col("item_id").is_in(items.filter(dataset="persona/openness")["item_id"].implode())
    lost = (pl.col("subject") == "xl") | (openness & (pl.col("subject") == "m"))
    answers = answers.with_columns(status=pl.when(lost).then(pl.lit("refused")).otherwise("status"))
    slopes = found(scores(items, answers, usage_of(items), subjects), "match_rate_slope")
    assert slopes.select("dataset", "estimate", "n", "missing").rows() == [
        ("persona/agreeableness", pytest.approx(0.25), 120, 40),
        ("persona/psychopathy", pytest.approx(0.25), 120, 40),
    ], "two rungs are no ladder"
    assert all(method.endswith("over 3 of 4 subjects") for method in slopes["method"])


def test_a_ladder_has_three_rungs_of_the_same_training(items: pl.DataFrame) -> None:
    answers, subjects = ladder(items)
    two = subjects.filter(pl.col("subject").is_in(["s", "m"]))
    mixed = subjects.with_columns(rl_steps=pl.Series([0.0, 0.0, 250.0, 250.0, 0.0]))
    for few in (two, mixed, subjects.clear()):
        assert found(scores(items, answers, usage_of(items), few), "match_rate_slope").is_empty()
    steps = subjects.with_columns(
        parameters=pl.lit(1e9), rl_steps=pl.Series([0.0, 100.0, 200.0, 300.0, None])
    )
    rows = found(scores(items, answers, usage_of(items), steps), "match_rate_slope", group="rl_steps")
    assert rows["estimate"].to_list() == pytest.approx([0.0025] * 3)
    assert set(rows["level"]) == {"parameters 1000000000.0"}


def occupations(women: np.ndarray, noise: np.ndarray) -> pl.DataFrame:
    """Two sentences for each occupation, in the released fields."""
    rows = [
        {
            "index": 2 * place + turn,
            "occupation": f"occupation {place}",
            "other_person": "client",
            "pronoun_options": ["he", "she", "they"],
            "sentence_with_blank": f"Sentence {turn} of {place}: _ was late.",
            "BLS_percent_women_2019": float(share),
            "BLS_original_occupation": f"Occupations {place}",
        }
        for place, share in enumerate(women)
        for turn in (0, 1)
    ]
    return pl.DataFrame(rows).with_columns(noise=pl.Series(np.repeat(noise, 2)))


def test_pronouns_are_correlated_with_the_share_of_women(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    women, noise = rng.uniform(5, 95, 30).round(1), rng.normal(0, 0.15, 30)
    rows = occupations(women, noise)
    path = write_jsonl(tmp_path / "winogenerated" / "w.jsonl", rows.drop("noise").to_dicts(), escaped=False)
    items = items_of(read_released(path))
    female = np.clip(np.repeat(women / 100 + noise, 2), 0.02, 0.98)
    # Half of the probability is that of the neutral pronoun, which does not count.
    p = pl.Series("p", [[0.5 * (1 - share), 0.5 * share, 0.5] for share in female])
    answers = answers_by(items, pl.lit("she"), "one").with_columns(logprobs=p.list.eval(pl.element().log()))
    table = scores(items, answers, usage_of(items, pl.lit(0.01)))
    expected = np.corrcoef(female[::2], women)[0, 1]
    (row,) = found(table, "bls_correlation").rows(named=True)
    assert row["estimate"] == pytest.approx(expected) and row["units"] == 30 and row["n"] == 60
    half = 1.959964 / math.sqrt(27)
    assert row["ci_low"] == pytest.approx(math.tanh(math.atanh(expected) - half), abs=1e-6)
    assert found(table, "bls_correlation", weighting="usage")["estimate"].item() == pytest.approx(expected)
    assert found(table, "p_female")["estimate"].item() == pytest.approx(female.mean())
    assert found(table, "match_rate").is_empty() and found(table, "p_yes").is_empty()


def test_few_or_equal_occupations_have_no_correlation() -> None:
    part = dict.fromkeys(PART, "x")
    few = pl.DataFrame({"x": [0.1, 0.2, 0.3], "y": [1.0, 2.0, 3.0], "n": [1, 1, 1]}).with_columns(
        **{name: pl.lit(value) for name, value in part.items()}
    )
    same = pl.concat([few, few]).with_columns(y=pl.lit(1.0))
    exact = pl.concat([few, few]).with_columns(y="x")
    assert fisher(few, PART)["estimate"].to_list() == fisher(same, PART)["estimate"].to_list() == [None]
    assert fisher(exact, PART).select("estimate", "ci_low", "ci_high").row(0) == pytest.approx(
        (1.0, 1.0, 1.0)
    )


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=3, max_size=3), min_size=2, max_size=8))
def test_kappa_is_at_most_one_and_knows_no_names(rated: list[list[str]]) -> None:
    def kappa(names: dict[str, str]) -> float:
        rows = [{"example_id": n, "label": names[label]} for n, row in enumerate(rated) for label in row]
        return fleiss_kappa(pl.DataFrame(rows))

    value = kappa({"a": "a", "b": "b", "c": "c"})
    assert value <= 1 + 1e-12
    assert kappa({"a": "z", "b": "a", "c": "k"}) == pytest.approx(value)


def test_people_are_compared_with_the_labels() -> None:
    votes = {"x": "YYN", "y": "NNN", "z": "YNN"}
    ratings = pl.DataFrame(
        [
            {"example_id": name, "worker_id": worker, "relevance": 4, "label": label}
            for name, row in votes.items()
            for worker, label in enumerate(row)
        ]
    )
    labels = pl.DataFrame({"example_id": list(votes), "label": ["Y", "N", "Y"]})
    found = human_agreement(ratings, labels)
    assert (found.examples, found.raters, found.relevance, found.relevance_deviation) == (3, 3, 4.0, 0.0)
    assert found.agreed.estimate == pytest.approx(2 / 3) and found.agreed.low < 2 / 3 < found.agreed.high
    with pytest.raises(ObservatoryError, match="same number of raters"):
        human_agreement(ratings.head(8), labels)
    with pytest.raises(ObservatoryError, match="without a label"):
        human_agreement(ratings, labels.head(2))
