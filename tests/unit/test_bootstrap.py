"""The cluster bootstrap: what it estimates, whom it draws, and that its intervals hold what they should."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from dagster_project.statistics.bootstrap import (
    BOOTSTRAP,
    JACKKNIFE,
    LINEARISED,
    NONE,
    WILSON,
    cluster_means,
    cluster_statistic,
)


def rows(values: Sequence[float | None], units: list[str], **columns: list) -> pl.DataFrame:
    return pl.DataFrame({"value": values, "unit": units, **columns})


def test_means_are_plain_or_weighted_means() -> None:
    frame = rows([1.0, 3.0, 5.0, 9.0], ["a", "a", "b", "c"], weight=[1.0, 1.0, 2.0, None], by=["x"] * 4)
    assert cluster_means(frame, "value", by=["by"])["estimate"].to_list() == [4.5]
    weighted = cluster_means(frame, "value", by=["by"], weight="weight").row(0, named=True)
    assert weighted["estimate"] == pytest.approx(14 / 4)
    assert (weighted["n"], weighted["units"]) == (3, 2), "a row without a weight stands for nothing"


def test_groups_are_told_apart_and_sorted() -> None:
    frame = rows([0.0, 1.0, 1.0, 0.0], ["a", "b", "a", "b"], by=["y", "y", "x", "x"])
    table = cluster_means(frame, "value", by=["by"])
    assert table["by"].to_list() == ["x", "y"]
    assert table["estimate"].to_list() == [0.5, 0.5]


def test_one_unit_has_no_interval() -> None:
    table = cluster_means(rows([0.2, 0.4], ["a", "a"]), "value", by=[])
    assert table.row(0, named=True) | {"estimate": None} == {
        "estimate": None, "ci_low": None, "ci_high": None, "n": 2, "units": 1, "method": NONE,
    }  # fmt: skip


def test_no_value_gives_no_group() -> None:
    assert cluster_means(rows([None, None], ["a", "b"], by=["x", "x"]), "value", by=["by"]).is_empty()


def test_units_that_all_agree_get_wilsons_interval() -> None:
    table = cluster_means(rows([1.0] * 30, [str(n % 10) for n in range(30)]), "value", by=[])
    found = table.row(0, named=True)
    assert found["method"] == WILSON
    assert found["ci_low"] == pytest.approx(10 / (10 + 1.959964**2), abs=1e-4), "ten units, not thirty rows"
    assert found["ci_high"] == 1


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_differences_that_are_all_alike_are_as_unsure_to_both_sides(value: float) -> None:
    known = rows([value] * 10, list("abcdefghij"))
    found = cluster_means(known, "value", by=[], signed=True).row(0, named=True)
    turned = cluster_means(known.with_columns(-pl.col("value")), "value", by=[], signed=True).row(
        0, named=True
    )
    assert found["method"] == WILSON and found["ci_low"] <= value <= found["ci_high"]
    assert (found["ci_low"], found["ci_high"]) == (-turned["ci_high"], -turned["ci_low"])
    assert found["ci_high"] - found["ci_low"] > 0.25


def test_a_constant_that_is_no_share_keeps_its_point() -> None:
    found = cluster_means(rows([2.5] * 6, list("abcdef")), "value", by=[]).row(0, named=True)
    assert (found["ci_low"], found["ci_high"], found["method"]) == (2.5, 2.5, JACKKNIFE)


def test_repeating_every_row_within_its_unit_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    frame = rows(rng.normal(size=40).tolist(), [str(n) for n in range(40)])
    once, thrice = (cluster_means(part, "value", by=[]) for part in (frame, pl.concat([frame] * 3)))
    for name in ("estimate", "ci_low", "ci_high"):
        assert once[name].item() == pytest.approx(thrice[name].item())


def test_intervals_hold_the_truth_where_rows_of_a_unit_agree() -> None:
    """Twenty units of fifty rows: intervals over rows would hold it in a third of the cases."""
    rng = np.random.default_rng(3)
    held = 0
    for world in range(600):
        effects = rng.normal(size=20)
        values = (effects[:, None] + 0.3 * rng.normal(size=(20, 50))).ravel()
        frame = rows(values.tolist(), [str(n // 50) for n in range(1000)])
        found = cluster_means(frame, "value", by=[], draws=400, seed=world).row(0, named=True)
        held += found["ci_low"] <= 0 <= found["ci_high"]
    assert 0.9 <= held / 600 <= 0.99


def test_many_units_of_zero_and_one_are_two_cells_and_give_wilsons_width() -> None:
    n = 200_000
    frame = pl.DataFrame({"value": np.arange(n) % 10 < 3, "unit": np.arange(n)})
    found = cluster_means(frame, "value", by=[]).row(0, named=True)
    assert found["method"] == BOOTSTRAP
    assert found["ci_high"] - found["ci_low"] == pytest.approx(2 * 1.96 * (0.21 / n) ** 0.5, rel=0.08)


def test_very_many_unlike_units_are_linearised_to_the_same_interval() -> None:
    values = np.random.default_rng(5).exponential(size=6_000)
    frame = pl.DataFrame({"value": values, "unit": np.arange(6_000)})
    found = cluster_means(frame, "value", by=[]).row(0, named=True)
    assert found["method"] == LINEARISED
    half = 1.96 * values.std() / 6_000**0.5
    assert found["ci_low"] == pytest.approx(values.mean() - half, rel=1e-3)


def test_any_statistic_of_sums_can_be_drawn() -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=300)
    y = 0.5 * x + rng.normal(size=300)
    sums = pl.DataFrame({"n": 1, "x": x, "y": y, "xx": x * x, "yy": y * y, "xy": x * y, "one": 1.0})

    def pearson(s: np.ndarray) -> np.ndarray:
        sx, sy, sxx, syy, sxy, n = s.T
        return (n * sxy - sx * sy) / np.sqrt((n * sxx - sx**2) * (n * syy - sy**2))

    columns = ["x", "y", "xx", "yy", "xy", "one"]
    found = cluster_statistic(sums, columns, pearson, by=[]).row(0, named=True)
    assert found["estimate"] == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found["ci_low"] < found["estimate"] < found["ci_high"] < 0.7


def test_a_statistic_that_is_not_defined_is_null() -> None:
    sums = pl.DataFrame({"n": [1, 1], "total": [1.0, 2.0]})
    found = cluster_statistic(sums, ["total"], lambda s: s[:, 0] * np.nan, by=[]).row(0, named=True)
    assert found["estimate"] is None and found["ci_low"] is None and found["units"] == 2


@pytest.mark.parametrize("units", (10, 24))
def test_the_interval_of_a_share_ends_at_one(units: int) -> None:
    frame = pl.DataFrame({"unit": range(units), "hit": [1.0] * (units - 1) + [0.0]})
    free = cluster_means(frame, "hit", by=[])
    assert free["ci_high"].item() > 1, "widened for few units"
    held = cluster_means(frame, "hit", by=[], share=True)
    assert free["estimate"].item() < held["ci_high"].item() <= 1
