"""Items and map of the global opinions: translations, what is refused, and where countries stand."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest

from assets.global_opinions.picture import country_of, tiles, world_map
from assets.global_opinions.released import read_released
from dagster_project.errors import ObservatoryError
from tests.language_model_support import ScriptedModel
from tests.model_written_support import askers
from tests.opinions_support import (
    answers_of_country,
    by_country,
    drafted,
    random_rows,
    scored,
    uniform,
    write_csv,
)

COUNTRIES = ["Belgium", "China", "Kenya"]


def test_supplied_translations_come_first_and_the_writer_translates_the_rest(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "o.csv", random_rows(2, COUNTRIES))
    ids = drafted(path).items["item_id"].str.strip_suffix("/default").to_list()
    given = {
        "language": "Russian",
        "question_id": ids[0],
        "question": "Вопрос?",
        "options": ["а", "б", "в", "г"],
    }
    supplied = tmp_path / "t.jsonl"
    supplied.write_text(pl.DataFrame([given]).write_ndjson())
    writer = ScriptedModel(lambda _: '{"question": "Другой вопрос?", "options": ["1", "2", "3", "4"]}')
    asked = drafted(path, askers(tmp_path, writer=writer), languages=("Russian",), translations=str(supplied))
    spoken = asked.items.filter(condition="language/Russian")
    told = {
        row["item_id"]: (row["messages"][0]["content"], row["groups"][0]["level"])
        for row in spoken.to_dicts()
    }
    assert (
        "Вопрос?" in told[f"{ids[0]}/language/Russian"][0]
        and told[f"{ids[0]}/language/Russian"][1] == "supplied"
    )
    assert (
        "Другой вопрос?" in told[f"{ids[1]}/language/Russian"][0]
        and told[f"{ids[1]}/language/Russian"][1] == "writer"
    )
    assert len(writer.asked) == 1 and not any("possible answers" in text for text, _ in told.values())
    metrics = scored(asked, answers_of_country(asked, "Kenya"))
    assert by_country(metrics, condition="language/Russian")["Kenya"] == pytest.approx(1)


def test_what_cannot_be_translated_is_refused_or_counted(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "o.csv", random_rows(2, COUNTRIES))
    with pytest.raises(ObservatoryError, match="--writer"):
        drafted(path, languages=("Turkish",))
    writer = ScriptedModel(lambda _: '{"question": "Soru?", "options": ["bir"]}')
    asked = drafted(path, askers(tmp_path, writer=writer), languages=("Turkish",))
    assert dict(asked.left_out.iter_rows())["untranslated"] == 2
    assert set(asked.items["condition"]) == {"default"}


def test_the_map_shows_countries_under_any_of_their_names_and_greys_those_of_few_questions(
    tmp_path: Path,
) -> None:
    assert country_of("S. Korea") == "South Korea" and country_of("Mali (Non-national sample)") == "Mali"
    assert country_of("Atlantis") is None
    places = [(it["column"], it["row"]) for it in tiles()[0].values()]
    assert len(set(places)) == len(places) and set(tiles()[1].values()) <= set(tiles()[0])
    names = ["Great Britain", "Kenya", "Atlantis"]
    rows = random_rows(120, names, seed=9)
    rows = [
        (text, {n: s for n, s in shares.items() if n != "Kenya" or place < 50}, *rest)
        for place, (text, shares, *rest) in enumerate(rows)
    ]
    asked = drafted(write_csv(tmp_path / "o.csv", rows))  # type: ignore[arg-type]
    svg = world_map(scored(asked, uniform(asked)).with_columns(suite=pl.lit("global_opinions"))).decode()
    titles = [
        node.text or "" for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}title")
    ]
    assert any(title.startswith("Great Britain: 0.") and "120 questions" in title for title in titles)
    assert "Kenya: 50 questions, too few" in titles and "Atlantis" in svg
    assert b"no subject" in world_map(pl.DataFrame(schema={"group": pl.String, "dataset": pl.String, "weighting": pl.String,
        "estimate": pl.Float64, "metric": pl.String, "condition": pl.String, "level": pl.String, "n": pl.UInt32, "subject": pl.String}))  # fmt: skip


def test_every_label_of_the_released_json_has_a_tile(data_dir: Path) -> None:
    opinions = read_released(data_dir / "global-opinions" / "eval.json").opinions
    assert {label for label in opinions["country"].unique() if country_of(label) is None} == set()


def test_without_a_file_it_says_what_to_give() -> None:
    from dagster_project.evaluating import suite_named, with_suites
    from dagster_project.evaluations import Evaluations

    with pytest.raises(ObservatoryError, match="--option file=PATH"):
        with_suites(Evaluations(), [suite_named("global-opinions")], {})


def test_objects_that_say_the_same_of_another_year_are_kept_and_broken_ones_are_counted(
    tmp_path: Path,
) -> None:
    good = {"country": "Peru", "question": "Good?", "options": ["Yes", "No"], "distribution": [0.5, 0.5]}
    broken = [{"options": None}, {"options": "No"}, {"country": None}, {"country": " "}]
    broken += [{"distribution": [True, False]}]
    rows = [good, good | {"distribution": [0.1, 0.9]}, good | {"country": "Iran"}]
    path = tmp_path / "opinions.json"
    path.write_text(json.dumps([*rows, *(good | {"country": "Mali"} | part for part in broken)]))
    released = read_released(path)
    assert released.opinions["country"].to_list() == ["Iran", "Peru", "Peru"]
    assert released.opinions["shares"].list.first().to_list() == [0.5, 0.5, 0.1]
    assert released.opinions["unit"].n_unique() == 1 and released.opinions["question_id"].n_unique() == 2
    left_out = dict(released.left_out.iter_rows())
    assert (left_out["unreadable"], left_out["shares unreadable"]) == (3, 2)
