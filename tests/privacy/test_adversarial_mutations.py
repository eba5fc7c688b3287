"""Each layer of the defence switched off in turn: the judge must see it, or the layer is not tested.

Where several layers stand behind each other, the ones that would hide the missing one are not asked: releases are made by
the release's own functions, before the gates, and gates are asked one by one. Specification: privacy, section 1.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.clio import terms
from assets.clio.naming import name_nodes
from assets.clio.release import release_tables
from dagster_project.home import Home
from dagster_project.leak_gate import find_leaks
from dagster_project.privacy import cells, leaks, tables
from dagster_project.privacy.thresholds import Limits, Thresholds
from tests.privacy.adversarial_violations import (
    Tables,
    crowd_violations,
    published,
    restricted,
    text_violations,
)
from tests.privacy.adversarial_world import CLOSINGS, INJECTIONS, NAME_IT, World
from tests.privacy.conftest import Hostile

pytestmark = pytest.mark.xdist_group("hostile")
Patch = pytest.MonkeyPatch
INJECTED = tuple(f"injection-{number}" for number in range(len(INJECTIONS) + len(CLOSINGS)))
COMPLEMENTARY = ("porcelain", "kayaks", "violins", "submarines", "chess", *INJECTED)
"""All scenes that are too small but one: without complement, that one is the difference between all and the shown."""


def released(home: Home, world: World, without: tuple[str, ...] = ()) -> Tables:
    """The tables of a release made again from what the home holds, without some scenes."""
    gone = [at for at, scene in world.scene.items() if scene in without]
    keys = [batch.key for batch in home.batches()]
    facets = home.lake.scan_batches("restricted", "facets", keys).collect()
    return release_tables(
        home.lake.scan("restricted", "cluster_assignments").collect(),
        home.lake.scan("restricted", "cluster_nodes").collect(),
        facets.filter(~pl.col("conversation_id").is_in(gone)),
        home.lake.scan_batches("restricted", "concerns", keys).collect(),
        thresholds=Thresholds(),
        reader="r",
        embedder="e",
        namer="n",
    ).frames()


def reason_without(*tests: str) -> Callable[[Limits], pl.Expr]:
    """`Limits.reason` that does not know some of its tests."""
    whole = Limits.reason

    def reason(self: Limits) -> pl.Expr:
        open_limits = {
            "users": {"min_users": 0},
            "conversations": {"min_conversations": 0},
            "dominance": {"max_user_share": 1.0},
        }
        changed = {name: value for test in tests for name, value in open_limits[test].items()}
        return whole(Limits(**{**vars(self), **changed}))

    return reason


def only_failing(entries: pl.DataFrame, failing: pl.DataFrame, *_: object) -> pl.DataFrame:
    """`merge_small` that merges what fails and nothing to protect it."""
    return failing.select("group", "item", "reason").with_columns(closed=pl.lit(False))


def everyone_apart() -> pl.Expr:
    """`user_codes` that takes every conversation without an id for a person of its own."""
    key = pl.coalesce("user_key", pl.concat_str(pl.lit("?"), "conversation_id"))
    return key.rank("dense").cast(pl.UInt32).alias("user")


def no_attack(*_: object) -> pl.DataFrame:
    return pl.DataFrame(schema={"node": pl.UInt32, "value": pl.String})


def without_cell_protection(patch: Patch) -> None:
    patch.setattr(tables.Table, "protect", lambda self: self.shown)
    patch.setattr(cells, "_given_away", no_attack)
    patch.setattr(cells, "merge_small", only_failing)


CROWDS: dict[str, tuple[Callable[[Patch], object], str]] = {
    "users": (lambda p: p.setattr(Limits, "reason", reason_without("users")), "clusters: too few users"),
    "conversations": (
        lambda p: p.setattr(Limits, "reason", reason_without("conversations")),
        "clusters: too few conversations",
    ),
    "dominance": (
        lambda p: p.setattr(Limits, "reason", reason_without("dominance")),
        "clusters: one user writes most",
    ),
    "unknown users": (
        lambda p: p.setattr("assets.clio.release.user_codes", everyone_apart),
        "clusters: too few users",
    ),
    "complement in the tree": (
        lambda p: p.setattr("assets.clio.release.tree.merge_small", only_failing),
        "clusters: too few users",
    ),
    "complement in cells": (without_cell_protection, "subtraction"),
}


@pytest.mark.parametrize("layer", CROWDS)
def test_without_a_rule_about_crowds_the_judge_objects(
    hostile: Hostile, layer: str, monkeypatch: Patch
) -> None:
    switch_off, objection = CROWDS[layer]
    without = COMPLEMENTARY if layer == "complement in the tree" else ()
    everything = restricted(hostile.home, hostile.world)
    gone = [at for at, scene in hostile.world.scene.items() if scene in without]
    truth = replace(everything, facets=everything.facets.filter(~pl.col("conversation_id").is_in(gone)))
    assert crowd_violations(released(hostile.home, hostile.world, without), truth) == []
    switch_off(monkeypatch)
    found = crowd_violations(released(hostile.home, hostile.world, without), truth)
    assert any(line.startswith(objection) for line in found), found


def named(home: Home, min_users: int = 10) -> Tables:
    """The published tables with every cluster named anew."""
    facets = home.lake.scan_batches("restricted", "facets", [batch.key for batch in home.batches()]).collect()
    assigned = home.lake.scan("restricted", "cluster_assignments").collect()
    members = facets.join(assigned, on="conversation_id").with_columns(day=pl.col("started_at").dt.date())
    nodes = home.lake.scan("restricted", "cluster_nodes").collect()
    names = name_nodes(members, nodes.drop("name", "summary"), min_users=min_users)
    released = published(home)
    clusters = (
        released["clusters"]
        .drop("name", "summary")
        .join(names.select("cluster_id", "name", "summary"), on="cluster_id")
    )
    return {**released, "clusters": clusters}


def each_its_own(frame: pl.DataFrame, _: pl.DataFrame) -> pl.Series:
    return pl.Series("voice", np.arange(frame.height, dtype=np.uint64))


def without_voices(patch: Patch) -> None:
    patch.setattr(terms, "_voices", each_its_own)


def any_word(token: pl.Expr) -> pl.Expr:
    return token.str.contains(r"\p{L}")


def without_voices_and_word_shapes(patch: Patch) -> None:
    without_voices(patch)
    patch.setattr(terms, "_usable", any_word)


NAMES: dict[str, tuple[Callable[[Patch], object], int, str]] = {
    "terms of many users": (lambda p: None, 1, "word of too few"),
    "one voice for one text": (without_voices, 10, "asked for"),
    "no words like keys": (without_voices_and_word_shapes, 10, "identifier"),
}


@pytest.mark.parametrize("layer", NAMES)
def test_without_a_rule_about_names_the_judge_objects(
    hostile: Hostile, layer: str, monkeypatch: Patch
) -> None:
    switch_off, min_users, objection = NAMES[layer]
    assert text_violations(named(hostile.home), hostile.world) == []
    switch_off(monkeypatch)
    found = text_violations(named(hostile.home, min_users), hostile.world)
    assert any(line.startswith(objection) for line in found), found


def test_word_shapes_keep_keys_out_of_names_by_themselves(hostile: Hostile, monkeypatch: Patch) -> None:
    without_voices(monkeypatch)
    shown = " ".join(named(hostile.home)["clusters"]["summary"])
    assert NAME_IT[0] in shown and NAME_IT[2] not in shown


PLANTED = {
    "scan_verbatim": "{copied}",
    "scan_canaries": "about {canary}",
    "scan_identifiers": "write to ann.b@example.org",
}


@pytest.mark.parametrize("scan", PLANTED)
def test_each_scan_alone_stops_what_it_looks_for(
    hostile: Hostile, scan: str, monkeypatch: Patch, tmp_path: Path
) -> None:
    world = hostile.world
    text = PLANTED[scan].format(
        copied=world.records[0]["messages"][0]["content"] * 2, canary=world.canaries[1].split("@")[0]
    )
    clusters = published(hostile.home)["clusters"].with_columns(summary=pl.lit(text))
    clusters.write_parquet(tmp_path / "clusters.parquet", statistics=False)
    assert text_violations({**published(hostile.home), "clusters": clusters}, world)
    assert find_leaks(hostile.home, [tmp_path / "clusters.parquet"])
    monkeypatch.setattr(leaks, scan, lambda *_, **__: [])
    assert find_leaks(hostile.home, [tmp_path / "clusters.parquet"]) == {}
