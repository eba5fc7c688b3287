"""Scores of discrimination: what is left out is counted, real usage weighs, and how they are shown."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import duckdb
import numpy as np
import polars as pl
import pytest

import sql
from assets.discrimination.decisions import UNREACHED
from assets.discrimination.design import ATTRIBUTES
from assets.discrimination.picture import forest_plot
from assets.discrimination.suite import SUITE
from assets.evaluation.answering import Asked, ask_items
from assets.evaluation.probabilities import with_groups
from dagster_project.language_models import Asker, CallCache, Limits, Meter
from schemas.evaluation import EvalMetric
from tests.discrimination_support import answered, answers_of, drafted, estimates, scored, unreached
from tests.language_model_support import ScriptedModel

BLACK = ("race", "Black")
TASTE = (
    0.5 * (pl.col("race") == "Black")
    - 0.2 * (pl.col("gender") == "female")
    + pl.col("unit").str.len_chars() / 9
)


def wobble(items: pl.DataFrame, seed: int = 0) -> pl.Series:
    return pl.Series(np.random.default_rng(seed).normal(0, 0.3, items.height))


@pytest.fixture(scope="module")
def few() -> pl.DataFrame:
    return drafted("Sums", fills=["explicit"], questions=8, interventions=["dont"])


@pytest.fixture(scope="module")
def metrics(few: pl.DataFrame) -> pl.DataFrame:
    halved = pl.when(pl.col("condition") == "dont").then(0.5).otherwise(1.0)
    answers = answers_of(few, halved * (TASTE - pl.col("age") / 200) + wobble(few))
    return scored(few, pl.concat([answers, answers.with_columns(subject=pl.lit("a <b> & c"))]))


def test_every_answer_counts_once_in_a_figure_or_as_missing(few: pl.DataFrame) -> None:
    plain = few.filter(condition="default", dataset="explicit")
    answers = answers_of(plain, TASTE + wobble(plain))
    person = with_groups(plain, *ATTRIBUTES)
    refused = person.filter(age="20", gender="male", race="Black")["item_id"].head(3).to_list()
    unasked = person.filter(age="30", gender="male", race="Black")["item_id"].head(2).to_list()
    one_sided = person.filter(age="40", gender="male", race="Black")["item_id"].head(4).to_list()
    vague = person.filter(age="50", gender="male", race="white")["item_id"].head(5).to_list()
    here = pl.col("item_id")
    answers = answers.filter(~here.is_in(unasked)).with_columns(
        status=pl.when(here.is_in(refused)).then(pl.lit("refused")).otherwise("status"),
        logprobs=pl.when(here.is_in(refused))
        .then(None)
        .when(here.is_in(one_sided))
        .then(pl.lit([-0.01, float("-inf")]))
        .otherwise("logprobs"),
        missing_mass=pl.when(here.is_in(vague)).then(0.4).otherwise("missing_mass"),
    )
    found = scored(plain, answers).filter(weighting="items")

    def row(metric: str, group: str | None = "race", level: str | None = "Black") -> tuple[int, int]:
        kept = found.filter(
            pl.col("metric") == metric, pl.col("group").eq_missing(group), pl.col("level").eq_missing(level)
        )
        return kept.select("n", "missing").row(0)

    people = 8 * 27
    assert row("p_yes") == (people - 5, 5)
    assert row("logit") == (people - 9, 9)
    assert row("score") == (2 * people - 9, 9)
    assert row("score_confident") == (2 * people - 14, 14)
    assert row("score_model") == (8 * 135 - 9, 9)
    assert row("p_yes", None, None) == (8 * 135 - 5, 5)
    assert found.filter(metric="low_mass")["estimate"].item() == pytest.approx(5 / (8 * 135 - 5))
    assert found.filter(metric="one_sided")["estimate"].item() == pytest.approx(4 / (8 * 135 - 5))


def test_usage_weighs_questions_and_what_is_near_none_has_no_estimate(few: pl.DataFrame) -> None:
    plain = few.filter(condition="default")
    units = plain["unit"].unique().sort()
    favoured, other = units[0], units[1]
    own = (
        pl.when(pl.col("unit") == favoured).then(1.0).when(pl.col("unit") == other).then(3.0).otherwise(9.0)
    ) * (pl.col("race") == "Black")
    near = plain["unit"].is_in([favoured, other]) & (plain["dataset"] == "explicit")
    usage = unreached(plain).with_columns(
        near=near,
        weight=pl.when(near & (plain["unit"] == other)).then(0.3).when(near).then(0.1).otherwise(0.0),
    )
    table = scored(plain, answers_of(plain, own), usage).filter(weighting="usage", level="Black")
    by_dataset = {row["dataset"]: row for row in table.filter(metric="score").iter_rows(named=True)}
    assert by_dataset["explicit"]["estimate"] == pytest.approx((0.1 * 1 + 0.3 * 3) / 0.4)
    assert (by_dataset["explicit"]["units"], by_dataset["explicit"]["n"]) == (2, 2 * 54)
    assert by_dataset["usage_explicit"]["estimate"] is None
    assert by_dataset["usage_explicit"]["n"] == 0
    model = {row["dataset"]: row for row in table.filter(metric="score_model").iter_rows(named=True)}
    assert model["explicit"]["estimate"] == pytest.approx(by_dataset["explicit"]["estimate"])
    assert (model["explicit"]["units"], model["explicit"]["n"]) == (2, 2 * 135)
    assert model["usage_explicit"]["estimate"] is None and model["usage_explicit"]["n"] == 0
    questions = table.filter(metric="question_score").filter(pl.col("estimate").is_not_null())
    assert set(questions["dataset"]) == {f"explicit/{favoured}", f"explicit/{other}"}
    assert table.filter(metric="question_score", n=0)["method"].unique().to_list() == [UNREACHED]


def test_interventions_lower_scores_and_keep_the_sign_of_age(metrics: pl.DataFrame) -> None:
    of = {"dataset": "explicit"}
    plain, told = (
        estimates(metrics.filter(subject="stub"), "score_model", condition=c, **of)
        for c in ("default", "dont")
    )
    assert plain[BLACK] == pytest.approx(0.5, abs=0.1)
    assert told[BLACK] == pytest.approx(0.25, abs=0.1)
    assert plain["age", "20"] == pytest.approx(-(plain["age", "100"] or 0))
    assert plain["age", "20"] == pytest.approx(0.2, abs=0.05)
    simple = estimates(metrics.filter(subject="stub"), "score", **of)
    assert simple["age", "younger"] == pytest.approx(25 / 200, abs=0.07)
    assert simple["age", "older"] == pytest.approx(-25 / 200, abs=0.07)
    correlation = metrics.filter(metric="correlation", dataset="explicit", weighting="items", subject="stub")
    assert 0.3 < correlation["estimate"].item() < 0.95


def test_scores_by_question_are_drawn_towards_the_mean(few: pl.DataFrame) -> None:
    plain = few.filter(condition="default", dataset="explicit")
    answers = answers_of(plain, TASTE + wobble(plain, 3) * 4)
    found = scored(plain, answers).filter(metric="question_score", level="Black", weighting="items")
    whole = estimates(scored(plain, answers), "score_model")[BLACK]
    assert found.height == 8
    assert set(found["dataset"]) == {f"explicit/{unit}" for unit in plain["unit"].unique()}
    means = (
        with_groups(plain, "race")
        .join(answers, on="item_id")
        .with_columns(y=pl.col("logprobs").list.get(0) - pl.col("logprobs").list.get(1))
    )
    own = means.group_by("unit").agg(
        raw=pl.col("y").filter(pl.col("race") == "Black").mean()
        - pl.col("y").filter(pl.col("race") == "white").mean()
    )
    raw = found.with_columns(unit=pl.col("dataset").str.split("/").list.last()).join(own, on="unit")
    assert (raw["estimate"] - whole).abs().mean() < (raw["raw"] - whole).abs().mean()  # type: ignore[operator]


def test_thinking_aloud_goes_before_the_decision(tmp_path: Path) -> None:
    items = drafted(fills=["explicit"], questions=1, interventions=["out_loud_panel"], reasonings=2)
    items = items.filter(condition="out_loud_panel").head(3)
    model = ScriptedModel(lambda request: "They would weigh the facts.")
    asker = Asker(model, CallCache(tmp_path / "calls.sqlite"), Meter(Limits()))
    answers = pl.concat(ask_items(items, Asked("stub", asker)))
    free = [request for request in model.asked if len(request.messages) == 1]
    decided = [request for request in model.asked if len(request.messages) == 3]
    assert len(free) == len(decided) == len(model.asked) / 2
    assert all(request.prefill is None and "yes" not in request.messages[0].content for request in free)
    assert all((request.prefill or "").endswith('"') for request in decided)
    assert {request.messages[1].content for request in decided} == {"They would weigh the facts."}
    assert answers.height == 6 and (answers["reasoning"] == "They would weigh the facts.").all()


def test_without_answers_there_are_no_metrics_and_the_picture_says_so(few: pl.DataFrame) -> None:
    empty = scored(few, answered(few, np.zeros((few.height, 2)), 1.0).clear())
    assert empty.is_empty()
    assert b"no subject has been scored" in forest_plot(empty)


def test_the_forest_plot_has_a_mark_for_every_score(metrics: pl.DataFrame) -> None:
    assert SUITE.picture is forest_plot
    drawn = ElementTree.fromstring(forest_plot(metrics))
    marks = drawn.findall(".//{*}g")
    # Two subjects, eight levels; one question of usage has no interval and no model.
    assert len(marks) == 2 * 8
    titles = [mark.findtext("{*}title") for mark in marks]
    black = estimates(metrics.filter(subject="stub"), "score_model", dataset="explicit")[BLACK]
    assert any(title and title.startswith(f"explicit, race: Black: {black:.3f} [") for title in titles)
    assert "a <b> & c" in [text.text for text in drawn.findall("{*}text")]
    places = [float(circle.get("cx", "0")) for circle in drawn.findall(".//{*}g/{*}circle")]
    assert all(190 <= place <= 730 for place in places) and len(set(places)) == 8
    assert forest_plot(metrics) == forest_plot(metrics.sample(fraction=1, shuffle=True, seed=1))


def test_views_show_scores_by_question_and_what_interventions_do(metrics: pl.DataFrame) -> None:
    table = metrics.with_columns(suite=pl.lit("discrimination")).select(*EvalMetric.to_schema().columns)
    with duckdb.connect() as connection:
        connection.register("frame", table)
        connection.execute("CREATE TABLE eval_metrics AS SELECT * FROM frame")
        for name, text in zip(sql.view_names(), sql.view_statements(), strict=True):
            if name.startswith("discrimination"):
                connection.execute(text)
        scores = connection.execute("SELECT * FROM discrimination_scores").pl()
        interventions = connection.execute("SELECT * FROM discrimination_interventions").pl()
        described = connection.execute(
            "SELECT count(*) FILTER (comment IS NULL OR comment = '') FROM duckdb_columns() "
            "WHERE NOT internal AND table_name LIKE 'discrimination%'"
        ).fetchone()
    assert described == (0,)
    own = scores.filter(
        subject="stub", condition="default", fill="explicit", level="Black", weighting="items"
    )
    assert set(own["estimator"]) == {
        "means",
        "means without low mass",
        "mixed model",
        "mixed model, one question",
    }
    whole = own.filter(estimator="mixed model")
    assert whole["question"].item() is None and whole["differs"].item()
    assert whole["percentage_points"].item() == pytest.approx(
        100 * (1 / (1 + np.exp(-whole["score"].item())) - 0.5)
    )
    assert own.filter(pl.col("question").is_not_null()).height == 8
    told = interventions.filter(subject="stub", fill="explicit", condition="dont")
    assert told["reduction"].item() > 0.1 and told["correlation"].item() > 0.3
    assert told["largest_for"].item() == "race: Black"
