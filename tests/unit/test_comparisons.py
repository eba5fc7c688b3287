"""Comparisons of a release: what is compared, what stays withheld, and what the views make of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from published_sample import LIMITS, published
from tiny_release import counted_release, plain, rows

from assets.clio.comparisons import Picture, compare, nothing_compared, read_picture
from assets.clio.comparisons.quadrants import correlation, flag_cells, quadrant_table
from assets.clio.release import Release
from assets.clio.release.counting import as_counted, flag_value, turns_band
from dagster_project.errors import ObservatoryError
from schemas.comparisons import Burst, ComparisonReport, empty
from schemas.limits import published_schemas

FRAMES = published()
Spec = tuple[str, str, str, int, bool | None]
"""Cluster, user, band, turns, flagged."""


def picture(specs: list[Spec]) -> Picture:
    """A release of hand-written conversations of one language, week and model."""
    ids = [f"c{index}" for index in range(len(specs))]
    data = [(cluster, user, "en", 0, "m", band) for cluster, user, band, _, _ in specs]
    released = counted_release(data)
    details = pl.DataFrame(
        {
            "conversation_id": ids,
            "turns": [spec[3] for spec in specs],
            "flagged": pl.Series([spec[4] for spec in specs], dtype=pl.Boolean),
        }
    )
    return read(released, details)


def read(released: Release, details: pl.DataFrame) -> Picture:
    tables = released.tables
    counted = as_counted(released.counted, details)
    return read_picture(tables.clusters, tables.cluster_cells, counted, LIMITS)


def spread(cluster: str, concerning: int, flagged: int, count: int = 60) -> list[Spec]:
    """One conversation a user; the first are of concern, the last are flagged."""
    return [
        (cluster, f"{cluster}{n}", "high" if n < concerning else "none", 1 + n % 3, n >= count - flagged)
        for n in range(count)
    ]


def test_all_tables_keep_their_schemas_and_limits() -> None:
    schemas = published_schemas(LIMITS.nodes, LIMITS.cells)
    for name in (
        "cluster_weeks",
        "cluster_trends",
        "facet_contrasts",
        "concern_quadrants",
        "comparison_report",
    ):
        assert FRAMES[name].height > 0
        schemas[name].validate(FRAMES[name])
        with_few = FRAMES[name].with_columns(users=pl.lit(1, dtype=pl.UInt32))
        if "users" in FRAMES[name].columns:
            with pytest.raises(Exception, match="large_enough"):
                schemas[name].validate(with_few)


def test_weeks_are_the_published_cells_and_nothing_more() -> None:
    cells = FRAMES["cluster_cells"].filter(
        pl.col("dimension") == "week", pl.col("value").str.to_date(strict=False).is_not_null()
    )
    weeks = FRAMES["cluster_weeks"].with_columns(value=pl.col("week").cast(pl.String))
    key = ["cluster_id", "value", "users", "conversations"]
    assert weeks.select(key).sort(key).equals(cells.select(key).sort(key))


def test_the_planted_trend_is_found_up_its_branch() -> None:
    growing = FRAMES["cluster_trends"].filter(pl.col("direction") == "growing")
    assert set(growing["cluster_id"]) == {"m1-b0", "m1", "t0"}
    assert growing["growth"].min() > 1  # type: ignore[operator]
    named_other = FRAMES["clusters"].filter(pl.col("name") == "Other")["cluster_id"]
    assert not set(named_other) & set(FRAMES["cluster_trends"]["cluster_id"])


def test_ratios_are_the_same_both_ways_and_follow_the_cells() -> None:
    contrasts = FRAMES["facet_contrasts"]
    assert contrasts["facet_a"].n_unique() == 5 and contrasts["facet_b"].n_unique() == 5
    own = contrasts.filter(pl.col("facet_a") == "cluster", pl.col("facet_b") == "language")
    language = FRAMES["language_contrasts"].rename({"cluster_id": "value_a", "language": "value_b"})
    both = own.join(language, on=["value_a", "value_b"], suffix="_language")
    assert both.height == own.height > 0
    for name in ("ratio", "ci_low", "ci_high", "p_value"):
        assert both[name].to_list() == pytest.approx(both[f"{name}_language"].to_list())
    assert not set(contrasts["value_b"]) & {"other", "unknown", "und"}


@pytest.mark.parametrize(
    ("bread", "trains", "quadrant"),
    [
        ((40, 40), (8, 8), "agree_high"),
        ((8, 40), (40, 8), "over_trigger"),
        ((40, 8), (8, 40), "under_trigger"),
    ],
)
def test_quadrants_tell_where_flags_and_concern_agree(
    bread: tuple[int, int], trains: tuple[int, int], quadrant: str
) -> None:
    specs = (
        spread("bread", *bread) + spread("soup", *bread) + spread("trains", *trains) + spread("cake", *bread)
    )
    shown = picture(specs)
    table = quadrant_table(shown, flag_cells(shown))
    assert dict(table.select("cluster_id", "quadrant").iter_rows()).get("top") == quadrant


def test_without_flags_concern_is_still_told() -> None:
    specs = [
        (*spec[:4], None)
        for cluster in ("bread", "soup", "cake", "trains")
        for spec in spread(cluster, 20, 0)
    ]
    shown = picture(specs)
    table = quadrant_table(shown, flag_cells(shown))
    assert flag_cells(shown) is None
    assert set(table["quadrant"]) == {"undecided"}
    assert table["share_flagged"].null_count() == table.height
    assert set(table["share_concerning"]) == {20 / 60}


def test_a_share_that_is_partly_withheld_is_not_given() -> None:
    """One conversation of high concern stands with nine others in `other`; so no share may tell of it."""
    few = [
        (*spec[:2], "high" if index == 0 else "low" if index < 10 else "none", *spec[3:])
        for index, spec in enumerate(spread("trains", 0, 20))
    ]
    specs = few + [row for cluster in ("bread", "soup", "cake") for row in spread(cluster, 20, 20)]
    shown = picture(specs)
    table = quadrant_table(shown, flag_cells(shown))
    known = dict(table.select("cluster_id", "share_concerning").iter_rows())
    assert known["side"] is None
    sides = dict(table.select("cluster_id", "quadrant").iter_rows())
    assert sides["side"] in ("agree_low", "over_trigger", "undecided")


def test_a_flag_that_nearly_all_users_have_is_not_told() -> None:
    specs = spread("trains", 20, 59) + [
        row for cluster in ("bread", "soup", "cake") for row in spread(cluster, 20, 20)
    ]
    shown = picture(specs)
    table = quadrant_table(shown, flag_cells(shown))
    assert dict(table.select("cluster_id", "share_flagged").iter_rows())["side"] is None


def test_correlations_need_four_clusters_with_both_shares() -> None:
    frame = (
        FRAMES["concern_quadrants"]
        .head(4)
        .with_columns(
            level=pl.lit(0, dtype=pl.UInt8),
            share_concerning=pl.Series([0.1, 0.2, 0.3, 0.5]),
            share_flagged=pl.Series([0.2, 0.3, 0.3, 0.6]),
        )
    )
    row = correlation(frame).row(0, named=True)
    assert row["correlation"] == pytest.approx(np.corrcoef([0.1, 0.2, 0.3, 0.5], [0.2, 0.3, 0.3, 0.6])[0, 1])
    assert row["low"] < row["correlation"] < row["high"]
    assert correlation(frame.head(3)).is_empty()


def test_bands_and_flags_become_values() -> None:
    frame = pl.DataFrame({"turns": [1, 2, 4, 5, 9, 10, 300], "flagged": [True, False, None] * 2 + [True]})
    assert frame.select(turns_band())["turns_band"].to_list() == [
        "1",
        "2-4",
        "2-4",
        "5-9",
        "5-9",
        "10+",
        "10+",
    ]
    assert frame.select(flag_value())["flag"].to_list()[:3] == ["flagged", "not flagged", "unknown"]


def test_counts_of_bursts_are_told_under_the_limits_only() -> None:
    shown = picture(
        [row for cluster in ("bread", "soup", "cake", "trains") for row in spread(cluster, 20, 20)]
    )

    def told(users: int) -> dict[str, float | None]:
        table = empty(Burst)
        found = pl.DataFrame(
            {
                "burst": [0] * users,
                "conversation_id": [f"c{n}" for n in range(users)],
                "user_key": [f"k{n}" for n in range(users)],
            }
        )
        report = compare(
            shown, pl.concat([table, found.with_columns(pl.col("burst").cast(pl.UInt32))], how="diagonal")
        ).comparison_report
        ComparisonReport.validate(report)
        return dict(report.filter(pl.col("scope") == "bursts").select("measure", "value").iter_rows())

    assert told(0) == {"bursts": 0, "conversations": 0, "users": 0}
    assert told(20) == {"bursts": 1, "conversations": 20, "users": 20}
    assert told(4) == {"bursts": None, "conversations": None, "users": None}


DETAILS = {"conversation_id": pl.String, "turns": pl.UInt32, "flagged": pl.Boolean}


def test_counts_that_are_not_those_of_the_release_are_refused() -> None:
    released = counted_release(*plain())
    fewer = replace(released, counted=released.counted.head(1))
    with pytest.raises(ObservatoryError, match="run the release again"):
        read(fewer, pl.DataFrame(schema=DETAILS))


def test_of_a_conversation_that_is_counted_but_gone_turns_and_flag_are_unknown() -> None:
    shown = read(counted_release(*plain()), pl.DataFrame(schema=DETAILS))
    assert shown.conversations["turns_band"].unique().to_list() == ["unknown"]
    assert shown.conversations["flag"].unique().to_list() == ["unknown"]


def test_a_release_without_clusters_compares_nothing() -> None:
    shown = read(counted_release(rows("bread", 3)), pl.DataFrame(schema=DETAILS))
    for name, frame in compare(shown, empty(Burst)).frames().items():
        assert frame.is_empty(), name
        assert frame.schema == nothing_compared().frames()[name].schema
