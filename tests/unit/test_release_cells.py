"""Cells and contrasts of a release: small values stand together, sensitive ones never for everybody."""

from __future__ import annotations

import polars as pl
import pytest
from tiny_release import NODES, cells, plain, release, report, rows


def test_small_values_stand_together_as_other() -> None:
    mixed = rows("trains", 9, language="fr", prefix="f") + rows("trains", 4, language="de", prefix="d")
    released = release(*plain(), mixed, rows("trains", 5, language="it", prefix="i"))
    assert cells(released, "side", "language") == {"en": 40, "fr": 9, "other": 9}


def test_one_small_value_takes_a_large_one_along() -> None:
    small = rows("trains", 30, language="fr", prefix="f") + rows("trains", 4, language="de", prefix="d")
    released = release(
        *plain(),
        small,
        rows("bread", 20, language="fr", prefix="f"),
        rows("bread", 9, language="de", prefix="d"),
    )
    assert cells(released, "side", "language") == {"en": 40, "other": 34}
    assert cells(released, "top", "language") == {"en": 75, "other": 29}, (
        "the other side must not give it away"
    )


def test_values_unknown_unfit_or_named_other_are_not_shown_as_they_are() -> None:
    model = [
        *rows("trains", 10, model="other", prefix="a"),
        *rows("trains", 10, model="x" * 100, prefix="b"),
        *rows("trains", 10, model="ask jo@example.org", prefix="c"),
        *rows("trains", 10, model="gpt\u202e-4o-2024-08-06\u200b ", prefix="d"),
        *rows("trains", 10, model=None, week=None, prefix="e"),
        *rows("trains", 2, model="rare", prefix="f"),
    ]
    released = release(*plain(), model)
    assert cells(released, "side", "model") == {
        "gpt-4o-2024-08-06": 10,
        "m-1": 40,
        "other": 32,
        "unknown": 10,
    }
    assert set(cells(released, "side", "week")) == {"2024-01-01", "unknown"}


def test_names_lose_hidden_characters() -> None:
    dressed = NODES.with_columns(
        name=pl.concat_str(pl.lit("\u202e"), "name", pl.lit("\u200b \n one ")), summary=pl.lit("\x07")
    )
    names = release(*plain(), nodes=dressed).clusters
    assert set(names["name"]) == {f"{name} one" for name in NODES["name"]}
    assert set(names["summary"]) == {""}


def test_contrasts_are_only_about_published_cells() -> None:
    released = release(
        *plain(),
        rows("trains", 30, language="fr", users=20, prefix="u"),
        rows("bread", 20, language="fr", users=12, prefix="u"),
        rows("soup", 12, language="fr", users=9, prefix="u"),
        rows("cake", 8, language="fr", users=8, prefix="u"),
        rows("trains", 10, language="und", prefix="u"),
    )
    contrasts = released.language_contrasts
    language = released.cluster_cells.filter(pl.col("dimension") == "language")
    keys = ["cluster_id", "users", "conversations"]
    shown = contrasts.join(language, left_on=[*keys, "language"], right_on=[*keys, "value"], how="semi")
    assert shown.height == contrasts.height > 0
    assert set(contrasts["language"]) == {"en", "fr"}
    side = contrasts.row(
        by_predicate=(pl.col("cluster_id") == "side") & (pl.col("language") == "fr"), named=True
    )
    assert side["share_in_cluster"] == 30 / 80
    assert side["base_rate"] == 70 / 195
    assert side["ratio"] == pytest.approx((30 / 80) / (70 / 195))
    assert side["ci_low"] < side["ratio"] < side["ci_high"]


def test_a_uniform_concern_is_not_published() -> None:
    released = release(*plain(), rows("trains", 1, band="low"))
    assert released.cluster_cells.filter(pl.col("dimension") == "concern_band").is_empty()


def test_a_band_that_nearly_all_users_reach_is_not_published() -> None:
    some = [rows(cluster, 20, band="high") for cluster in ("trains", "bread")]
    assert cells(release(*plain(), *some), "side", "concern_band") == {"high": 20, "none": 40}
    everyone = rows("trains", 40, band="high")  # by the very users of the harmless ones
    released = release(*plain(), everyone, *some[1:])
    assert cells(released, "side", "concern_band") == cells(released, "trains", "concern_band") == {}


def test_hundreds_of_rare_values_are_one_other() -> None:
    rare = [
        row
        for index in range(400)
        for row in rows("trains", 1, model=f"m-{index + 2}", prefix=f"p{index % 90}-")
    ]
    common = rows("bread", 12, model="m-0") + rows("soup", 12, model="m-0") + rows("cake", 12, model="m-0")
    released = release(*plain(), rare, common)
    assert cells(released, "side", "model") == {"m-1": 40, "other": 400}
    assert report(released, "dimension model", "values") == 2
