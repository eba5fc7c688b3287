"""The auditor fails closed, a name that does not pass is replaced or barred, and the report tells of nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from assets.clio.audit import LABELS, audited, unaudited
from assets.clio.audit_report import HEAD, TAIL, drawn, names_row, people_row, spoken
from assets.clio.release import count_release
from dagster_project.language_models import Fault, Request, Response
from dagster_project.privacy.thresholds import Thresholds
from schemas.audit import AuditReport
from schemas.naming import ClusterLabel
from tests.naming_support import Answer, asker_of, block

SECRET = bytes(range(32))
NODES = pl.DataFrame(
    {
        "cluster_id": ["a", "b", "c", "t"],
        "level": pl.Series([0, 0, 0, 1], dtype=pl.UInt8),
        "parent_id": ["t", "t", "t", None],
        "name": ["Bake bread", "Ask about Zoe", "Grow beans", "Ask things"],
        "summary": ["People baked.", "People asked.", "People grew.", "People asked."],
    }
)


def rating(value: object) -> str:
    return json.dumps({"justification": "It does.", "rating": value})


def by_text(judge: Callable[[str], object]) -> Answer:
    return lambda request: rating(judge("\n".join(block(request.messages[0].content, "text"))))


def shared() -> pl.DataFrame:
    return NODES.with_columns(
        name=pl.format("Terms {}", "cluster_id"), summary=pl.lit("Requests about terms.")
    )


def test_three_passes_and_two_is_named_again_by_shared_terms(tmp_path: Path) -> None:
    asker, model = asker_of(tmp_path, by_text(lambda text: 2 if "Zoe" in text else 3))
    labels = audited(NODES, dict.fromkeys("abct", "openai:m"), asker, SECRET, shared)
    ClusterLabel.validate(labels)
    assert labels["passed"].to_list() == [True] * 4
    assert labels["name"].to_list() == ["Bake bread", "Terms b", "Grow beans", "Ask things"]
    assert labels["namer"].to_list() == ["openai:m", "shared-terms-2", "openai:m", "openai:m"]
    assert labels["first_rating"].to_list() == [3, 2, 3, 3]
    assert len(model.asked) == 5


def test_what_does_not_pass_by_shared_terms_either_is_barred(tmp_path: Path) -> None:
    asker, _ = asker_of(tmp_path, by_text(lambda text: 1 if "Zoe" in text or "Terms b" in text else 5))
    labels = audited(NODES, {}, asker, SECRET, shared)
    assert labels["passed"].to_list() == [True, False, True, True]
    assert "Zoe" not in labels["name"].to_list()[1]


@pytest.mark.parametrize("fault", list(Fault))
def test_a_fault_passes_nothing(tmp_path: Path, fault: Fault) -> None:
    asker, _ = asker_of(tmp_path, lambda request: Response(request.id, fault=fault))
    labels = audited(NODES, {}, asker, SECRET, shared)
    assert labels["passed"].to_list() == [False] * 4
    assert labels["first_rating"].null_count() == 4


@pytest.mark.parametrize(
    "said", ["{}", "5", '{"rating": 5}', rating("5"), rating(7), rating(4.5), rating(None), "I think 5"]
)
def test_an_unreadable_rating_passes_nothing(tmp_path: Path, said: str) -> None:
    asker, _ = asker_of(tmp_path, lambda _: said)
    assert audited(NODES, {}, asker, SECRET, shared)["passed"].to_list() == [False] * 4


def test_without_an_auditor_names_are_as_they_were() -> None:
    labels = unaudited(NODES, {})
    ClusterLabel.validate(labels)
    assert labels.schema == pl.Schema(LABELS)
    assert labels.select("cluster_id", "name", "summary").equals(
        NODES.select("cluster_id", "name", "summary")
    )
    assert labels["passed"].null_count() == 4 and set(labels["namer"]) == {"shared-terms-2"}


def released(withheld: pl.Series | None):
    """Three clusters of 40, 30 and 20 users, one conversation each."""
    sizes = {"a": 40, "b": 30, "c": 20}
    people = [f"{cluster}{number}" for cluster, size in sizes.items() for number in range(size)]
    rows = pl.DataFrame(
        {
            "conversation_id": people,
            "user_key": people,
            "cluster_id": [cluster for cluster, size in sizes.items() for _ in range(size)],
            "language": "en",
            "week": None,
            "model": "m",
            "concern_band": "none",
        },
        schema_overrides={"week": pl.Date},
    )
    makers = {"reader": "r", "embedder": "e", "namer": "n"}
    return count_release(
        rows, NODES, unclustered=0, thresholds=Thresholds(), makers=makers, withheld=withheld
    ).tables


def test_a_barred_cluster_is_merged_with_another_so_that_nothing_gives_it_away() -> None:
    tables = released(pl.Series(["a"]))
    base = tables.clusters.filter(pl.col("level") == 0)
    assert "a" not in base["cluster_id"]
    assert base.filter(pl.col("name") == "Other")["conversations"].to_list() == [60], (
        "the smallest sibling joins it"
    )
    assert base["conversations"].sum() == 90
    told = dict(
        tables.privacy_report.filter(pl.col("scope") == "level 0").select("measure", "value").iter_rows()
    )
    assert told["clusters_withheld_audit"] == 1 and told["clusters_withheld_complement"] == 1


def test_a_release_without_an_auditor_says_nothing_of_one() -> None:
    assert not released(None).privacy_report["measure"].str.contains("audit").any()
    assert released(pl.Series([], dtype=pl.String)).clusters.equals(released(None).clusters)


def test_all_barred_leaves_nothing() -> None:
    assert released(pl.Series(["t"])).clusters.filter(pl.col("name") == "Ask things").is_empty()


def people(count: int, private: int) -> pl.DataFrame:
    ids = [str(number) for number in range(count)]
    rated = {one: 2 if int(one) < private else 3 for one in ids}
    return people_row("requests", ids, rated, 15, "openai:m")


def test_a_share_is_told_only_where_enough_people_are_on_both_sides() -> None:
    few = [people(500, private).drop("layer") for private in (0, 1, 14)]
    assert few[0].equals(few[1]) and few[1].equals(few[2]), "none and some cannot be told apart"
    assert few[0]["share_private"].item() is None and few[0]["ci_low"].item() == 0
    assert few[0]["ci_high"].item() >= 14 / 500
    assert people(500, 15)["share_private"].item() == 0.03
    most = [people(500, private) for private in (486, 499, 500)]
    assert most[0].equals(most[1]) and most[1].equals(most[2])
    assert people(14, 3).is_empty()
    for row in (people(500, 60), people(500, 3), people(500, 500)):
        AuditReport.validate(row)
    assert names_row([], {}, "m").is_empty()


def test_what_was_not_rated_counts_as_private() -> None:
    ids = [str(number) for number in range(100)]
    assert people_row("requests", ids, {}, 15, "m")["ci_high"].item() == 1.0
    row = names_row(ids, dict.fromkeys(ids[:75], 5), "m")
    assert row["share_private"].item() == 0.25
    AuditReport.validate(row.with_columns(layer=pl.lit("cluster_names")))


def test_the_sample_is_one_of_a_user_and_moves_by_crowds() -> None:
    rows = pl.DataFrame(
        {
            "conversation_id": [f"c{number}" for number in range(400)],
            "user_key": [None if number % 10 == 0 else f"u{number % 137}" for number in range(400)],
        }
    )
    sample = drawn(rows, 500, 15, SECRET)
    assert sample.height == 137 // 15 * 15
    assert sample["user_key"].null_count() == 0 and not sample["user_key"].is_duplicated().any()
    assert drawn(rows.reverse(), 500, 15, SECRET).equals(sample)
    assert drawn(rows, 40, 15, SECRET).equals(sample.head(30))
    other = drawn(rows, 40, 15, SECRET[::-1])
    assert set(other["conversation_id"]) != set(sample.head(30)["conversation_id"])


def test_a_long_conversation_keeps_head_and_tail() -> None:
    messages = [[{"role": "user", "content": "a" * 9_000}, {"role": "assistant", "content": "z" * 9_000}], []]
    texts = pl.DataFrame({"messages": messages}).select(spoken("messages")).to_series().to_list()
    assert texts[0].startswith("user: aaa") and texts[0].endswith("zzz")
    assert len(texts[0]) == HEAD + TAIL + len("\n[...]\n")
    assert texts[1] == ""


def test_an_answer_is_erased_with_the_people_of_its_text(tmp_path: Path) -> None:
    from assets.clio.audit import ratings

    asker, model = asker_of(tmp_path, by_text(lambda _: 5))
    texts = pl.DataFrame({"id": ["c1"], "text": ["user: hello"], "sources": [["c1", "u1"]]})
    assert ratings(asker, texts, SECRET) == {"c1": 5}
    assert asker.cache.forget(["u1"]) == 1
    assert isinstance(model.asked[0], Request) and model.asked[0].sources == {"c1", "u1"}
