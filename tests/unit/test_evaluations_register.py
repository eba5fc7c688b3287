"""The register of suites and subjects: what stays of a subject that is named again, and which two are one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dagster_project.errors import ObservatoryError
from dagster_project.evaluating import checked_name, evaluation_named, with_suites
from dagster_project.evaluations import Evaluations, Subject

MODEL = Subject("m-1", "m", ("discrimination",), specification="transformers:m", samples=5, parameters=1e9)
GIVEN = Subject("g-1", "g", ("discrimination",), file="/there/g.jsonl", sha256="1" * 64)


def only(register: Evaluations) -> Subject:
    (subject,) = register.subjects
    return subject


def test_a_subject_that_is_named_again_keeps_what_is_not_said_anew() -> None:
    again = Subject("m-1", "m", ("model_written",), specification="transformers:m")
    kept = only(Evaluations().with_subject(MODEL).with_subject(again))
    assert kept.suites == ("discrimination", "model_written")
    assert kept.signature() == MODEL.signature(), "the answers of before are not asked for another time"
    resized = only(Evaluations().with_subject(MODEL).with_subject(replace(again, parameters=2e9)))
    assert (resized.samples, resized.parameters) == (5, 2e9)


def test_no_samples_are_probabilities_again() -> None:
    asked = only(Evaluations().with_subject(MODEL).with_subject(replace(MODEL, samples=0)))
    assert asked.samples is None and only(Evaluations().with_subject(replace(MODEL, samples=0))) == asked


def test_a_corrected_file_takes_the_place_of_the_one_before() -> None:
    corrected = replace(GIVEN, key="g-2", sha256="2" * 64)
    now = only(Evaluations().with_subject(GIVEN).with_subject(corrected))
    assert (now.key, now.sha256) == ("g-1", "2" * 64)
    of_another_suite = replace(corrected, suites=("model_written",))
    assert len(Evaluations().with_subject(GIVEN).with_subject(of_another_suite).subjects) == 2
    with pytest.raises(ObservatoryError, match="--name"):
        Evaluations().with_subject(GIVEN).with_subject(replace(corrected, file="/elsewhere/g.jsonl"))


def test_the_name_of_all_subjects_together_is_no_subjects() -> None:
    with pytest.raises(ObservatoryError, match="stands for several"):
        checked_name("all")


def test_what_is_removed_goes_from_the_suites_or_subjects_that_are_named() -> None:
    both = replace(MODEL, suites=("discrimination", "model_written"))
    suites: dict[str, dict[str, object]] = {name: {} for name in both.suites}
    register = Evaluations(suites, (both, GIVEN))
    assert {it.name for it in register.without(["m"], []).subjects} == {"g"}
    assert set(register.without(["m"], []).suites) == {*suites}, "a suite stays without a subject"
    part = register.without(["m"], ["model_written"])
    assert [it.suites for it in part.subjects] == [("discrimination",)] * 2 and set(part.suites) == {*suites}
    left = register.without([], ["discrimination"])
    assert set(left.suites) == {"model_written"} and only(left).suites == ("model_written",)
    assert left.unsettled and not register.unsettled


def test_what_is_still_to_be_told_anew_outlives_the_process(tmp_path: Path) -> None:
    register = Evaluations({"discrimination": {}}, (MODEL,)).without(["m"], [])
    register.store(tmp_path / "evaluations.json")
    assert Evaluations.load(tmp_path / "evaluations.json") == register


PLACES = {
    "discrimination": ("file",),
    "global_opinions": ("file", "translations"),
    "moral_self_correction": ("bbq", "bbq_metadata", "winogender", "law"),
    "model_written": ("behaviours", "occupations", "files"),
    "collective_constitution": ("folder", "toss", "decisions", "other"),
}


@pytest.mark.parametrize("suite", PLACES)
def test_places_are_kept_as_they_are_where_they_are_given(
    suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = evaluation_named(suite)
    here, elsewhere = (tmp_path / name for name in ("here", "elsewhere"))
    for folder in (here, elsewhere):
        folder.mkdir()
    names = PLACES[suite]
    given = {name: [f"data/{name}"] if name == "files" else f"data/{name}" for name in names}
    monkeypatch.chdir(here)
    kept = with_suites(Evaluations(), [chosen], {suite: given})
    monkeypatch.chdir(elsewhere)
    again = with_suites(kept, [chosen], {}).suites[suite]
    for name in names:
        place = str(here.resolve() / "data" / name)
        assert again[name] == ([place] if name == "files" else place)
