"""Who asks, when, in which language, about what, and which model: drawn as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

import numpy as np

from dagster_project.sample.drift import Drift, drift_matrix
from dagster_project.sample.texts import Texts

HOURS_PER_WEEK = 168
PREFERRED_TOPICS = 4
KEEPS_TO_PREFERRED = 0.65
FOREIGNERS_USE_ENGLISH = 0.16
ENGLISH_SPEAKERS_SWITCH = 0.05
KEEPS_MODEL = 0.8
HEAVIEST_SHARE = 0.015


@dataclass(frozen=True, slots=True)
class Users:
    """Users sorted by first language; arrays of length U, except preferred (U, PREFERRED_TOPICS)."""

    ids: list[str]
    language: np.ndarray
    second: np.ndarray
    weight: np.ndarray
    cumulative: np.ndarray
    preferred: np.ndarray
    appetite: np.ndarray
    model: np.ndarray
    concern: np.ndarray


@dataclass(frozen=True, slots=True)
class Plan:
    """One row per conversation of a slice, in order of time (arrays of equal length)."""

    seconds: np.ndarray
    user: np.ndarray
    language: np.ndarray
    topic: np.ndarray
    model: np.ndarray
    turns: np.ndarray


def activity(users: int, rng: np.random.Generator) -> np.ndarray:
    """Relative activity (sum 1): log-normal, the heaviest capped at 1.5 % (or twice the mean of a small population)."""
    weight = rng.lognormal(0.0, 1.35, users)
    cap = max(HEAVIEST_SHARE, 2.0 / users)
    for _ in range(20):
        weight = np.minimum(weight / weight.sum(), cap)
    return weight / weight.sum()


def pick(cumulative: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Index drawn from cumulative shares: cumulative (k,) or one row per draw (n, k), draws (n,) in [0, 1)."""
    total = cumulative[..., -1]
    if cumulative.ndim == 1:
        found = np.searchsorted(cumulative, draws * total, side="right")
    else:
        found = (cumulative <= (draws * total)[:, None]).sum(axis=1)
    return np.minimum(found, cumulative.shape[-1] - 1)


