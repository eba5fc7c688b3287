"""Opinions of a public: reading, rules, groups, what may be told, ideas, principles and two constitutions."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

import sql
from assets.collective_constitution.consensus import consensus, group_counts, representativeness, select
from assets.collective_constitution.figures import published_figures
from assets.collective_constitution.groups import split
from assets.collective_constitution.ideas import ideas
from assets.collective_constitution.matrix import VoteMatrix, vote_matrix
from assets.collective_constitution.options import CollectiveOptions
from assets.collective_constitution.principles import by_rule, concept, read_principle
from assets.evaluation.constitutions import read_constitution
from dagster_project.errors import ObservatoryError
from schemas.collective import CCAI, POLIS
from schemas.published import MODELS
from tests.opinion_support import given_for, one_topic, statements, votes

OPTIONS = CollectiveOptions(folder="nowhere", agreement=0.8)


def matrix_of(people: int, count: int, camps: int = 2) -> VoteMatrix:
    said = votes(people, count, camps)
    return vote_matrix(said, [f"p{place}" for place in range(people)], [str(place) for place in range(count)])


@pytest.mark.parametrize(("variant", "camps"), [(POLIS, 2), (CCAI, 2), (POLIS, 3)])
def test_planted_camps_are_found(variant: str, camps: int) -> None:
    found = split(variant, matrix_of(150, 40, camps))
    assert found.chosen == camps
    table = pl.DataFrame({"camp": np.arange(150) % camps, "group": found.labels})
    assert table.group_by("camp").agg(pl.col("group").n_unique())["group"].max() == 1


def test_nobody_is_in_two_groups_where_all_vote_alike() -> None:
    same = VoteMatrix(np.ones((20, 5)), pl.Series(map(str, range(20))), pl.Series(map(str, range(5))))
    assert set(split(CCAI, same).labels) == {0} and split(POLIS, same).silhouettes == {}


def test_statements_of_all_have_the_highest_consensus_and_speak_for_no_group() -> None:
    matrix = matrix_of(200, 24)
    counts = group_counts(matrix, split(CCAI, matrix).labels)
    scores = consensus(counts)
    assert set(scores.sort("rank")["statement_id"].head(3)) == {"0", "1", "2"}
    speaking = representativeness(counts).filter("representative")
    assert speaking.height and not set(speaking["statement_id"]) & {"0", "1", "2"}
    tied = scores.with_columns(rank=pl.Series([1, 2, 2, *[4] * 21], dtype=pl.UInt32))
    assert select(tied, top=2).sum() == 3, "all that tie at the cut are in"


def test_calls_do_not_grow_with_participants_and_statements() -> None:
    """Counting is done over arrays: ten times the statements and people take as many calls of Python."""

    def calls(matrix: VoteMatrix) -> int:
        labels, seen = np.arange(len(matrix.votes)) % 2, 0

        def count(frame: object, event: str, arg: object) -> None:
            nonlocal seen
            seen += event in ("call", "c_call")

        consensus(group_counts(matrix, labels))
        sys.setprofile(count)
        try:
            representativeness(group_counts(matrix, labels))
            consensus(group_counts(matrix, labels))
        finally:
            sys.setprofile(None)
        return seen

    assert calls(matrix_of(400, 200)) < 1.2 * calls(matrix_of(40, 20))


def test_what_is_published_has_enough_voters_in_every_group_and_rounded_counts() -> None:
    found = published_figures(given_for(votes(), statements(), OPTIONS, fewest=20), one_topic)
    for name, table in found.tables.items():
        MODELS[name].validate(table)
    groups = found.tables["statement_groups"]
    assert groups.height and int(groups["voters"].min() or 0) >= 20  # pyright: ignore[reportArgumentType]
    assert (
        groups.select((pl.col("voters", "agrees", "disagrees", "passes") % 5 == 0).all()).row(0)
        == (True,) * 4
    )
    assert set(groups["group_id"]) == {0, 1}
    assert set(found.tables["statement_consensus"].filter("selected")["statement_id"]) == {"0", "1", "2"}


def test_a_statement_that_few_of_one_group_saw_is_told_of_no_group() -> None:
    said = votes()
    rare = said.filter(
        (pl.col("statement_id") != "3")
        | (pl.col("participant_id").is_in([f"p{n}" for n in range(0, 120, 2)]))
    )
    found = published_figures(given_for(rare, statements(), OPTIONS), one_topic)
    assert "3" not in set(found.tables["statement_groups"]["statement_id"])
    assert "3" not in set(found.tables["statement_consensus"]["statement_id"]) and found.withheld >= 1


def test_one_more_participant_is_not_seen_where_votes_are_not_public() -> None:
    """Exact votes of a participant cannot be read off two releases: counts differ by nothing or by five."""
    people = votes(121)
    tables = [
        published_figures(given_for(said, statements(), OPTIONS), one_topic).tables["collective_steps"]
        for said in (people, people.filter(pl.col("participant_id") != "p120"))
    ]
    assert [table["participants"][0] for table in tables] == [120, 120]


def test_small_publics_and_noisy_homes_publish_nothing() -> None:
    small = published_figures(given_for(votes(8), statements(), OPTIONS), one_topic)
    assert all(table.is_empty() for table in small.tables.values())


def test_a_public_without_a_vote_publishes_nothing() -> None:
    nobody = votes().clear().cast({"vote": pl.Int8})
    found = published_figures(given_for(nobody, statements(), OPTIONS), one_topic)
    assert all(table.is_empty() for table in found.tables.values())


def test_common_ground_is_what_most_surely_say() -> None:
    given = given_for(votes(), statements(), OPTIONS.model_copy(update={"votes_are_public": True}))
    told = published_figures(given, one_topic).tables["statement_consensus"]
    with duckdb.connect() as connection:
        connection.register("statement_consensus", told)
        connection.execute(dict(zip(sql.view_names(), sql.view_statements(), strict=True))["common_ground"])
        found = connection.execute("SELECT * FROM common_ground").pl()
    agreed = found.filter(side="agree")
    assert set(agreed["statement_id"].head(3)) == {"0", "1", "2"} and agreed["place"].to_list()[:3] == [
        1,
        2,
        3,
    ]
    assert found.height <= 10 and (found["share"] > 0.5).all() and (found["z_share"] > 1.2816).all()
    best = told.filter(statement_id=agreed["statement_id"][0]).row(0, named=True)
    n = best["voters"]
    assert agreed["z_share"][0] == pytest.approx(2 * (n + 1) ** 0.5 * ((best["agrees"] + 1) / (n + 1) - 0.5))


def test_squares_hold_enough_people_and_hide_no_small_rest() -> None:
    given = given_for(votes(300), statements(), OPTIONS.model_copy(update={"votes_are_public": True}))
    found = published_figures(given, one_topic).tables
    left = (
        found["opinion_groups"]
        .join(
            found["opinion_map"].group_by("group_id").agg(shown=pl.col("participants").sum()), on="group_id"
        )
        .select(pl.col("participants") - pl.col("shown"))["participants"]
    )
    assert found["opinion_map"]["participants"].min() >= 10  # pyright: ignore[reportOptionalOperand, reportOperatorIssue]
    assert all(rest == 0 or rest >= 10 for rest in left)


def test_texts_with_identifiers_are_withheld() -> None:
    told = statements().with_columns(
        text=pl.when(pl.col("statement_id") == "0")
        .then(pl.lit("AI should write to ann@example.com"))
        .otherwise("text")
    )
    found = published_figures(given_for(votes(), told, OPTIONS), one_topic)
    assert "0" not in set(found.tables["statement_consensus"]["statement_id"]) and "ann@" not in found.yaml


TEXTS = {
    "a": "AI should be honest with people.",
    "b": "AI should be honest with people!",
    "c": "AI should not be honest with people.",
    "d": "AI should care for animals and plants.",
}


def ideas_of(decisions: dict[frozenset[str], str] | None = None) -> dict[str, tuple[str, str]]:
    frame = pl.DataFrame({"statement_id": list(TEXTS), "text": list(TEXTS.values()), "rank": [1, 2, 3, 4]})
    found = ideas(frame, one_topic, merge_above=0.9, propose_above=0.75, decisions=decisions or {})
    return {row["statement_id"]: (row["leader"], row["outcome"]) for row in found.to_dicts()}


def test_repetitions_are_merged_denials_proposed_and_people_decide() -> None:
    assert ideas_of() == {
        "a": ("a", "principle"),
        "b": ("a", "merged"),
        "c": ("c", "proposed"),
        "d": ("d", "principle"),
    }
    assert ideas_of({frozenset("ab"): "keep"})["b"] == ("b", "principle")
    assert ideas_of({frozenset("ad"): "merge"})["d"] == ("a", "merged")
    follower = ideas_of({frozenset("bd"): "merge"})
    assert follower["d"] == ("a", "merged"), "a person may name any statement of an idea"
    apart = ideas_of({frozenset("ac"): "merge", frozenset("bc"): "keep"})
    assert apart["c"] == ("c", "principle"), "kept apart from one statement of an idea, and so from the idea"


@pytest.mark.parametrize(
    ("statement", "principle", "editor"),
    [
        (
            "The AI should be as helpful as possible.",
            "Choose the response that does the most to be as helpful as possible.",
            "rule",
        ),
        (
            "AI should not say racist things",
            "Choose the response that does the least to say racist things.",
            "rule",
        ),
        ("AI shouldn't lie.", "Choose the response that does the least to lie.", "rule"),
        ("AI should never lie", "Choose the response that does the least to lie.", "rule"),
        (
            "AI should not help with crimes and should refuse advice on them",
            'Choose the response that is most in line with this: "AI should not help with crimes and should refuse advice on them".',
            "wrapped",
        ),
        (
            "AI should not lie but tell what it knows.",
            'Choose the response that is most in line with this: "AI should not lie but tell what it knows".',
            "wrapped",
        ),
        (
            "Respect people.",
            'Choose the response that is most in line with this: "Respect people".',
            "wrapped",
        ),
    ],
)
def test_statements_become_principles_by_rule(statement: str, principle: str, editor: str) -> None:
    assert by_rule(statement)[:2] == (principle, editor)


def test_frames_of_principles_do_not_make_them_alike() -> None:
    assert concept("Choose the response that does the most to be honest.") == "be honest."
    assert concept("Please choose the assistant response that is the most honest.") == "honest."


@pytest.mark.parametrize(
    "said",
    [
        None,
        "Sure! Here it is.",
        "Choose the response that is a.\nOr b.",
        "Choose the response that" + " x" * 300,
    ],
)
def test_what_a_writer_says_beside_the_form_is_no_principle(said: str | None) -> None:
    assert read_principle(said)[0] is None


def test_the_file_is_read_back_and_tells_where_each_principle_comes_from(tmp_path: Path) -> None:
    found = published_figures(given_for(votes(), statements(), OPTIONS), one_topic)
    (tmp_path / "own.yaml").write_text(found.yaml)
    read = read_constitution(tmp_path / "own.yaml")
    assert [one.text for one in read.principles] == found.tables["constitution_principles"]["text"].to_list()
    assert {source.statement_id for one in read.principles for source in one.sources} == {"0", "1", "2"}
    assert "AI should be honest." in found.markdown
    with pytest.raises(ObservatoryError, match="no constitution"):
        read_constitution(tmp_path / "absent.yaml")


def test_two_constitutions_show_what_each_lacks(tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(
        "Choose the response that does the most to be honest.\nChoose the response that rhymes.\n"
    )
    options = OPTIONS.model_copy(update={"other": str(other)})
    found = published_figures(given_for(votes(), statements(), options), one_topic).tables[
        "constitution_matches"
    ]
    shared = {(row["constitution"], row["text"]): row["shared"] for row in found.to_dicts()}
    assert shared["other", "Choose the response that does the most to be honest."]
    assert not shared["other", "Choose the response that rhymes."]
    assert found.filter(pl.col("constitution") == "own").height == 3
