"""Checks G1 to G7 of the specification of global opinions, and its released forms."""

from __future__ import annotations

import ast
import csv
import itertools
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.global_opinions.items import question_text
from assets.global_opinions.questions import by_question
from assets.global_opinions.released import read_released
from dagster_project.statistics.distances import jensen_shannon_distance
from schemas.opinions import HumanOpinion, OpinionQuestion
from tests.discrimination_support import unreached
from tests.opinions_support import (
    EXAMPLE,
    OPTIONS,
    answers_as,
    answers_of_country,
    by_country,
    drafted,
    random_rows,
    scored,
    uniform,
    write_csv,
    write_json,
)

SCALE = 0.832554611
COUNTRIES = ["Belgium", "China", "Kenya"]


def test_g1_the_json_form_is_read_whole(data_dir: Path) -> None:
    released = read_released(data_dir / "global-opinions" / "eval.json")
    opinions, left_out = released.opinions, dict(released.left_out.iter_rows())
    assert opinions.height + left_out["shares empty"] + left_out["shares unreadable"] == 4633
    assert left_out["read"] == 1301 and left_out["options"] == left_out["without text"] == 0
    HumanOpinion.validate(opinions.drop("question"))
    assert not any(option.endswith(".0") for option in opinions["options"].explode().unique())
    assert opinions["country"].str.contains(r"\(Non-national sample\)").any(), "labels stay verbatim"


def test_g1_the_csv_form_is_read_without_evaluating_it_and_what_is_left_out_is_counted(
    tmp_path: Path,
) -> None:
    good = ("Good?", {"France": [0.5, 0.5], "Peru": [0.0, 0.0], "Iran": [0.9, 0.2]}, ["Yes", "No"], "GAS")
    rows = [
        good,
        ("", {"France": [1.0, 0.0]}, ["Yes", "No"], "WVS"),
        ("Again?", {"France": [0.2, 0.8]}, ["Yes", "No"], "WVS"),
        ("Again?", {"France": [0.3, 0.7], "Peru": [0.3, 0.3, 0.4]}, ["Yes", "No"], "WVS"),
        ("Scale?", {"France": [0.2, 0.8, 0.0]}, [1.0, 2.0, "Don't know"], "WVS"),
        ("One?", {"France": [1.0]}, ["Yes"], "WVS"),
    ]
    path = write_csv(tmp_path / "global_opinions.csv", rows)
    with path.open("a", newline="") as file:
        csv.writer(file).writerow(["Evil?", "{'France': __import__('os').getpid()}", "['Yes', 'No']", "GAS"])
    released = read_released(path)
    assert dict(released.left_out.iter_rows()) == {
        "read": 7, "without text": 1, "unreadable": 1, "options": 1,
        "shares unreadable": 1, "shares empty": 1, "rescaled": 1,
    }  # fmt: skip
    again = released.opinions.filter(question="Again?")
    assert again["question_id"].n_unique() == 2 and again["unit"].n_unique() == 1
    assert set(released.opinions["dataset"]) == {"GAS", "WVS"}
    scale = released.opinions.row(by_predicate=pl.col("question") == "Scale?", named=True)
    assert (scale["options"], scale["substantive"]) == (["1", "2", "Don't know"], [True, True, False])


def test_both_forms_give_the_same_questions(tmp_path: Path) -> None:
    rows = [(*row[:3], "opinions") for row in random_rows(5, COUNTRIES)]
    one = read_released(write_csv(tmp_path / "o.csv", rows)).opinions
    other = read_released(write_json(tmp_path / "o.json", rows)).opinions
    assert one.equals(other)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        (2.0, {"BF": 0.855076, "BG": 0.408954, "BS": 0.851506, "GS": 0.338019}),
        (math.e, {"BF": 0.879343, "BG": 0.507922, "BS": 0.876370, "GS": 0.448864}),
    ],
)
def test_g2_the_example_of_the_dataset_card(base: float, expected: dict[str, float]) -> None:
    shares = {name[0]: values for name, values in EXAMPLE.items()}
    found = {pair: 1 - jensen_shannon_distance(shares[pair[0]], shares[pair[1]], base) for pair in expected}
    assert found == pytest.approx(expected, abs=5e-7)


