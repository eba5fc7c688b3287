"""Ten batches whose topics come and go: clusters keep their ids, births and deaths are told of in the right batch."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from benchmarks.drift import WEEKS, run, sample
from benchmarks.drift_scores import Release, score, together
from dagster_project.privacy.thresholds import Thresholds
from dagster_project.sample import drift_schedule
from tests.support import TOPICS, HashingEmbedder

WORDS = {topic: text.split() for topic, text in TOPICS.items()}
MONDAYS = [date(2025, 1, 6) + timedelta(weeks=week) for week in range(WEEKS)]
DRIFT = {
    "guitar": [float(week >= 4) for week in range(WEEKS)],
    "algebra": [float(week >= 6) for week in range(WEEKS)],
    "bread": [float(week < 5) for week in range(WEEKS)],
    "taxes": [float(week < 7) for week in range(WEEKS)],
    "travel": np.linspace(1.0, 1 / 3, WEEKS).tolist(),
    "letter": np.linspace(1.0, 3.0, WEEKS).tolist(),
}


def conversations(weekly: int = 400) -> pl.DataFrame:
    """Facets of ten weeks of short requests, each of some words of its topic, with the `topic` itself."""
    random = np.random.default_rng(3)
    topics = list(WORDS)
    shares = np.array([DRIFT.get(topic, [1.0] * WEEKS) for topic in topics])
    chosen = [topics[i] for week in shares.T for i in random.choice(len(topics), weekly, p=week / week.sum())]
    count = len(chosen)
    return pl.DataFrame(
        {
            "conversation_id": [f"c{number}" for number in range(count)],
            "user_key": [f"{number:032x}" for number in random.integers(0, 600, count)],
            "week": [monday for monday in MONDAYS for _ in range(weekly)],
            "started_at": [
                datetime(*monday.timetuple()[:3], tzinfo=UTC) for monday in MONDAYS for _ in range(weekly)
            ],
            "language": ["en"] * count,
            "model": ["m"] * count,
            "request": [" ".join(random.permutation(WORDS[topic])[:6]) for topic in chosen],
            "task": [""] * count,
            "topic": chosen,
        }
    )


@pytest.fixture(scope="module")
def releases() -> list[Release]:
    facets = conversations()
    return run(facets, HashingEmbedder().encode(facets["request"].to_list()), Thresholds())


def test_persisting_topics_keep_their_ids(releases: list[Release]) -> None:
    figures = score(releases, DRIFT, conversations(), Thresholds())
    assert figures["persisting_topics"] >= 40
    assert figures["share_keep_their_id"] >= 0.95
    assert (
        figures["keep_id_from_first_to_last"]["kept"]
        >= 0.95 * figures["keep_id_from_first_to_last"]["topics"]
    )
    assert figures["share_renamed"] <= 0.25


def test_births_are_told_of_in_their_batch_and_of_no_old_topic(releases: list[Release]) -> None:
    figures = score(releases, DRIFT, conversations(), Thresholds())
    assert {birth["topic"]: birth["found_in"] for birth in figures["births"]} == {"guitar": 5, "algebra": 7}
    assert {birth["topic"]: birth["could_be_shown_in"] for birth in figures["births"]} == {
        "guitar": 5,
        "algebra": 7,
    }
    assert sum(figures["births_of_old_topics_by_release"][3:]) == 0


def test_deaths_are_dated_right_and_nothing_alive_is_called_quiet(releases: list[Release]) -> None:
    figures = score(releases, DRIFT, conversations(), Thresholds())
    assert {death["topic"] for death in figures["deaths"]} == {"bread", "taxes"}
    for death in figures["deaths"]:
        assert death["quiet_since_another"] == 0
        assert death["share_of_conversations_right"] >= 0.9
        assert death["first_told_in"] == death["batch"]
    quiet = figures["quiet_though_alive"]
    assert quiet["called_quiet_at_the_end"] == 0
    assert quiet["called_quiet"] <= 0.02 * quiet["clusters"]
    assert quiet["clusters"] >= 100


def test_the_benchmarks_own_sample_goes_the_whole_way() -> None:
    facets, vectors = sample(2_000, 7, HashingEmbedder())
    weeks = facets["week"].unique().sort().to_list()
    assert (len(weeks), len(vectors), facets["topic"].null_count()) == (WEEKS, 2_000, 0)
    figures = score(run(facets, vectors, Thresholds()), drift_schedule(WEEKS, 7), facets, Thresholds())
    pooled = together([figures, figures])
    assert pooled["persisting_topics"] == 2 * figures["persisting_topics"] > 0
    assert pooled["births"] == 2 * len(figures["births"]) == 4
