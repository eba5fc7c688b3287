"""The attacks of the specification's plan, through the command line and every step: what is published, and what is not.

Section 1.4: (a) one busy person, (b) one user too few and just enough, (c) many spellings or accounts of one person and
people without an id, (d) instructions in texts, (e) coordinated naming and the shape of CLIOPATRA, (f) one user more or
less, (g) subtraction, (h) rare circumstances, (j) what is printed with all logging on.
"""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

from dagster_project import running
from dagster_project.files import write_private
from dagster_project.home import Home
from dagster_project.privacy import leaks
from tests.privacy.adversarial_matcher import fold
from tests.privacy.adversarial_violations import outside, published, violations
from tests.privacy.adversarial_world import DISEASES, NAME_IT, SECRET_JOB, SECRET_TOWN, K, World
from tests.privacy.conftest import Hostile, one_level

pytestmark = pytest.mark.xdist_group("hostile")


def scene_clusters(home: Home, world: World) -> pl.DataFrame:
    """scene, cluster_id, share: the base cluster that holds most of each scene, and how much of it is the scene's."""
    assigned = home.lake.scan("restricted", "cluster_assignments").collect()
    counted = (
        assigned.with_columns(scene=pl.col("conversation_id").replace_strict(world.scene))
        .group_by("cluster_id", "scene")
        .len()
        .with_columns(share=pl.col("len") / pl.col("len").sum().over("cluster_id"))
    )
    return counted.sort("len", descending=True).unique("scene", keep="first", maintain_order=True)


def shown(hostile: Hostile, scene: str) -> pl.DataFrame:
    """The published row of a scene's cluster, if there is one."""
    places = scene_clusters(hostile.home, hostile.world)
    return published(hostile.home)["clusters"].join(
        places.filter(pl.col("scene") == scene), on="cluster_id", how="semi"
    )


def test_the_release_keeps_every_promise(hostile: Hostile) -> None:
    assert violations(hostile.home, hostile.world, hostile.printed) == []


def test_both_scanners_find_nothing_and_all_canaries_are_in_the_input(hostile: Hostile) -> None:
    sinks = [*outside(hostile.home), leaks.NamedText("terminal", hostile.printed)]
    assert len(sinks) > 20 and len(hostile.printed) > 1_000
    assert leaks.scan_canaries(sinks, hostile.world.canaries) == []
    source = hostile.home.root.parent / "world.jsonl"
    found = {leak.index for leak in leaks.scan_canaries([source], hostile.world.canaries)}
    assert found == set(range(len(hostile.world.canaries))) and len(found) > 10


@pytest.mark.parametrize(
    ("scene", "is_shown"),
    [
        ("porcelain", False),  # a: one person, many near-identical conversations
        ("falcons", False),  # b: k-1 users
        ("beehives", True),  # b: k users
        ("kayaks", False),  # b: k users, too few conversations
        ("chess", False),  # one of many users writes most of it
        ("submarines", False),  # c: thirty spellings of one id
        ("violins", False),  # c: eight users, and many conversations without an id, which are one more
        ("stamps", True),  # c: thirty accounts of one person pass for thirty people; documented
        ("coordinated", True),  # e: a crowd as any other, but for its name
    ],
)
def test_a_cluster_is_shown_when_a_crowd_is_behind_it(hostile: Hostile, scene: str, is_shown: bool) -> None:
    place = scene_clusters(hostile.home, hostile.world).filter(pl.col("scene") == scene)
    assert place["share"].item() > 0.9, "the scene has no cluster of its own: this test would say nothing"
    assert shown(hostile, scene).height == is_shown


def test_the_smallest_crowd_is_counted_exactly(hostile: Hostile) -> None:
    assert shown(hostile, "beehives")["users"].item() == K


@cache
def strings_outside(home: Home) -> str:
    """Every string of every file outside the restricted zone, folded."""
    strings = (text for path in outside(home) for text in leaks.published_strings(path))
    return "\n".join(map(fold, strings))


@pytest.mark.parametrize(
    "word", [*NAME_IT, *DISEASES, SECRET_JOB, SECRET_TOWN, "injected", "Tromso", "periscopes"]
)
def test_no_word_of_an_attack_is_published(hostile: Hostile, word: str) -> None:
    """d, e, h: what texts ask for, what conspirators or too few write, is in no string of any table."""
    assert fold(word) not in strings_outside(hostile.home)


def test_the_crowd_that_asked_for_a_name_has_one_without_it(hostile: Hostile) -> None:
    assert shown(hostile, "coordinated")["name"].item().startswith("Mixed requests")


def test_cliopatra_learns_that_somebody_is_there_but_not_what_they_have(hostile: Hostile) -> None:
    """k-1 poisoners see the count reach k, which exact counts cannot hide (documented); no disease is named."""
    row = shown(hostile, "cliopatra")
    assert row["users"].item() == K
    assert not [disease for disease in DISEASES if disease in row["summary"].item() + row["name"].item()]


@pytest.mark.slow
def test_one_user_less_changes_only_crowds_and_exact_totals(
    hostile: Hostile, tmp_path, cheap_embedder: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """f: all tables of two runs, one without a person of a withheld topic. Exact totals tell that one is gone, and
    how much that one wrote; nothing tells about what."""
    gone, wrote = "falcons-0", 4
    home = Home(tmp_path / "home")
    home.store_settings(one_level())
    # Ids, and with them the numbers behind equal names, are made under the home's secret.
    write_private(home.secret, hostile.home.secret.read_bytes())
    file = hostile.world.write(tmp_path / "less.jsonl", without=[gone])
    running.add_files(home, [file], format_name=None, privacy_unit="user", mapping={})
    running.materialise(home)
    before, after = published(hostile.home), published(home)
    clusters = before["clusters"].join(after["clusters"], on=["name", "summary"], how="full", suffix="_after")
    moved = clusters.filter(pl.col("conversations").ne_missing(pl.col("conversations_after")))
    assert set(moved["name"]) <= {"Other"}
    lost = moved["conversations"].cast(pl.Int64) - moved["conversations_after"].cast(pl.Int64)
    assert lost.to_list() in ([], [wrote])
    assert moved.filter(pl.col("users_after") < K).is_empty()
    assert after["cluster_cells"].filter(pl.col("users") < K).is_empty()
    report = before["privacy_report"].join(after["privacy_report"], on=["scope", "measure"], suffix="_after")
    told = report.filter(pl.col("value").ne_missing(pl.col("value_after")))["measure"].unique().to_list()
    assert set(told) <= {"conversations", "users", "conversations_unnamed", "users_unnamed"}