class Population:
    """Draws plans for conversations lo..hi of a sample; the same arguments always give the same plan.

    In: number of conversations and users, seed, weeks, share of concerning conversations, start (midnight UTC of the first day),
    optional drift. Every slice has its own generator, so slices can be drawn in any order.
    """

    def __init__(
        self,
        texts: Texts,
        conversations: int,
        users: int,
        seed: int,
        *,
        weeks: int,
        concerning_share: float,
        start: datetime,
        drift: Drift | None,
    ) -> None:
        """Draw the users and prepare the cumulative shares that every slice uses."""
        self.texts, self.conversations, self.seed, self.weeks = texts, conversations, seed, weeks
        self.concerning_share, self.start = concerning_share, start
        self.ordinary = sum(not topic.concerning for topic in texts.topics)
        self.shares = self._topic_shares()
        self.factors = drift_matrix(drift, texts.topics, weeks)
        self.models = np.cumsum(list(texts.traffic.models.values()))
        self.users = self._users(users, np.random.default_rng([seed, 1]))
        self.bounds = np.searchsorted(self.users.language, np.arange(len(texts.languages) + 1))
        self.rates = self._rates()
        self.hours = self._hours()

    def _topic_shares(self) -> np.ndarray:
        """Share of each topic by language (languages, topics); ordinary and concerning parts each sum to 1."""
        topics = self.texts.topics
        rows = [
            [topic.share * language.boost.get(topic.subtopic, 1.0) for topic in topics]
            for language in self.texts.languages
        ]
        return np.asarray(rows)

    def _users(self, count: int, rng: np.random.Generator) -> Users:
        shares = np.asarray([language.share for language in self.texts.languages], dtype=float)
        # evenly spaced quantiles give each language its share of users without chance
        language = pick(np.cumsum(shares), (np.arange(count) + 0.5) / count)
        second = np.where(language == 0, pick(np.cumsum(shares[1:]), rng.random(count)) + 1, 0)
        weight = activity(count, rng)
        ordinary = np.cumsum(self.shares[:, : self.ordinary], axis=1)
        preferred = np.stack(
            [pick(ordinary[language], rng.random(count)) for _ in range(PREFERRED_TOPICS)], axis=1
        )
        appetite = rng.gamma(0.8, 1.0, (count, PREFERRED_TOPICS)) + 1e-6
        concern = np.minimum(rng.lognormal(-0.5, 1.0, count), 6.0)
        return Users(
            ids=[self._user_id(index) for index in range(count)],
            language=language,
            second=second,
            weight=weight,
            cumulative=np.concatenate([[0.0], np.cumsum(weight)]),
            preferred=preferred,
            appetite=appetite,
            model=pick(self.models, rng.random(count)),
            concern=concern / np.average(concern, weights=weight),
        )

    def _user_id(self, index: int) -> str:
        return "user_" + blake2b(f"{self.seed}:{index}".encode(), digest_size=6).hexdigest()

    def _rates(self) -> np.ndarray:
        """Activity by language and hour of the week in UTC (languages, 168), weighted by the users' activity."""
        traffic, users = self.texts.traffic, self.users
        hour = np.arange(HOURS_PER_WEEK)
        rows = []
        for index, language in enumerate(self.texts.languages):
            local = (hour + language.hours_from_utc) % HOURS_PER_WEEK
            rhythm = np.asarray(traffic.hours)[local % 24] * np.asarray(traffic.weekdays)[local // 24]
            rows.append(rhythm / rhythm.sum() * users.weight[users.language == index].sum())
        return np.asarray(rows)

    def _hours(self) -> np.ndarray:
        """Cumulative share of the hours of the whole period, with traffic growing by a quarter until its end."""
        growth = np.repeat(np.linspace(1.0, 1.25, self.weeks), HOURS_PER_WEEK)
        # the rhythm starts on a Monday whatever the first day is, so shift it to the real weekday
        weekday = self.start.weekday()
        week = np.roll(self.rates.sum(axis=0), -24 * weekday)
        cumulative = np.cumsum(np.tile(week, self.weeks) * growth)
        return np.concatenate([[0.0], cumulative / cumulative[-1]])

    def plan(self, number: int, lo: int, hi: int) -> Plan:
        """Plan of slice `number` with conversations lo..hi-1."""
        rng = np.random.default_rng([self.seed, 2, number])
        size = hi - lo
        quantile = (np.arange(lo, hi) + rng.random(size)) / self.conversations
        position = np.minimum(
            np.interp(quantile, self.hours, np.arange(self.hours.size)), self.hours.size - 1.001
        )
        hour = position.astype(np.int64)
        weekday_hour = (hour + 24 * self.start.weekday()) % HOURS_PER_WEEK
        first = pick(np.cumsum(self.rates.T, axis=1)[weekday_hour], rng.random(size))
        user = self._draw_users(first, rng.random(size))
        return Plan(
            seconds=(self.start.timestamp() + position * 3600).astype(np.int64),
            user=user,
            language=self._draw_languages(user, rng.random(size)),
            topic=self._draw_topics(user, first, hour // HOURS_PER_WEEK, rng),
            model=np.where(
                rng.random(size) < KEEPS_MODEL, self.users.model[user], pick(self.models, rng.random(size))
            ),
            turns=1 + pick(np.cumsum(self.texts.traffic.user_turns), rng.random(size)),
        )

    def _draw_users(self, first: np.ndarray, draws: np.ndarray) -> np.ndarray:
        low, high = self.users.cumulative[self.bounds[first]], self.users.cumulative[self.bounds[first + 1]]
        found = np.searchsorted(self.users.cumulative, low + draws * (high - low), side="right") - 1
        return np.clip(found, self.bounds[first], self.bounds[first + 1] - 1)

    def _draw_languages(self, user: np.ndarray, draws: np.ndarray) -> np.ndarray:
        first = self.users.language[user]
        limit = np.where(first == 0, ENGLISH_SPEAKERS_SWITCH, FOREIGNERS_USE_ENGLISH)
        return np.where(draws < limit, self.users.second[user], first)

    def _draw_topics(
        self, user: np.ndarray, first: np.ndarray, week: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        size, split = user.size, self.ordinary
        mix = self.shares[first] * self.factors[week]
        anything = pick(np.cumsum(mix[:, :split], axis=1), rng.random(size))
        liked = self.users.preferred[user]
        taste = self.users.appetite[user] * np.take_along_axis(self.factors[week], liked, axis=1)
        favourite = np.take_along_axis(
            liked, pick(np.cumsum(taste, axis=1), rng.random(size))[:, None], axis=1
        )[:, 0]
        keeps = (rng.random(size) < KEEPS_TO_PREFERRED) & (taste.sum(axis=1) > 0)
        harmful = split + pick(np.cumsum(mix[:, split:], axis=1), rng.random(size))
        share = self.concerning_share
        concerning = rng.random(size) < share * (1 + (self.users.concern[user] - 1) * (1 - share))
        return np.where(concerning, harmful, np.where(keeps, favourite, anything))
