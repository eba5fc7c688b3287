"""Means of many groups from one draw: the same as those of one group, paired, and holding the truth."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from dagster_project.statistics import joint_bootstrap
from dagster_project.statistics.bootstrap import NONE, WILSON, cluster_means
from dagster_project.statistics.joint_bootstrap import JOINT, joint_means

ENDS = ["estimate", "ci_low", "ci_high"]


def frame(units: int = 300, groups: int = 3, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "unit": np.tile(np.arange(units), groups),
            "group": np.repeat(np.arange(groups), units),
            "x": rng.normal(size=units * groups),
            "w": rng.uniform(size=units * groups),
        }
    )


@pytest.mark.parametrize("weight", [None, "w"])
def test_each_group_has_the_estimate_and_nearly_the_interval_that_it_has_alone(weight: str | None) -> None:
    joint = joint_means(frame(), ["x"], by=["group"], weight=weight)
    alone = cluster_means(frame(), "x", by=["group"], weight=weight)
    assert joint["estimate"].to_list() == pytest.approx(alone["estimate"].to_list())
    assert joint.select("n", "units").equals(alone.select("n", "units"))
    for end in ("ci_low", "ci_high"):
        assert joint[end].to_list() == pytest.approx(alone[end].to_list(), abs=0.02)
    assert set(joint["method"]) == {JOINT}


def test_columns_and_groups_that_lack_values_are_left_out_one_by_one() -> None:
    rows = pl.DataFrame(
        {
            "unit": ["a", "b", "c", "a"],
            "g": ["x", "x", "x", "y"],
            "u": [1.0, 3.0, None, 2.0],
            "v": [None, None, 5.0, None],
        }
    )
    found = joint_means(rows, ["u", "v"], by=["g"]).select("value", "g", *ENDS[:1], "n", "units", "method")
    assert found.select("value", "g", "estimate", "n", "units").rows() == [
        ("u", "x", 2.0, 2, 2), ("u", "y", 2.0, 1, 1), ("v", "x", 5.0, 1, 1),
    ]  # fmt: skip
    assert found["method"].to_list()[1:] == [NONE, NONE]
    assert joint_means(rows.clear(), ["u"], by=["g"]).is_empty()


def test_groups_that_are_the_same_have_the_same_interval_and_portions_do_not_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = frame(groups=1)
    both = pl.concat([one, one.with_columns(pl.col("group") + 1)])
    found = joint_means(both, ["x"], by=["group"])
    assert found.row(0)[2:] == found.row(1)[2:]
    monkeypatch.setattr(joint_bootstrap, "CELLS_AT_ONCE", 2_500)
    portions = joint_means(both, ["x"], by=["group"])
    assert portions.select(ENDS).to_numpy() == pytest.approx(found.select(ENDS).to_numpy())


def test_units_that_all_agree_get_wilsons_interval() -> None:
    rows = frame(units=10, groups=1).with_columns(x=pl.lit(1.0))
    assert joint_means(rows, ["x"], by=["group"])["method"].to_list() == [WILSON]
    nothing = rows.with_columns(x=pl.lit(0.0), y=pl.lit(0.0))
    found = joint_means(nothing, ["x", "y"], by=["group"], signed=["y"])
    assert found["ci_low"][0] == 0 and found["ci_low"][1] == -found["ci_high"][1] < 0


def test_intervals_hold_the_truth_in_groups_of_part_of_the_units() -> None:
    held = 0
    for world in range(60):
        rows = frame(units=200, groups=2, seed=world).filter(
            (pl.col("group") == 0) | (pl.col("unit") % 5 == 0)
        )
        found = joint_means(rows, ["x"], by=["group"], draws=400, seed=world)
        held += found.select(((pl.col("ci_low") <= 0) & (pl.col("ci_high") >= 0)).sum()).item()
    assert 0.88 <= held / 120 <= 0.99
