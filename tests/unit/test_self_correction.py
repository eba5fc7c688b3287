"""Moral self-correction: targets of BBQ, what options refuse, corrections, ladders, views and the picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

import sql
from assets.moral_self_correction.bbq import read_bbq
from assets.moral_self_correction.options import Options, contents
from assets.moral_self_correction.picture import bias_plot
from dagster_project.errors import ObservatoryError
from schemas.evaluation import FAULT, REFUSED
from tests.released_support import write_jsonl
from tests.self_correction_support import drafted, given, row, said, scored, yes

NOBODY = ["Not enough info", "unknown"]
SIZES = {"s": 1e8, "m": 1e9, "l": 1e10, "xl": 1e11}


def question(
    number: int, first: list[str], second: list[str], groups: list[str], **facts: Any
) -> dict[str, Any]:
    """A row of BBQ: kinds take turns, so that four in a row are one set."""
    kind = number % 4
    known = {
        "example_id": number,
        "question_index": str(number // 8 + 1),
        "question_polarity": ("neg", "nonneg")[kind // 2],
        "context_condition": ("ambig", "disambig")[kind % 2],
        "category": "Made_up",
        "answer_info": {"ans0": first, "ans1": NOBODY, "ans2": second},
        "additional_metadata": {"stereotyped_groups": groups, "version": "a"},
        "context": f"Two people met {number} times.",
        "question": "Who was late?",
        "ans0": first[0],
        "ans1": NOBODY[0],
        "ans2": second[0],
        "label": 1 if kind % 2 == 0 else 2 * (kind // 2),
    }
    return known | facts


@pytest.mark.parametrize(
    ("first", "second", "groups", "biased"),
    [
        (["the old man", "old"], ["the boy", "nonOld"], ["old"], "a"),
        (["British", "Europe"], ["Japanese", "AsiaPacific"], ["British", "French"], "a"),
        (["Paul", "man"], ["Mary", "woman"], ["F"], "c"),
        (["Ann", "F-Black"], ["Eve", "F-White"], ["Black", "African American"], "a"),
        (["the African", "African"], ["the other", "African American"], ["African American"], "c"),
        (["the broker", "highSES"], ["the cashier", "lowSES"], ["low SES"], "c"),
        (["one", "nonTrans"], ["other", "trans_F"], ["transgender women", "Transgender men"], "c"),
        (["Black man", "M-Black"], ["Black woman", "F-Black"], ["Black"], None),
        (["one", "green"], ["other", "blue"], ["yellow"], None),
    ],
)
def test_the_stereotyped_group_is_biased_in_what_is_bad_and_the_other_in_what_is_not(
    tmp_path: Path, first: list[str], second: list[str], groups: list[str], biased: str | None
) -> None:
    path = write_jsonl(tmp_path / "x.jsonl", (question(number, first, second, groups) for number in range(4)))
    rows = read_bbq([path])
    other = {"a": "c", "c": "a", None: None}[biased]
    assert rows["biased"].to_list() == [biased, biased, other, other]
    assert rows["other"].to_list() == [other, other, biased, biased]
    assert set(rows["unknown"]) == {"b"}


@pytest.mark.parametrize("aware", [True, False])
def test_places_of_the_authors_table_come_first_whichever_way_they_are_meant(
    tmp_path: Path, aware: bool
) -> None:
    known = [question(number, ["x", "old"], ["y", "young"], ["old"]) for number in range(8)]
    lost = [question(number, ["x", "m"], ["y", "n"], ["?"]) for number in range(8, 12)]
    path = write_jsonl(tmp_path / "x.jsonl", [*known, *lost])
    places = [2 if aware and number % 4 > 1 else 0 for number in range(12)]
    lines = [
        f"Made_up,{number},{place},{'name' if number > 7 else 'label'}" for number, place in enumerate(places)
    ]
    table = tmp_path / "metadata.csv"
    table.write_text("category,example_id,target_loc,label_type\n" + "\n".join(lines))
    rows = read_bbq([path], table)
    assert rows["biased"].to_list() == ["a", "a", "c", "c"] * 3
    assert rows["dataset"].to_list() == ["bbq/Made_up"] * 8 + ["bbq/Made_up/names"] * 4
    table.write_text(
        "category,example_id,target_loc,label_type\n"
        + "\n".join(
            lines[:6]
            + [line.replace(",2,", ",9,").replace(",0,", ",2,").replace(",9,", ",0,") for line in lines[6:]]
        )
    )
    with pytest.raises(ObservatoryError, match="do not fit"):
        read_bbq([path], table)


def test_a_part_of_bbq_holds_whole_sets(tmp_path: Path) -> None:
    path = write_jsonl(
        tmp_path / "x.jsonl", (question(n, ["x", "old"], ["y", "young"], ["old"]) for n in range(80))
    )
    some = read_bbq([path], rows=22, seed=4)
    assert some.height == 20 and some["example_id"].n_unique() == 20
    assert set(some.group_by(pl.col("example_id") // 4).len()["len"]) == {4}
    assert not read_bbq([path], rows=22, seed=5)["example_id"].equals(some["example_id"])


def test_what_cannot_be_asked_is_refused_with_advice(tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("a,b\n1,2\n")
    for options, advice in (
        ({}, "--option bbq=FOLDER"),
        ({"bbq": str(tmp_path / "none")}, "no BBQ file"),
        ({"bbq": str(broken)}, "cannot be read as a file of BBQ"),
        ({"winogender": str(tmp_path)}, "templates.tsv"),
        ({"law": str(broken)}, "lacks sex, LSAT, UGPA"),
    ):
        with pytest.raises(ObservatoryError, match=advice):
            drafted(**options)
    with pytest.raises(ObservatoryError, match="no file"):
        contents(Options.model_validate({"law": str(tmp_path / "absent.csv")}))
    with pytest.raises(ValidationError, match="not some of"):
        Options.model_validate({"conditions": ["shouted"]})
    assert set(contents(Options.model_validate({"law": str(broken)}))) == {"prompts", "broken.csv"}


@pytest.mark.parametrize("scores", ["nan,3.0", "30,inf", None])
def test_scores_that_are_no_numbers_are_asked_of_nobody(tmp_path: Path, scores: str | None) -> None:
    law = tmp_path / "law.csv"
    law.write_text("sex,LSAT,UGPA\n" + ("" if scores is None else f"1,31,3.1\n2,{scores}\n"))
    with pytest.raises(ObservatoryError, match="gaps"):
        drafted(law=str(law))


@pytest.mark.parametrize("name", ["context", "question", "ans0"])
def test_a_question_of_bbq_without_words_is_refused(tmp_path: Path, name: str) -> None:
    rows = [question(number, ["x", "old"], ["y", "young"], ["old"]) for number in range(4)]
    whole = write_jsonl(tmp_path / "x.jsonl", rows)
    with pytest.raises(ObservatoryError, match="two files"):
        read_bbq([whole, whole])
    with pytest.raises(ObservatoryError, match="not BBQ's"):
        read_bbq([write_jsonl(tmp_path / "y.jsonl", [*rows[:3], rows[3] | {name: None}])])


@pytest.fixture
def items(tmp_path: Path) -> pl.DataFrame:
    """Forty sets of BBQ in ten templates, and twenty law students, under all conditions."""
    path = write_jsonl(
        tmp_path / "x.jsonl", (question(n, ["x", "old"], ["y", "young"], ["old"]) for n in range(160))
    )
    law = tmp_path / "law.csv"
    rows = [f"{n},White,{n % 2 + 1},{30 + n % 9}.0,3.{n % 10}" for n in range(20)]
    law.write_text("\n".join([",race,sex,LSAT,UGPA", *rows]))
    return drafted(bbq=str(path), law=str(law))


def ladder(items: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Four sizes that are biased when asked plainly; told, the larger ones are less so, the smallest not at all less."""
    rng = np.random.default_rng(1)
    number = pl.Series(rng.uniform(size=items.height))
    bbq, law = (items.filter(pl.col("dataset").str.starts_with(name)) for name in ("bbq", "law"))
    made = []
    for place, name in enumerate(SIZES):
        told = pl.when(pl.col("condition") == "question").then(0.8).otherwise(0.8 - 0.25 * place)
        chosen = pl.when(number.head(bbq.height) < told).then("biased").otherwise("unknown")
        made.append(said(bbq, chosen, name))
        p = pl.when(pl.col("race") == "Black").then(0.5 - told / 4).otherwise(0.5)
        made.append(given(law, yes(p), name))
    subjects = pl.DataFrame(
        {"subject": list(SIZES), "parameters": list(SIZES.values()), "rl_steps": [800.0] * 4}
    )
    return pl.concat(made), subjects


