"""The attack on finished comparisons: silent on sound ones, and red as soon as a protection or a row is missing."""

from __future__ import annotations

from itertools import product

import polars as pl
import pytest
from compared_worlds import World, world
from small_releases import FLOOR, SMALL

from assets.clio.comparison_figures import FLAGGED_LESS, overall, unfounded_figures
from assets.clio.comparisons import crossings
from dagster_project.privacy import crossing, tables
from dagster_project.privacy.crossing_exposure import exposed_flags, exposed_pairs
from dagster_project.privacy.readback import PLACE, in_rows, told_cells, told_totals
from schemas.comparisons import FACETS

CLUSTERS = pl.DataFrame(
    {
        "cluster_id": ["p", "q", "a", "b", "c"],
        "parent_id": [None, None, "p", "p", "p"],
        "conversations": [300, 200, 100, 100, 100],
        "users": [300, 200, 100, 100, 100],
        "merged": [False] * 5,
    }
)
SIDES = {"cluster_id": pl.String, "share_flagged": pl.Float64, "flagged_less": pl.Boolean}


def flags(**shares: float | None) -> pl.DataFrame:
    """Shares of clusters; null and no quadrant for the others."""
    rows = [(name, shares.get(name), False) for name in CLUSTERS["cluster_id"]]
    return pl.DataFrame(rows, schema=SIDES, orient="row")


def exposed_by_flags(found: World) -> pl.DataFrame:
    sides = found.tables["concern_quadrants"].select(
        "cluster_id", "share_flagged", flagged_less=pl.col("quadrant").is_in(FLAGGED_LESS)
    )
    return exposed_flags(found.clusters, sides, overall(found.tables, "flag"), found.least)


@pytest.mark.parametrize(("seed", "limits"), [*product(range(8), [FLOOR]), *product(range(8, 12), [SMALL])])
def test_sound_comparisons_give_nothing_away(seed: int, limits) -> None:
    found = world(seed, limits)
    assert found.tables["facet_contrasts"].height > 20
    assert found.exposed().is_empty()
    assert exposed_by_flags(found).is_empty()
    assert unfounded_figures(found.tables, found.limits) == {}


def test_without_the_protection_of_tables_the_attack_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(world(seed, FLOOR).exposed().is_empty() for seed in range(20, 26))
    unprotected = type("Unprotected", (tables.Table,), {"protect": lambda self: self.shown})
    monkeypatch.setattr(crossing, "Table", unprotected)
    monkeypatch.setattr(crossings, "acceptable", lambda new, *_: new)
    assert sum(not world(seed, FLOOR).exposed().is_empty() for seed in range(20, 26)) >= 4


def withheld(found: World) -> pl.DataFrame:
    """Every cell of a table of facets that is not told, with its true count and users, as a row that would tell it."""
    rows = found.tables["facet_contrasts"]
    totals = told_totals(
        found.clusters, found.tables["language_contrasts"], found.tables["cluster_weeks"], rows
    ).cast({"total": pl.Float64})
    parts = []
    for (a, b), entries in crossings.cross_facets(found.picture).entries.items():
        sizes = entries.group_by(value_a="row", value_b="column").agg(
            users=pl.col("user").n_unique().cast(pl.UInt32), conversations=pl.col("n").sum().cast(pl.UInt32)
        )
        parts.append(sizes.with_columns(facet_a=pl.lit(a), facet_b=pl.lit(b)))
    cells = pl.concat(parts).join(rows, on=PLACE, how="anti")
    for side in ("a", "b"):
        named = totals.rename({"facet": f"facet_{side}", "value": f"value_{side}", "total": f"total_{side}"})
        cells = cells.join(named, on=[f"facet_{side}", f"value_{side}"])
    told = cells.with_columns(
        share=pl.col("conversations") / pl.col("total_a"),
        base_rate=pl.col("total_b") / found.picture.nodes["conversations"][0],
        **dict.fromkeys(("ratio", "ci_low", "ci_high", "p_value", "q_value"), pl.lit(1.0)),
    )
    return told.select(rows.columns).sort(PLACE)


def test_a_cell_that_gives_a_withheld_one_away_by_subtraction_is_seen() -> None:
    """Each withheld cell is told in turn; what can be subtracted from it then was withheld beside it."""
    seen = 0
    for seed in range(4):
        found = world(seed, FLOOR)
        rows = found.tables["facet_contrasts"]
        for cell in withheld(found).head(40).iter_slices(1):
            exposed = found.altered("facet_contrasts", pl.concat([rows, cell])).exposed()
            assert exposed.join(rows, on=PLACE).is_empty(), "a cell that is told cannot be given away"
            seen += not exposed.is_empty()
    assert seen > 10


