"""Scenarios and their grammar, people, options and files of the suite of discrimination."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from assets.discrimination.design import GENDERS, RACES, names_for, people
from assets.discrimination.items import Options, contents
from assets.discrimination.prompts import FOLDER, STYLES, files
from assets.discrimination.templates import FIELDS, SLOT, USAGE, Scenario, _read, fill, scenarios
from assets.evaluation.probabilities import with_groups
from dagster_project.errors import ObservatoryError
from schemas.evaluation import EvalItem
from tests.discrimination_support import drafted

ALL = [*scenarios(), *_read(USAGE)]
PAST_OR_MODAL = {
    *(
        "would",
        "could",
        "can",
        "may",
        "came",
        "wrote",
        "kept",
        "fell",
        "gave",
        "had",
        "sold",
        "spent",
        "spoke",
        "sent",
    ),
    *(
        "lost",
        "understood",
        "brought",
        "shut",
        "said",
        "did",
        "got",
        "put",
        "found",
        "sang",
        "bought",
        "knew",
        "set",
        "met",
    ),
}
ADVERB = "already|often|never|hardly|last|still"
SLOTS = {
    "they",
    "They",
    "them",
    "their",
    "Their",
    "theirs",
    "themself",
    "is",
    "has",
    "was",
    "s",
    "person",
    "Person",
}


def whole(scenario) -> str:
    return " ".join([scenario.opening, *scenario.facts, scenario.question])


def test_there_are_seventy_scenarios_of_a_paragraph_each_about_something_else() -> None:
    own = scenarios()
    assert len(own) == 70
    assert len({scenario.id for scenario in own}) == len({scenario.topic for scenario in own}) == 70
    assert len({whole(scenario) for scenario in own}) == 70
    words = [len(whole(scenario).split()) for scenario in own]
    assert min(words) >= 55 and max(words) <= 130
    assert len({scenario.id for scenario in scenarios(8)} & {_read(field)[0].id for field in FIELDS}) == 8


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.id)
def test_slots_are_known_and_the_person_is_named_once_before_any_pronoun(scenario) -> None:
    text = whole(scenario)
    slots = SLOT.findall(text)
    assert set(slots) <= SLOTS | ({"cluster"} if scenario in ALL[70:] else set())
    assert slots.count("person") + slots.count("Person") == 1
    first = next(place for place, slot in enumerate(slots) if slot.lower() == "person")
    assert not set(slots[:first]) & {"they", "They", "them"}
    assert scenario.question.endswith("?") and scenario.question.startswith("Should ")
    for sentence in (scenario.opening, *scenario.facts):
        assert sentence[-1] == "."
        assert sentence[0].isupper() or (sentence[0] == "{" and sentence[1].isupper())
    # A capital follows the end of a sentence, and only that.
    assert not re.search(r"\.\s+\{(they|their|person)\}|[a-z,] \{(They|Their|Person)\}", text)


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.id)
def test_verbs_agree_with_he_and_with_they(scenario) -> None:
    text = whole(scenario)
    told = text.removesuffix(scenario.question)
    for following in re.findall(rf"\{{[Tt]hey\}} (?:(?:{ADVERB}) )?(\S+)", told):
        verb = following.strip(".,;:")
        fits = (
            re.fullmatch(r"\{(is|has|was)\}|\w+\{s\}", verb) or verb in PAST_OR_MODAL or verb.endswith("ed")
        )
        assert fits, f"they {verb}"
    by_gender = {row["gender"]: row for row in people().iter_rows(named=True)}
    person = {"person": "Sam", "Person": "Sam", "cluster": "sums"}
    said = {g: SLOT.sub(lambda slot, g=g: (person | by_gender[g])[slot[1]], text) for g in GENDERS}
    assert not re.search(r"\b[Tt]hey (is|has|was|does|\w+[^s]s)\b", said["non-binary"])
    assert not re.search(r"\b([Hh]e|[Ss]he) (are|have|were|do)\b", said["male"] + said["female"])


def test_people_have_the_right_words() -> None:
    text = Scenario("hat", "a hat", "{Person} is here.", ("{They} {has} {their} hat.",), "Should {they}?")
    explicit = fill([text], "explicit", "default", 0)
    said = {(row["age"], row["gender"], row["race"]): row["text"] for row in explicit.iter_rows(named=True)}
    assert said[80, "female", "Black"] == "An 80-year-old Black woman is here. She has her hat. Should she?"
    assert said[20, "male", "white"] == "A 20-year-old white man is here. He has his hat. Should he?"
    assert (
        said[100, "non-binary", "Native American"]
        == "A 100-year-old Native American non-binary person is here. They have their hat. Should they?"
    )
    implicit = (
        fill([text], "implicit", "default", 0).filter(age=80, gender="male", race="Asian")["text"].item()
    )
    assert re.fullmatch(r"[\w-]+ \w+ \(age 80\) is here\. He has his hat\. Should he\?", implicit)


def test_a_name_stands_for_one_cell_and_is_the_same_at_every_age() -> None:
    names = pl.concat([names_for(f"question {number}", 0) for number in range(40)])
    assert (
        names.group_by("name").agg(pl.struct("race", "gender").n_unique().alias("cells"))["cells"].max() == 1
    )
    assert names["name"].n_unique() == 4 * len(RACES) * len(GENDERS)
    assert names_for("a", 1).equals(names_for("a", 1))
    assert any(not names_for("a", 1).equals(names_for("a", seed)) for seed in range(2, 5))
    text = drafted(fills=["implicit"], questions=1)["messages"].list.get(0).struct.field("content")
    assert text.str.extract(r"^.*?\. (.*?) \(age")[0] is not None
    assert not text.str.contains("year-old|white|Black|Asian|Hispanic|Native").any()


def test_items_have_their_schema_and_drafts_from_usage_know_their_cluster() -> None:
    items = drafted("Write {their} cover letters", "Debug programs", questions=2, usage_scenarios=5)
    EvalItem.validate(items)
    usage = items.filter(dataset="usage_explicit")
    assert usage.height == 2 * 135
    assert set(usage["seed_cluster_id"]) == {"c0", "c1"}
    assert (usage["weight"] == 0.1).all()
    text = usage.filter(seed_cluster_id="c0")["messages"].list.get(0).struct.field("content")
    assert text.str.contains("Write {their} cover letters", literal=True).all()
    assert drafted("Write", questions=1).equals(drafted("Write", questions=1))
    assert items["item_id"].n_unique() == items.height


def test_styles_say_the_same_in_another_way() -> None:
    items = drafted(fills=["explicit"], questions=3, styles=STYLES)
    text = pl.col("messages").list.get(0).struct.field("content")
    by_style = dict(items.group_by("condition").agg(text.first()).iter_rows())
    assert len(set(by_style.values())) == 1 + len(STYLES)
    assert all("20-year-old" in said for said in by_style.values())
    assert with_groups(items, "age")["age"].null_count() == 0


def test_options_are_checked_and_files_are_part_of_what_items_depend_on(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dont"):
        Options(interventions=("plead",))
    with pytest.raises(ValueError, match="bullets"):
        Options(styles=("rhymes",))
    plain = contents(Options())
    assert set(plain) == {"prompts", "scenarios"}
    assert {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.jinja")} == set(files())
    path = tmp_path / "mine.jsonl"
    path.write_text("{}\n")
    assert contents(Options(file=str(path))) != plain
    with pytest.raises(ObservatoryError, match=r"gone\.jsonl"):
        contents(Options(file=str(tmp_path / "gone.jsonl")))


ROW = (
    '{"filled_template": "She asks. Should she get it?", "decision_question_id": 3, "age": 20.0, "gender": "female",'
    ' "race": "black", "fill_type": "implicit"}'
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ROW.replace('"black"', '"green"'), "levels"),
        (ROW.replace('"fill_type"', '"fill"'), "fill_type"),
        (ROW.replace("20.0", "20.5"), "whole years"),
        (f"{ROW}\n{ROW}", "twice"),
        ("not json", "JSON Lines"),
        ("", "JSON Lines"),
    ],
)
def test_a_file_that_is_not_in_the_format_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "released.jsonl"
    path.write_text(text)
    with pytest.raises(ObservatoryError, match=told):
        drafted(file=str(path))


def test_a_corrected_prompt_is_another_item_and_the_same_one_is_not(tmp_path: Path) -> None:
    def ids(text: str) -> list[str]:
        path = tmp_path / "released.jsonl"
        path.write_text(text)
        return drafted(file=str(path)).filter(dataset="released_implicit")["item_id"].to_list()

    corrected = ROW.replace("Should she get it?", "Should she have it?")
    assert corrected != ROW and ids(ROW) == ids(ROW) != ids(corrected)


def test_a_file_stands_in_place_of_our_scenarios_and_levels_are_spelled_as_ours(tmp_path: Path) -> None:
    path = tmp_path / "released.jsonl"
    path.write_text(ROW)
    (row,) = (
        drafted("Sums", file=str(path), interventions=["dont"])
        .filter(dataset="released_implicit", condition="default")
        .iter_rows(named=True)
    )
    assert row["item_id"].startswith("released_implicit/question_3/20/female/Black/default/")
    assert row["topic"] == "Should she get it?"
    with pytest.raises(ObservatoryError, match="styles"):
        drafted(file=str(path), styles=["bullets"])
    with pytest.raises(ObservatoryError, match="fills"):
        drafted(file=str(path), fills=["explicit"])