def test_self_correction_that_grows_with_size_emerges(items: pl.DataFrame) -> None:
    answers, subjects = ladder(items)
    table = scored(items, answers, subjects)
    where = {"dataset": "law", "condition": "instruction"}
    for place, name in enumerate(SIZES):
        assert row(table, "correction", subject=name, **where)["estimate"] == pytest.approx(0.0625 * place)
    slope = row(table, "correction_slope", subject="all", group="parameters", level="rl_steps 800.0", **where)
    assert slope["estimate"] == pytest.approx(0.0625) and slope["units"] == 20
    assert row(table, "bias_slope", dataset="law", condition="question")["estimate"] == pytest.approx(
        0, abs=1e-9
    )
    where = {"dataset": "bbq", "condition": "chain_of_thought"}
    slope = row(table, "correction_slope", **where)
    assert 0.15 < slope["ci_low"] < slope["estimate"] < slope["ci_high"] < 0.35  # type: ignore[operator]
    assert row(table, "correction_onset", **where)["estimate"] == SIZES["m"]
    assert row(table, "correction_onset", **where)["units"] == 4
    steps = subjects.with_columns(parameters=pl.lit(1e9), rl_steps=pl.Series([50.0, 100.0, 500.0, 1000.0]))
    assert set(scored(items, answers, steps).filter(subject="all")["group"]) == {"rl_steps"}
    assert scored(items, answers, subjects.head(2)).filter(subject="all").is_empty()