def test_a_table_that_is_not_told_at_all_is_attacked_too() -> None:
    """French comes with model m, model m in week 1: the third table holds nothing, and is told by these two."""
    cluster = CLUSTERS.head(2)
    pairs = [("language", "fr", "model", "m", 100), ("language", "en", "model", "x", 400)]
    pairs += [("model", "m", "week", "2024-01-01", 100), ("model", "x", "week", "2024-01-08", 400)]
    total = pl.col("conversations").cast(pl.Float64)
    facets = pl.DataFrame(pairs, schema=[*PLACE, "conversations"], orient="row").with_columns(
        users="conversations", share=total / total, base_rate=total / 500
    )
    nothing = world(0, FLOOR).tables
    parts = [nothing[name].clear() for name in ("cluster_cells", "language_contrasts", "cluster_weeks")]
    parts[1] = parts[1].select("language", "base_rate")
    found = exposed_pairs(cluster, *parts, facets, order=FACETS, least=10)
    assert {row[:4] for row in found.rows()} == {
        ("language", "fr", "week", "2024-01-01"), ("language", "en", "week", "2024-01-08")
    }  # fmt: skip
    one = facets.filter(pl.col("facet_a") == "language")
    assert exposed_pairs(cluster, *parts, one, order=FACETS, least=10).is_empty()


def test_weeks_that_the_release_withheld_are_held_against_the_comparisons() -> None:
    found = world(2, FLOOR)
    weeks, cells = found.tables["cluster_weeks"], found.tables["cluster_cells"]
    extra = weeks.head(1)
    place = (pl.col("cluster_id") == extra["cluster_id"][0]) & (pl.col("dimension") == "week")
    fewer = cells.filter(~(place & (pl.col("value") == str(extra["week"][0]))))
    exposed = found.altered("cluster_cells", fewer).exposed()
    assert ("cluster", extra["cluster_id"][0], "week", str(extra["week"][0])) in exposed.rows()


@pytest.mark.parametrize(
    ("shares", "overall_share", "exposed"),
    [
        ({"p": 0.2, "a": 0.3, "b": 0.15}, None, {"c"}),
        ({"p": 0.2, "a": 0.3}, None, set()),
        ({"p": 0.2, "a": 0.55}, None, {"b", "c"}),
        ({"p": 0.2}, 0.128, {"q"}),
        ({}, None, set()),
    ],
)
def test_flags_are_subtracted_down_the_tree(shares: dict, overall_share: float | None, exposed: set) -> None:
    found = exposed_flags(CLUSTERS, flags(**shares), overall_share, 10)
    assert set(found["value_a"]) == exposed


def test_a_quadrant_bounds_a_withheld_share() -> None:
    less = flags().with_columns(flagged_less=pl.col("cluster_id") == "a")
    assert exposed_flags(CLUSTERS, less, 0.05, 10)["value_a"].to_list() == ["a"]
    assert exposed_flags(CLUSTERS, less, 0.2, 10).is_empty()


def test_clusters_named_for_nothing_may_be_subtracted_while_they_pass() -> None:
    merged = CLUSTERS.with_columns(merged=pl.col("cluster_id") == "c")
    assert exposed_flags(merged, flags(p=0.2, a=0.3, b=0.15), None, 10).is_empty(), "c has 15"
    assert exposed_flags(merged, flags(p=0.2, a=0.3, b=0.27), None, 10)["value_a"].to_list() == ["c"]


def test_rows_that_contradict_each_other_are_refused() -> None:
    found = world(0, FLOOR)
    rows = found.tables["facet_contrasts"]
    parts = [found.tables[name] for name in ("language_contrasts", "cluster_weeks")]
    at = pl.int_range(pl.len()) == 0
    for column in ("share", "base_rate"):
        for factor in (0.5, 0.999):
            wrong = rows.with_columns(
                pl.when(at).then(pl.col(column) * factor).otherwise(column).alias(column)
            )
            with pytest.raises(ArithmeticError):
                told_totals(in_rows(found.clusters), *parts, wrong)
    doubled = pl.concat([rows.head(1).with_columns(conversations=pl.lit(1, pl.UInt32)), rows])
    with pytest.raises(ArithmeticError, match="cells contradict"):
        told_cells(found.tables["cluster_cells"], found.tables["cluster_weeks"], doubled, FACETS)


def test_a_pair_told_the_other_way_round_is_the_same_cell() -> None:
    found = world(0, FLOOR)
    rows = found.tables["facet_contrasts"]
    turned = rows.rename(
        {"facet_a": "facet_b", "value_a": "value_b", "facet_b": "facet_a", "value_b": "value_a"}
    )
    cells, weeks = found.tables["cluster_cells"], found.tables["cluster_weeks"].clear()
    whole, other = (
        told_cells(cells, weeks, part, FACETS).sort(PLACE) for part in (rows, turned.select(rows.columns))
    )
    assert whole.equals(other)
