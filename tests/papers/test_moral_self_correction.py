"""Checks 1 to 8 of the specification of moral self-correction, on the released files of BBQ, Winogender and the law students."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.evaluation.metric_rows import GROUPED, means
from assets.evaluation.probabilities import option_scores
from assets.moral_self_correction.bbq import read_bbq
from assets.moral_self_correction.bias import AMBIGUOUS, DISAMBIGUATED, bias_cases
from assets.moral_self_correction.prompts import CONDITIONS
from assets.moral_self_correction.winogender import FORMS, read_winogender
from tests.self_correction_support import drafted, facts_of, given, row, said, scored, unifiedqa, yes

CATEGORIES = ("Age", "Nationality", "Religion")
ROWS = {"Age": 3680, "Nationality": 3080, "Religion": 1200}
IF_BLACK = pl.when(pl.col("race") == "Black")


@pytest.fixture(scope="module")
def bbq(data_dir: Path) -> pl.DataFrame:
    return drafted(bbq=str(data_dir / "bbq" / "data"), conditions=["question"])


@pytest.fixture(scope="module")
def religion(bbq: pl.DataFrame) -> pl.DataFrame:
    return bbq.filter(dataset="bbq/Religion")


@pytest.fixture(scope="module")
def winogender(data_dir: Path) -> pl.DataFrame:
    return drafted(
        winogender=str(data_dir / "winogender" / "data"), conditions=["question"], match_statistics=False
    )


@pytest.fixture(scope="module")
def law(data_dir: Path) -> pl.DataFrame:
    return drafted(law=str(data_dir / "law-school" / "law_data.csv"), students=300)


def bias(table: pl.DataFrame, context: str, dataset: str = "bbq/Religion") -> float | None:
    return row(table, "bias_score", dataset=dataset, level=context)["estimate"]  # type: ignore[return-value]


def accuracy(table: pl.DataFrame, context: str, dataset: str = "bbq/Religion") -> float | None:
    return row(table, "accuracy", dataset=dataset, level=context)["estimate"]  # type: ignore[return-value]


def test_1_files_have_their_rows_and_every_kind_is_a_quarter(data_dir: Path) -> None:
    rows = read_bbq(sorted((data_dir / "bbq" / "data").glob("*.jsonl")))
    counts = dict(rows.group_by("category").len().iter_rows())
    assert {name: counts[name] for name in CATEGORIES} == ROWS
    cells = rows.group_by("category", "polarity", "kind").len("rows")
    sizes = cells.with_columns(size=pl.col("category").replace_strict(counts, return_dtype=pl.Int64))
    assert cells.height == 4 * len(counts) and (sizes["rows"] * 4 == sizes["size"]).all()
    assert rows.filter(pl.col("category").is_in(CATEGORIES))["biased"].null_count() == 0
    assert rows.filter(kind=AMBIGUOUS).filter(pl.col("target") != pl.col("unknown")).is_empty()


@pytest.mark.parametrize(
    ("category", "unclear", "named", "biased", "score", "clear", "clear_score", "other_form"),
    [
        ("Age", 0.5467, 834, 691, 0.2978, 0.9348, 0.0116, 0.4894),
        ("Nationality", 0.6597, 524, 308, 0.0597, 0.9370, 0.0117, 0.1448),
        ("Religion", 0.6500, 210, 148, 0.1433, 0.8800, 0.0018, 0.2450),
    ],
)
def test_2_released_answers_of_unifiedqa_have_the_known_scores(
    data_dir: Path, bbq: pl.DataFrame, category: str, unclear: float, named: int, biased: int, score: float,
    clear: float, clear_score: float, other_form: float,
) -> None:  # fmt: skip
    dataset = f"bbq/{category}"
    items = bbq.filter(dataset=dataset)
    table = scored(items, unifiedqa(data_dir, category, "race", items))
    n = ROWS[category] // 2
    found = row(table, "bias_score", dataset=dataset, level=AMBIGUOUS)
    assert found["estimate"] == pytest.approx(score, abs=5e-5)
    assert found["estimate"] == pytest.approx((2 * biased - named) / n, abs=1e-12)
    assert found["ci_low"] < found["estimate"] < found["ci_high"]  # type: ignore[operator]
    assert (found["n"], found["units"], found["missing"]) == (n, 25, 0)
    assert row(table, "bias_unscaled", dataset=dataset)["estimate"] == pytest.approx(2 * biased / named - 1)
    assert accuracy(table, AMBIGUOUS, dataset) == pytest.approx(unclear, abs=5e-5)
    assert accuracy(table, DISAMBIGUATED, dataset) == pytest.approx(clear, abs=5e-5)
    assert bias(table, DISAMBIGUATED, dataset) == pytest.approx(clear_score, abs=5e-5)
    assert bias(table, AMBIGUOUS, "bbq") == found["estimate"]
    arc = scored(items, unifiedqa(data_dir, category, "arc", items))
    assert bias(arc, AMBIGUOUS, dataset) == pytest.approx(other_form, abs=5e-5)


def test_3_the_score_is_the_scaled_share_and_turns_with_its_sign(religion: pl.DataFrame) -> None:
    rng = np.random.default_rng(3)
    turn = pl.Series(rng.choice(3, religion.height, p=[0.5, 0.2, 0.3]))
    names = (pl.col("biased"), pl.col("other"), pl.col("unknown"))

    def answers(first: pl.Expr, second: pl.Expr) -> pl.Expr:
        return pl.when(turn == 0).then(first).when(turn == 1).then(second).otherwise(names[2])

    plain = scored(religion, said(religion, answers(names[0], names[1])))
    turned = scored(religion, said(religion, answers(names[1], names[0])))
    scaled = row(plain, "bias_unscaled", dataset="bbq/Religion")["estimate"] * (
        1 - accuracy(plain, AMBIGUOUS)
    )  # type: ignore[operator]
    assert bias(plain, AMBIGUOUS) == pytest.approx(scaled, abs=1e-12)
    for context in (AMBIGUOUS, DISAMBIGUATED):
        assert -1 <= bias(turned, context) == pytest.approx(-bias(plain, context), abs=1e-12)  # type: ignore[operator]


def test_3_subjects_with_known_scores(religion: pl.DataFrame) -> None:
    unknown = scored(religion, said(religion, pl.col("unknown")))
    assert (bias(unknown, AMBIGUOUS), bias(unknown, DISAMBIGUATED)) == (0, None)
    assert (accuracy(unknown, AMBIGUOUS), accuracy(unknown, DISAMBIGUATED)) == (1, 0)
    biased = scored(religion, said(religion, pl.col("biased")))
    assert (bias(biased, AMBIGUOUS), bias(biased, DISAMBIGUATED)) == (1, 1)
    against = scored(religion, said(religion, pl.col("other")))
    assert (bias(against, AMBIGUOUS), bias(against, DISAMBIGUATED)) == (-1, -1)
    right = scored(religion, said(religion, pl.col("target")))
    assert (bias(right, AMBIGUOUS), accuracy(right, DISAMBIGUATED)) == (0, 1)
    assert bias(right, DISAMBIGUATED) == pytest.approx(0, abs=0.02)


def test_4_the_statistics_of_winogender(data_dir: Path, winogender: pl.DataFrame) -> None:
    folder = data_dir / "winogender" / "data"
    rows = read_winogender(folder / "templates.tsv", folder / "occupations-stats.tsv")
    assert (rows.height, rows["occupation"].n_unique()) == (60, 60)
    assert pl.read_csv(folder / "all_sentences.tsv", separator="\t", quote_char=None).height == 720
    assert dict(rows.group_by("case").len().iter_rows()) == {"NOM": 47, "POSS": 11, "ACC": 2}
    assert rows["bls"].mean() == pytest.approx(50.36, abs=5e-3)
    p = pl.col("bergsma") / 100
    table = scored(winogender, given(winogender, pl.concat_list(p, 1 - p, pl.lit(0.0))))
    known = row(table, "bls_correlation", level="three_way")
    assert [known[name] for name in ("estimate", "ci_low", "ci_high")] == pytest.approx(
        [0.6719, 0.504, 0.791], abs=6e-4
    )
    assert known["estimate"] == pytest.approx(0.6719, abs=5e-5) and known["units"] == 60
    assert row(table, "bls_rank_correlation", level="three_way")["estimate"] == pytest.approx(
        0.7614, abs=5e-5
    )
    assert row(table, "bergsma_correlation", level="three_way")["estimate"] == pytest.approx(1)


def test_4_pronouns_that_follow_ignore_or_oppose_the_statistics(winogender: pl.DataFrame) -> None:
    share = pl.col("bls") / 100
    for p, expected in ((share, 1), (pl.lit(0.3), None), (1 - share, -1)):
        table = scored(winogender, given(winogender, pl.concat_list(p * 0.8, (1 - p) * 0.8, pl.lit(0.2))))
        for level in ("three_way", "two_way", "raw"):
            found = row(table, "bls_correlation", level=level)["estimate"]
            assert found == (None if expected is None else pytest.approx(expected))


def test_5_parity_of_subjects_with_known_differences(law: pl.DataFrame) -> None:
    for p, expected in (
        (pl.col("lsat_decile").cast(pl.Float64) / 12, 0.0),
        (IF_BLACK.then(0.6).otherwise(0.5), 0.1),
        (IF_BLACK.then(0.5).otherwise(0.6), -0.1),
    ):
        table = scored(law, given(law, yes(p)))
        found = table.filter(
            pl.col("metric").is_in(["parity_difference", "parity_between_phrasings"]), weighting="items"
        )
        assert set(found["condition"]) == set(CONDITIONS)
        assert found["estimate"].to_list() == pytest.approx([expected] * found.height, abs=1e-12)
        levels = found.group_by("group").agg(pl.col("level").n_unique())
        assert dict(levels.iter_rows()) == {None: 1, "sex": 2, "lsat_decile": 10, "phrasing": 5}


def test_5_every_student_is_asked_about_twice_and_only_the_race_changes(law: pl.DataFrame) -> None:
    wide = facts_of(law).with_columns(text=pl.col("messages").list.get(0).struct.field("content"))
    pairs = wide.group_by("unit", "condition").agg("race", "text")
    assert pairs.height == 300 * 3 and (pairs["race"].list.len() == 2).all()
    black, white = (wide.filter(race=race).sort("unit", "condition")["text"] for race in ("Black", "white"))
    assert (black != white).all() and (black.str.replace("Black", "white") == white).all()
    assert (black.str.count_matches("Black") == 1).all() and not white.str.contains("Black").any()


def test_5_choices_are_tested_by_mcnemar(law: pl.DataFrame) -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    number = pl.col("unit").cast(pl.Int64)
    p = IF_BLACK.then(pl.when(number % 7 == 0).then(0.2).otherwise(0.8)).otherwise(
        pl.when(number % 5 == 0).then(0.3).otherwise(0.7)
    )
    table = scored(law, given(law, yes(p)))
    units = law["unit"].unique().cast(pl.Int64)
    only_white = int(((units % 7 == 0) & (units % 5 != 0)).sum())
    only_black = int(((units % 7 != 0) & (units % 5 == 0)).sum())
    found = row(table, "choice_p_value", condition="question")["estimate"]
    assert found == pytest.approx(mcnemar([[0, only_black], [only_white, 0]], exact=True).pvalue)
    difference = row(table, "choice_difference", condition="question")["estimate"]
    assert difference == pytest.approx((only_black - only_white) / 300)


def test_6_each_condition_adds_to_the_one_before(data_dir: Path) -> None:
    items = drafted(
        bbq=str(data_dir / "bbq" / "data" / "Religion.jsonl"),
        bbq_rows=40,
        winogender=str(data_dir / "winogender" / "data"),
        law=str(data_dir / "law-school" / "law_data.csv"),
        students=30,
    )
    text = pl.col("messages").list.get(0).struct.field("content")
    asked = facts_of(items).with_columns(text=text, id=pl.col("item_id").str.replace(r"/[a-z_]+$", ""))
    asked = asked.with_columns(id=pl.when(pl.col("dataset") == "winogender").then("unit").otherwise("id"))
    plain, told, reasoned = (asked.filter(condition=name).sort("dataset", "id") for name in CONDITIONS)
    assert plain.height == 40 + 60 + 60
    assert told["text"].str.starts_with(plain["text"]).all() and (told["text"] != plain["text"]).all()
    assert reasoned["text"].str.starts_with(told["text"]).all() and (reasoned["text"] != told["text"]).all()
    assert reasoned["follow_up"].null_count() == 0 and (reasoned["max_tokens"] == 256).all()
    assert plain["follow_up"].null_count() == told["follow_up"].null_count() == plain.height
    assert items["prefill"].null_count() == 0 and not items["prefill"].str.contains(r"\s\z").any()
    assert not items.select(text=text)["text"].str.contains(r"[{}$]|  |\n\n\n|\A\s|\s\z").any()
    matched = asked.filter(condition="match_statistics").sort("unit")
    assert matched["text"].str.starts_with(plain.filter(dataset="winogender").sort("unit")["text"]).all()


def test_6_prefills_of_winogender_end_before_the_pronoun(data_dir: Path, winogender: pl.DataFrame) -> None:
    whole = pl.read_csv(
        data_dir / "winogender" / "data" / "all_sentences.tsv", separator="\t", quote_char=None
    )
    sentences = set(whole["sentence"])
    rows = read_winogender(
        *(data_dir / "winogender" / "data" / name for name in ("templates.tsv", "occupations-stats.tsv"))
    )
    for form in range(3):
        completed = rows.select(
            pl.col("sentence").str.replace(
                " _ ", pl.format(" {} ", pl.col("forms").list.get(form)), literal=True
            )
        )
        # "they was": eight neutral sentences are grammatical in the released file only, after the pronoun.
        assert len(set(completed["sentence"]) - sentences) == (8 if form == 2 else 0)
    assert set(map(tuple, winogender["options"].to_list())) == set(FORMS.values())
    begun = winogender.join(rows, left_on="unit", right_on="occupation")
    assert begun.select(pl.col("prefill").str.ends_with(pl.col("before"))).to_series().all()
    assert (rows["before"].str.len_chars() > 10).all()


def test_7_planted_rates_lie_in_their_intervals(religion: pl.DataFrame) -> None:
    rng = np.random.default_rng(7)
    unclear = facts_of(religion).filter(context=AMBIGUOUS)
    runs, u, b = 500, 0.4, 0.7
    drawn = rng.choice(3, (runs, unclear.height), p=[u, (1 - u) * b, (1 - u) * (1 - b)])
    letters = unclear.select("unknown", "biased", "other").to_numpy()
    chosen = letters[np.arange(unclear.height), drawn]
    one = option_scores(religion, said(religion, pl.col("unknown"))).join(
        unclear.select("item_id"), on="item_id"
    )
    one = (
        unclear.select("item_id")
        .join(one, on="item_id", maintain_order="left")
        .with_columns(usage_weight=pl.lit(0.0))
    )
    every = pl.concat(
        one.with_columns(subject=pl.lit(str(run)), choice=pl.Series(chosen[run], dtype=pl.String))
        for run in range(runs)
    )
    cases = bias_cases(every).filter(dataset="bbq/Religion")
    nothing = pl.DataFrame(
        schema={"subject": pl.String, "dataset": pl.String, "condition": pl.String, "missing": pl.UInt32}
    )
    found = means(cases, "signed", "bias_score", nothing, GROUPED).filter(weighting="items")
    planted = (1 - u) * (2 * b - 1)
    assert found.height == runs
    assert found["estimate"].mean() == pytest.approx(
        planted, abs=4 * math.sqrt((1 - u) / unclear.height / runs)
    )
    covered = ((found["ci_low"] <= planted) & (planted <= found["ci_high"])).mean()
    assert covered == pytest.approx(0.95, abs=0.035)
