"""Ladders of subjects that differ in size or in training alone, and the slope of a statistic along them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

Array = np.ndarray
FEWEST = 3
"""Distinct places that a slope needs: two always lie on a line."""
AXES = {"parameters": "rl_steps", "rl_steps": "parameters"}
"""What a ladder goes along, and what has to be the same on all of its rungs."""


def ladders(subjects: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The ladders that have enough rungs: subject, x, at, group, level; subjects sorted.

    In: subject, parameters, rl_steps (null where not known). x: log10 of the parameters, or steps; at: parameters or steps
    as they are; group: which of the two; level: what the subjects share of the other, null where it is not known.
    """
    for axis, held in AXES.items():
        x = pl.col(axis).log10() if axis == "parameters" else pl.col(axis)
        known = subjects.filter(pl.col(axis).is_not_null()).select(
            "subject",
            x=x.cast(pl.Float64),
            at=pl.col(axis).cast(pl.Float64),
            group=pl.lit(axis),
            level=pl.when(pl.col(held).is_not_null()).then(pl.format("{} {}", pl.lit(held), held)),
        )
        parts = known.sort("subject").partition_by("level", maintain_order=True) if known.height else []
        yield from (part for part in parts if part["x"].n_unique() >= FEWEST)


class Slope:
    """Least-squares slope on x of a statistic of each subject, from sums over all of them.

    x: (subjects,). statistic: sums (draws, columns) of one subject to values (draws,). Sums are of shape (draws, subjects *
    columns): the columns of each subject in turn.
    """

    def __init__(self, x: Array, statistic: Callable[[Array], Array]) -> None:
        away = x - x.mean()
        self.share = away / np.square(away).sum()
        self.statistic = statistic

    def __call__(self, sums: Array) -> Array:
        """Slopes, (draws,); NaN where the statistic of a subject is."""
        parts = np.split(sums, len(self.share), axis=1)
        return np.column_stack([self.statistic(part) for part in parts]) @ self.share