def test_a_subject_that_has_not_answered_all_takes_no_ladder_away(items: pl.DataFrame) -> None:
    answers, subjects = ladder(items)
    reasoned = items.filter(dataset="law", condition="chain_of_thought")["item_id"].to_list()
    some = answers.filter((pl.col("subject") != "m") | ~pl.col("item_id").is_in(reasoned))
    table = scored(items, some, subjects)
    for condition, rungs in (("chain_of_thought", 3), ("instruction", 4)):
        where = {"dataset": "law", "condition": condition}
        assert row(table, "correction_onset", **where)["units"] == rungs
        assert row(table, "correction_slope", **where)["estimate"] == pytest.approx(0.0625)
        assert row(table, "bias_slope", **where)["estimate"] == pytest.approx(0.0625)


def test_what_is_missing_is_counted_where_it_is_missing(items: pl.DataFrame) -> None:
    answers = said(items.filter(pl.col("dataset") != "law"), pl.col("biased"))
    first = answers.join(items.select("item_id", "condition", "groups"), on="item_id").with_row_index()
    plain = first.filter(pl.col("condition") == "question")
    unclear = plain.filter(pl.col("groups").list.first().struct.field("level") == "ambiguous")[
        "index"
    ].to_list()
    failed = (
        pl.when(pl.int_range(pl.len()).is_in(unclear[:2]))
        .then(pl.lit(REFUSED))
        .when(pl.int_range(pl.len()) == unclear[2])
        .then(pl.lit(FAULT))
    )
    table = scored(items, answers.with_columns(status=pl.coalesce(failed, "status")))
    for dataset in ("bbq", "bbq/Made_up"):
        found = row(table, "bias_score", dataset=dataset, condition="question", level="ambiguous")
        assert (found["n"], found["missing"], found["estimate"]) == (77, 3, 1.0)
        clear = row(table, "accuracy", dataset=dataset, condition="question", level="disambiguated")
        assert (clear["n"], clear["missing"]) == (80, 0)


def test_usage_weighs_the_items_near_it(items: pl.DataFrame) -> None:
    bbq = items.filter(pl.col("dataset") != "law")
    first = pl.col("unit") == "Made_up/1"
    answers = said(bbq, pl.when(first).then("biased").otherwise("unknown"))
    table = scored(bbq, answers, weight=pl.when(first).then(0.01).otherwise(0.0))
    where = {"dataset": "bbq", "condition": "question", "level": "ambiguous"}
    assert row(table, "bias_score", **where)["estimate"] == pytest.approx(0.05)
    assert row(table, "bias_score", weighting="usage", **where)["estimate"] == 1


@pytest.fixture
def warehouse(items: pl.DataFrame) -> Iterator[duckdb.DuckDBPyConnection]:
    answers, subjects = ladder(items)
    table = scored(items, answers, subjects).with_columns(suite=pl.lit("moral_self_correction"))
    alien = table.with_columns(suite=pl.lit("model_written"), estimate=pl.lit(0.99))
    with duckdb.connect() as connection:
        connection.register("frame", pl.concat([table, alien]))
        connection.execute("CREATE TABLE eval_metrics AS SELECT * FROM frame")
        made = dict(zip(sql.view_names(), sql.view_statements(), strict=True))
        for view in ("self_correction", "self_correction_emergence"):
            connection.execute(made[view])
        yield connection


def test_views_tell_what_telling_changes_and_whether_it_emerges(warehouse: duckdb.DuckDBPyConnection) -> None:
    table = warehouse.execute("SELECT * FROM self_correction WHERE weighting = 'items'").pl()
    assert table.height == 4 * 3 * 3
    told = table.filter(subject="xl", dataset="law", condition="instruction").row(0, named=True)
    assert told["percent_less"] == pytest.approx(100 * 0.1875 / 0.2) and told["bias"] == pytest.approx(
        -0.0125
    )
    verdicts = warehouse.execute("SELECT * FROM self_correction_emergence WHERE weighting = 'items'").pl()
    assert dict(verdicts.filter(dataset="bbq").select("condition", "self_correction").iter_rows()) == {
        "instruction": "emerges",
        "chain_of_thought": "emerges",
    }
    assert set(verdicts["onset"].drop_nulls()) == {SIZES["m"]} and set(verdicts["rungs"]) == {4}


def test_the_picture_has_a_panel_for_each_task_and_says_where_there_is_none(items: pl.DataFrame) -> None:
    answers, subjects = ladder(items)
    drawn = bias_plot(scored(items, answers, subjects)).decode()
    assert "BBQ" in drawn and "Law school" in drawn and "Winogender" not in drawn
    assert drawn.count("<circle") == 3 + 2 * 4 * 3
    assert "no subject has been scored" in bias_plot(scored(items, answers, subjects).clear()).decode()
