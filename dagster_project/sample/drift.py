"""Topic mixes that change from week to week: births, deaths, growth and decline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dagster_project.sample.texts import Topic, load_texts

Drift = Mapping[str, Sequence[float]]


def drift_schedule(
    weeks: int, seed: int, *, births: int = 2, deaths: int = 2, growing: int = 3, shrinking: int = 3
) -> dict[str, list[float]]:
    """Draw a drift of the ordinary subtopics: factor per week on each one's share of traffic.

    In: number of weeks, seed, and how many subtopics appear, vanish, grow (to threefold) and shrink (to a third).
    Out: subtopic -> one factor per week. A birth is zero before its week, a death is zero from its week on; both weeks
    lie in the inner part of the period. Only subtopics with at least 1.5 % of traffic take part, so that thresholds do
    not hide them. Errors: ValueError if the period is too short or too many changes are asked for.
    """
    if weeks < 4:
        raise ValueError(f"a drift needs at least 4 weeks, got {weeks}")
    topics = load_texts().topics
    names = [t.subtopic for t in topics if not t.concerning and t.share >= 0.015]
    wanted = births + deaths + growing + shrinking
    if wanted > len(names):
        raise ValueError(
            f"a drift of {wanted} subtopics was asked for, but only {len(names)} are common enough"
        )
    rng = np.random.default_rng([seed, 71])
    chosen = [names[i] for i in rng.permutation(len(names))[:wanted]]
    turning = rng.integers(max(1, weeks // 4), max(2, weeks - weeks // 4), size=births + deaths)
    ramp = np.linspace(0.0, 1.0, weeks)
    schedule: dict[str, list[float]] = {}
    for position, name in enumerate(chosen):
        if position < births:
            schedule[name] = [float(week >= turning[position]) for week in range(weeks)]
        elif position < births + deaths:
            schedule[name] = [float(week < turning[position]) for week in range(weeks)]
        else:
            last = 3.0 if position < births + deaths + growing else 1 / 3
            schedule[name] = np.round(last**ramp, 6).tolist()
    return schedule


def drift_matrix(drift: Drift | None, topics: Sequence[Topic], weeks: int) -> np.ndarray:
    """Factors as an array (weeks, topics); ones where no drift is given.

    Errors: ValueError for an unknown subtopic, a wrong number of weeks, or a factor that is negative or not finite.
    """
    factors = np.ones((weeks, len(topics)))
    index = {topic.subtopic: topic.index for topic in topics}
    for name, values in (drift or {}).items():
        if name not in index:
            raise ValueError(f"drift names an unknown subtopic {name!r}; known: {', '.join(sorted(index))}")
        column = np.asarray(values, dtype=float)
        if column.shape != (weeks,):
            raise ValueError(f"drift of {name!r} needs one factor per week ({weeks}), got {column.size}")
        if not np.isfinite(column).all() or (column < 0).any():
            raise ValueError(f"drift of {name!r} has a negative or infinite factor")
        factors[:, index[name]] = column
    for concerning in (False, True):
        part = factors[:, [topic.index for topic in topics if topic.concerning == concerning]]
        if not part.any(axis=1).all():
            raise ValueError("drift leaves a week without any subtopic; keep at least one above zero")
    return factors