def test_g2_the_example_through_items_and_scores(tmp_path: Path) -> None:
    asked = drafted(write_csv(tmp_path / "o.csv", [("How much?", EXAMPLE, OPTIONS, "GAS")]))
    metrics = scored(asked, answers_of_country(asked, "Belgium"))
    expected = {"Belgium": 1, "France": 0.855076, "Greece": 0.408954, "Sweden": 0.851506}
    assert by_country(metrics) == pytest.approx(expected, abs=5e-7)
    base_e = by_country(metrics, "similarity_base_e")
    assert base_e == pytest.approx(
        {"Belgium": 1, "France": 0.879343, "Greece": 0.507922, "Sweden": 0.876370}, abs=5e-7
    )
    methods = metrics.filter(metric="similarity", group="country")["method"]
    assert methods.str.contains("base 2", literal=True).all()


def test_g2_models_answers_of_a_benchmark_have_the_distances_that_it_published(data_dir: Path) -> None:
    with (data_dir / "global-opinions" / "gemini_responses.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["jsd"]]
    compared = 0
    for row in rows:
        people, model = ast.literal_eval(row["selections"]), ast.literal_eval(row["llm_distribution"])
        if len(people) == len(model) and sum(model) > 0 and sum(people) > 0:
            compared += 1
            assert jensen_shannon_distance(people, model, 2.0) == pytest.approx(float(row["jsd"]), abs=1e-6)
    assert (len(rows), compared) == (593, 516), (
        "the others give another number of shares than there are options"
    )


def test_g3_the_base_scales_distances_and_keeps_the_order(tmp_path: Path) -> None:
    asked = drafted(write_csv(tmp_path / "o.csv", random_rows(40, ["A", "B", "C", "D", "E"], seed=3)))
    metrics = scored(asked, uniform(asked))
    two, natural = by_country(metrics), by_country(metrics, "similarity_base_e")
    assert natural == pytest.approx({name: 1 - SCALE * (1 - value) for name, value in two.items()}, abs=1e-9)
    assert sorted(two, key=lambda name: two[name]) == sorted(natural, key=lambda name: natural[name])
    wide = metrics.filter(pl.col("metric").is_in(["similarity", "similarity_base_e"]), group="country")
    assert wide.select((pl.col("ci_low") <= pl.col("ci_high")).all()).item()


def test_g4_bounds_symmetry_triangle_and_order_of_options() -> None:
    assert 1 - jensen_shannon_distance([1, 0], [0, 1]) == 0
    assert 1 - jensen_shannon_distance([1, 0], [0, 1], math.e) == pytest.approx(0.167445, abs=5e-7)
    assert 1 - jensen_shannon_distance([1, 0], [0.5, 0.5]) == pytest.approx(0.442077, abs=5e-7)
    assert 1 - jensen_shannon_distance([1, 0], [0.5, 0.5], math.e) == pytest.approx(0.535499, abs=5e-7)
    p, q, r = np.random.default_rng(4).dirichlet(np.full(6, 0.5), (3, 500))
    assert np.all(jensen_shannon_distance(p, p) == 0)
    assert np.allclose(jensen_shannon_distance(p, q), jensen_shannon_distance(q, p))
    assert np.all(
        jensen_shannon_distance(p, r) <= jensen_shannon_distance(p, q) + jensen_shannon_distance(q, r) + 1e-12
    )
    order = [3, 0, 5, 1, 4, 2]
    assert np.allclose(jensen_shannon_distance(p, q), jensen_shannon_distance(p[:, order], q[:, order]))


def test_g5_a_countrys_own_shares_are_wholly_similar_and_first(data_dir: Path) -> None:
    asked = drafted(data_dir / "global-opinions" / "eval.json")
    largest = asked.opinions["country"].value_counts(sort=True)["country"].head(12)
    for country in largest:
        own = asked.opinions.filter(country=country)
        part = asked.opinions.filter(pl.col("question_id").is_in(own["question_id"].implode()))
        some = asked.items.filter(
            pl.col("item_id").str.strip_suffix("/default").is_in(own["question_id"].implode())
        )
        shares = own.select("question_id", "shares")
        chosen = type(asked)(some, part, asked.left_out)
        found = by_country(scored(chosen, answers_as(chosen, shares)))
        assert found[country] == pytest.approx(1, abs=1e-7)
        assert all(value <= found[country] for value in found.values())


def test_g5_even_answers_have_the_similarity_of_the_formula(tmp_path: Path) -> None:
    asked = drafted(write_csv(tmp_path / "o.csv", [("How much?", EXAMPLE, OPTIONS, "GAS")]))
    p, q = np.full(4, 0.25), np.array(EXAMPLE["Greece"])
    m = (p + q) / 2
    terms = [a * math.log2(a / b) for pair in ((p, m), (q, m)) for a, b in zip(*pair, strict=True) if a > 0]
    assert by_country(scored(asked, uniform(asked)))["Greece"] == pytest.approx(1 - math.sqrt(sum(terms) / 2))


def test_g6_only_a_countrys_own_questions_count(tmp_path: Path) -> None:
    rows = random_rows(20, COUNTRIES, seed=6)
    more = [
        *rows,
        *[
            (f"Elsewhere {n}?", {"Kenya": shares["Kenya"]}, options, "GAS")
            for n, (_, shares, options, _) in enumerate(rows)
        ],
    ]
    few = drafted(write_csv(tmp_path / "few.csv", rows))
    many = drafted(write_csv(tmp_path / "many.csv", more))
    one, other = scored(few, uniform(few)), scored(many, uniform(many))
    for country in ("Belgium", "China"):
        assert by_country(one)[country] == pytest.approx(by_country(other)[country], abs=1e-12)
    counts = other.filter(metric="similarity", dataset="all", group="country", weighting="items")
    assert dict(counts.select("level", "n").iter_rows()) == {"Belgium": 20, "China": 20, "Kenya": 40}


def test_g6_without_options_that_answer_nothing_shares_are_those_by_hand(tmp_path: Path) -> None:
    belgium = np.array(EXAMPLE["Belgium"][:3]) / 0.97
    assert belgium == pytest.approx([0.2165, 0.0722, 0.7113], abs=5e-5)
    asked = drafted(write_csv(tmp_path / "o.csv", [("How much?", EXAMPLE, OPTIONS, "GAS")]))
    found = by_country(scored(asked, answers_of_country(asked, "France")), "similarity_substantive")
    france = np.array(EXAMPLE["France"][:3]) / 0.98
    assert found["Belgium"] == pytest.approx(1 - float(jensen_shannon_distance(belgium, france)))


def test_g7_a_persona_of_nowhere_is_the_default_and_answers_begin_at_a_letter(tmp_path: Path) -> None:
    asked = drafted(write_csv(tmp_path / "o.csv", random_rows(3, COUNTRIES)), countries=("China", "Russia"))
    items = asked.items
    assert items.group_by("condition").len().sort("condition").rows() == [
        ("country/China", 3), ("country/Russia", 3), ("default", 3),
    ]  # fmt: skip
    assert items["prefill"].str.ends_with("(").all()
    assert items["options"].to_list() == [["A", "B", "C", "D"]] * 9
    text = items.with_columns(text=pl.col("messages").list.get(0).struct.field("content"))
    plain = text.filter(condition="default")["text"].to_list()
    assert question_text("Question 0?", [f"Answer {n}" for n in range(4)], "") in plain
    persona = text.filter(condition="country/China")["text"].to_list()
    assert all("China" in said and said.endswith(given) for said, given in zip(persona, plain, strict=True))
    assert all(said.count(f"({letter}) ") == 1 for said, letter in itertools.product(plain, "ABCD"))


def test_g7_who_prefers_b_has_all_of_its_probability_there(tmp_path: Path) -> None:
    asked = drafted(write_csv(tmp_path / "o.csv", [("How much?", EXAMPLE, OPTIONS, "GAS")]))
    shares = asked.opinions.unique("question_id").select("question_id", shares=pl.lit([0.0, 1.0, 0.0, 0.0]))
    table = by_question(asked.items, answers_as(asked, shares, 0.4), unreached(asked.items), asked.opinions)
    OpinionQuestion.validate(table)
    row = table.row(0, named=True)
    assert row["entropy"] == pytest.approx(0) and row["missing_mass"] == pytest.approx(0.6)
    assert (row["most_similar"], row["least_similar"], row["countries"]) == ("France", "Sweden", 4)


def test_a_persona_that_answers_like_its_country_shifts_towards_it(tmp_path: Path) -> None:
    asked = drafted(write_csv(tmp_path / "o.csv", random_rows(60, COUNTRIES, seed=8)), countries=("China",))
    default, persona = asked.items["condition"] == "default", asked.items["condition"] == "country/China"
    parts = [
        answers_of_country(type(asked)(asked.items.filter(which), asked.opinions, asked.left_out), country)
        for which, country in ((default, "Kenya"), (persona, "China"))
    ]
    metrics = scored(asked, pl.concat(parts))
    shift = metrics.filter(metric="shift", dataset="all", weighting="items", condition="country/China")
    signs = {row["level"]: (row["ci_low"] > 0) - (row["ci_high"] < 0) for row in shift.iter_rows(named=True)}
    assert signs["China"] == 1 and signs["Kenya"] == -1
    assert metrics.filter(metric="shift", condition="default").is_empty()
    relative = by_country(metrics, "relative")
    assert sum(relative.values()) == pytest.approx(0, abs=1e-9) and relative["Kenya"] > 0


def test_refusals_and_missing_mass_are_told_and_what_no_usage_reaches_has_no_figure(tmp_path: Path) -> None:
    asked = drafted(write_csv(tmp_path / "o.csv", random_rows(10, COUNTRIES)))
    answers = answers_of_country(asked, "Kenya", mass=0.4).with_row_index("row")
    first = pl.col("row") < 2
    answers = answers.with_columns(
        status=pl.when(first).then(pl.lit("refused")).otherwise("status"),
        logprobs=pl.when(~first).then("logprobs"),
    ).drop("row")
    metrics = scored(asked, answers).filter(dataset="all")
    whole = metrics.filter(pl.col("group").is_null(), weighting="items")
    found = {
        row["metric"]: (row["estimate"], row["n"], row["missing"]) for row in whole.iter_rows(named=True)
    }
    assert found["refused"] == (pytest.approx(0.2), 10, 2)
    assert found["half_missing"] == (1, 8, 2)
    assert found["missing_mass"] == (pytest.approx(0.6), 8, 2)
    kenya = metrics.filter(metric="similarity", level="Kenya")
    assert kenya.filter(weighting="items").select("n", "missing").row(0) == (8, 2)
    assert kenya.filter(weighting="usage").select("estimate", "n").row(0) == (None, 0)


def test_questions_near_usage_carry_its_weight(tmp_path: Path) -> None:
    asked = drafted(write_csv(tmp_path / "o.csv", random_rows(6, COUNTRIES)))
    usage = (
        unreached(asked.items)
        .with_row_index("row")
        .with_columns(
            near=pl.col("row") < 2,
            weight=pl.when(pl.col("row") < 2).then(pl.col("row") * 2.0 + 1).otherwise(0.0),
        )
        .drop("row")
    )
    answers = uniform(asked)
    table = by_question(asked.items, answers, usage, asked.opinions)
    assert table["usage"].sum() == pytest.approx(4)
    values = dict(table.select("item_id", "similarity").iter_rows())
    first, second = (values[name] for name in asked.items["item_id"].head(2))
    whole = scored(asked, answers, usage).filter(
        pl.col("group").is_null(), metric="similarity", dataset="all", weighting="usage"
    )
    assert whole["estimate"].item() == pytest.approx((first + 3 * second) / 4)
