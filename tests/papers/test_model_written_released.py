"""Checks 1, 2, 3, 7 and the round trip of check 8 of the model-written evaluations, on the released files as far as they are at hand.

The figures of the whole release are held against the specification where all of its files are there, and those of each
file wherever it is.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from assets.evaluation.exporting import EXPORTS, Card, read_huggingface, read_inspect, read_lm_eval
from assets.evaluation.metric_rows import means
from assets.evaluation.probabilities import missing, option_scores
from assets.model_written_evals.agreement import fleiss_kappa
from assets.model_written_evals.released import (
    CHOICE,
    OCCUPATIONS,
    PERSONA,
    WINOGENERATED,
    Released,
    items_of,
    read_released,
    released_files,
    written,
)
from assets.model_written_evals.scores import scored_items
from tests.released_support import answers_by, usage_of

ALL_PERSONA, ALL_ROWS = 135, 133_204
SHORT = {992, 534, 852, 518, 548, 760}
RISK = {"lm": (17, 16_400), "human": (16, 8_116), "gold": (16, 160)}
BACK = {"huggingface": read_huggingface, "inspect": read_inspect, "lm-eval": read_lm_eval}
FOLDERS = {
    "lm": "lm_generated_evals",
    "human": "human_generated_evals",
    "gold": "prompts_for_few_shot_generation",
}


@pytest.fixture(scope="module")
def release(data_dir: Path) -> Path:
    return data_dir / "model-written-evals"


@cache
def files(folder: Path) -> list[Released]:
    return [read_released(path) for path in sorted(folder.glob("*.jsonl"))]


def test_every_file_is_written_back_as_the_same_bytes(release: Path) -> None:
    paths = sorted(release.rglob("*.jsonl"))
    assert len(paths) >= 29
    for path in paths:
        assert written(read_released(path)) == path.read_bytes(), path.name


def test_persona_files_have_the_figures_of_the_release(release: Path) -> None:
    found = files(release / "persona")
    assert found
    for file in found:
        assert file.kind == PERSONA and tuple(file.rows.columns) == (
            "question",
            "statement",
            "label_confidence",
            "answer_matching_behavior",
            "answer_not_matching_behavior",
        )
        rows = file.rows
        assert (rows["answer_matching_behavior"] == " Yes").sum() * 2 == rows.height
        assert set(rows["answer_matching_behavior"]) == {" Yes", " No"}
        other = rows["answer_matching_behavior"].replace({" Yes": " No", " No": " Yes"})
        assert (other == rows["answer_not_matching_behavior"]).all()
        assert rows.select(pl.col("question").str.contains(pl.col("statement"), literal=True).all()).item()
        assert rows["label_confidence"].is_between(0.5, 0.9882, closed="right").all()
        assert rows.height == 1000 or rows.height in SHORT
    together = pl.concat(file.rows for file in found)
    if len(found) == ALL_PERSONA:
        assert together.height == ALL_ROWS
        assert together["label_confidence"].mean() == pytest.approx(0.8603, abs=5e-5)
        assert together["label_confidence"].median() == pytest.approx(0.8938, abs=5e-5)
        assert sorted(file.rows.height for file in found if file.rows.height < 1000) == sorted(SHORT)


@pytest.mark.parametrize("kind", RISK)
def test_risk_files_have_the_figures_of_the_release(release: Path, kind: str) -> None:
    found = files(release / "advanced-ai-risk" / FOLDERS[kind])
    assert found and {file.kind for file in found} == {CHOICE}
    count, rows = RISK[kind]
    for file in found:
        matching = file.rows["answer_matching_behavior"]
        if kind == "lm":
            assert (matching == " (A)").sum() * 2 == file.rows.height and set(matching) == {" (A)", " (B)"}
            assert file.rows.height in {468, 934, 998, 1000}
        if kind == "gold":
            assert file.rows.height == 10 and set(matching) == {" (A)"}
    if len(found) == count:
        assert sum(file.rows.height for file in found) == rows


def test_human_written_risk_files_keep_their_imbalance_and_their_many_options(release: Path) -> None:
    shares = {}
    for file in files(release / "advanced-ai-risk" / FOLDERS["human"]):
        shares[file.name.rpartition("/")[2]] = (file.rows["answer_matching_behavior"] == " (A)").mean()
    assert shares["power-seeking-inclination"] == pytest.approx(0.377, abs=5e-4)
    assert shares["survival-instinct"] == pytest.approx(0.619, abs=5e-4)
    (many,) = [
        file
        for file in files(release / "advanced-ai-risk" / FOLDERS["human"])
        if file.name.endswith("survival-instinct")
    ]
    options = items_of(many)["options"]
    assert options.list.len().max() > 2 and options.list.len().min() == 2


def test_winogenerated_has_the_figures_of_the_release(release: Path) -> None:
    occupations, examples = sorted(files(release / "winogenerated"), key=lambda file: file.kind)
    assert (occupations.kind, examples.kind) == (OCCUPATIONS, WINOGENERATED)
    rows = examples.rows
    assert rows.height == 2_990 and occupations.rows.height == 299
    assert set(rows.group_by("occupation").len()["len"]) == {10} and rows["occupation"].n_unique() == 299
    assert (rows["sentence_with_blank"].str.count_matches("_", literal=True) == 1).all()
    sets = Counter(rows["pronoun_options"].list.first())
    assert sets == {"he": 1783, "his": 988, "him": 219}
    assert {path.stem for path in released_files([str(release / "winogenerated")])} == {
        "winogenerated_examples"
    }


def test_constant_answers_oracles_and_their_opposites_on_every_persona_file(release: Path) -> None:
    for file in files(release / "persona"):
        items = items_of(file)
        other = pl.when(pl.col("target") == "Yes").then(pl.lit("No")).otherwise(pl.lit("Yes"))
        # Matches in three of four rows, told apart by the row alone.
        mixed = pl.when(pl.int_range(pl.len()) % 4 == 0).then(other).otherwise("target")
        given = {
            "yes": pl.lit("Yes"),
            "no": pl.lit("No"),
            "oracle": pl.col("target"),
            "anti": other,
            "mixed": mixed,
        }
        answers = pl.concat(answers_by(items, chosen, name) for name, chosen in given.items())
        rates = dict(match_rates(items, answers).select("subject", "estimate").iter_rows())
        assert rates["yes"] == rates["no"] == 0.5
        assert (rates["oracle"], rates["anti"]) == (1.0, 0.0)
        assert 0.5 < rates["mixed"] < 1
        flipped = dict(
            match_rates(items.with_columns(target=other), answers).select("subject", "estimate").iter_rows()
        )
        assert flipped == pytest.approx({name: 1 - rate for name, rate in rates.items()})


def match_rates(items: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """The rows of match_rate alone: other metrics take longer and are not looked at."""
    scored = scored_items(items, answers, usage_of(items))
    table = means(scored, "hit", "match_rate", missing(items, answers, by=("dataset", "condition")))
    table = table.filter(weighting="items")
    assert (table["n"] == items.height).all() and table["missing"].sum() == 0
    return table


FLEISS_1971 = [
    (0, 0, 0, 0, 14),
    (0, 2, 6, 4, 2),
    (0, 0, 3, 5, 6),
    (0, 3, 9, 2, 0),
    (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0),
    (3, 2, 6, 3, 0),
    (2, 5, 3, 2, 2),
    (6, 5, 2, 1, 0),
    (0, 2, 2, 3, 7),
]


def test_fleiss_kappa_of_the_textbook_example_and_of_one_mind() -> None:
    counts = [
        {"example_id": example, "label": label}
        for example, row in enumerate(FLEISS_1971)
        for label, count in enumerate(row)
        for _ in range(count)
    ]
    assert fleiss_kappa(pl.DataFrame(counts)) == pytest.approx(0.210, abs=5e-4)
    unanimous = [{"example_id": number, "label": number % 2} for number in range(6) for _ in range(3)]
    assert fleiss_kappa(pl.DataFrame(unanimous)) == pytest.approx(1.0)


def test_a_file_through_all_exports_matches_as_often(release: Path, tmp_path: Path) -> None:
    """Check 8: from the released file to Hugging Face, Inspect and lm-evaluation-harness, one after the other."""
    risk = release / "advanced-ai-risk" / FOLDERS["human"] / "survival-instinct.jsonl"
    for path in (release / "persona" / "psychopathy.jsonl", risk):
        items = items_of(read_released(path))
        # The first option for every third row, the target elsewhere.
        chosen = pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.col("options").list.first())
        answers = answers_by(items, chosen.otherwise("target"), "one")
        counts = [hits(items, answers)]
        asked = items
        for form, back in BACK.items():
            asked = back(
                EXPORTS[form](asked, Card("model_written", "T", "p", "1"), tmp_path / path.stem / form).folder
            )
            counts.append(hits(asked, answers))
        assert len(set(counts)) == 1 and 0 < counts[0] < items.height
        assert asked.sort("item_id").equals(items.sort("item_id"))


def hits(items: pl.DataFrame, answers: pl.DataFrame) -> int:
    return int(option_scores(items, answers)["hit"].sum())
