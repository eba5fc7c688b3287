"""The synthetic sample: conversations in many languages with known topics, streamed and written as JSON Lines.

After the synthetic evaluation of Clio (arXiv 2412.13678): topic -> subtopic -> requests of varying length, tone and language
-> continued chat; here from phrases and slots, so that the truth is exact and no model is needed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from dagster_project.sample.canaries import Canary, make_canary
from dagster_project.sample.dialogue import draw_forever
from dagster_project.sample.drift import Drift
from dagster_project.sample.population import Population
from dagster_project.sample.records import Record, Recorder
from dagster_project.sample.texts import load_texts

SLICE = 2_000
START = date(2025, 1, 6)
HEADER = "index\ttype\tdisguise\tplace\tlanguage\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSettings:
    """The arguments of a sample, checked; `slices` draws it."""

    conversations: int
    seed: int
    users: int | None = None
    weeks: int = 10
    canary_share: float = 0.02
    concerning_share: float = 0.05
    start: date = START
    drift: Drift | None = None
    all_languages: bool = False

    def __post_init__(self) -> None:
        """Refuse what no sample can be drawn from."""
        users = 1 if self.users is None else self.users
        whole = {"conversations": self.conversations, "users": users, "weeks": self.weeks}
        for name, number in whole.items():
            if number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        for name in ("canary_share", "concerning_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {getattr(self, name)}")

    def population(self) -> Population:
        """The users and shares of this sample."""
        return Population(
            load_texts(),
            self.conversations,
            max(1, self.conversations // 8) if self.users is None else self.users,
            self.seed,
            weeks=self.weeks,
            concerning_share=self.concerning_share,
            start=datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC),
            drift=self.drift,
        )

    def slices(self) -> Iterator[tuple[list[Record], list[Canary]]]:
        """Records and the canaries planted in them, slice by slice, both in order of their number."""
        population = self.population()
        return (
            self._slice(population, number, lo, min(self.conversations, lo + SLICE))
            for number, lo in enumerate(range(0, self.conversations, SLICE))
        )

    def _slice(
        self, population: Population, number: int, lo: int, hi: int
    ) -> tuple[list[Record], list[Canary]]:
        plan, texts = population.plan(number, lo, hi), population.texts
        rng = np.random.default_rng([self.seed, 3, number])
        first, last = int(lo * self.canary_share), int(hi * self.canary_share)
        planted: dict[int, list[Canary]] = {}
        rows = np.sort(rng.integers(0, hi - lo, last - first))
        if self.all_languages:
            rows = _rows_by_language(plan.language, range(first, last), len(texts.languages), rng)
        for index, row in zip(range(first, last), rows, strict=True):
            language = texts.languages[plan.language[row]]
            planted.setdefault(int(row), []).append(make_canary(self.seed, index, language))
        recorder = Recorder(texts, self.seed, draw_forever(rng))
        columns = (plan.user, plan.seconds, plan.model, plan.turns, plan.language, plan.topic)
        planned = zip(*(column.tolist() for column in columns), strict=True)
        ids = population.users.ids
        records = [
            recorder.record(lo + row, ids[user], *rest, canaries=planted.get(row, []))
            for row, (user, *rest) in enumerate(planned)
        ]
        return records, [canary for row in sorted(planted) for canary in planted[row]]


def _rows_by_language(
    spoken: np.ndarray, indices: range, languages: int, rng: np.random.Generator
) -> list[int]:
    """A row in language `index % languages` for each canary; any row where the slice has none in it."""
    by_language = [np.flatnonzero(spoken == language) for language in range(languages)]
    everywhere = np.arange(spoken.size)
    chosen = (by_language[index % languages] for index in indices)
    return [int(rng.choice(rows if rows.size else everywhere)) for rows in chosen]


@dataclass(slots=True)
class SampleSummary:
    """What a written sample holds: files, sizes, and conversations per language, topic and subtopic."""

    path: Path
    canaries_path: Path
    conversations: int = 0
    messages: int = 0
    bytes: int = 0
    users: int = 0
    concerning: int = 0
    canaries: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)
    subtopics: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def count(self, records: list[Record]) -> None:
        """Add a slice of records to the counts (distinct users are counted by the writer)."""
        truths = [record["metadata"]["truth"] for record in records]
        self.conversations += len(records)
        self.messages += sum(len(record["messages"]) for record in records)
        self.concerning += sum(truth["concerning"] for truth in truths)
        self.canaries += sum(len(truth["canaries"]) for truth in truths)
        self.languages.update(truth["language"] for truth in truths)
        self.topics.update(truth["topic"] for truth in truths)
        self.subtopics.update(truth["subtopic"] for truth in truths)


def generate_sample(
    conversations: int,
    seed: int,
    *,
    users: int | None = None,
    weeks: int = 10,
    canary_share: float = 0.02,
    concerning_share: float = 0.05,
    start: date = START,
    drift: Drift | None = None,
    all_languages: bool = False,
) -> Iterator[list[Record]]:
    """Generate conversations in order of time, in slices of at most 2,000 records.

    In: number of conversations; seed; number of users (default one per eight conversations); number of weeks; canaries
    per conversation; share of concerning requests; first day (UTC; a Monday makes weeks those of the calendar); drift of
    the topic mix (subtopic -> factor per week, see `drift_schedule`); whether canaries go to all languages in turn instead
    of with the traffic.
    Out: records {id, user, created_at, model, messages, metadata: {title?, truth: {topic, subtopic, language,
    concerning, canaries}}}; `canaries` are positions in the list of canaries. Equal arguments give equal records.
    Errors: ValueError for arguments out of range.
    """
    settings = SampleSettings(
        conversations=conversations,
        seed=seed,
        users=users,
        weeks=weeks,
        canary_share=canary_share,
        concerning_share=concerning_share,
        start=start,
        drift=drift,
        all_languages=all_languages,
    )
    return (records for records, _ in settings.slices())


def write_sample(path: Path | str, conversations: int, seed: int, **options: Any) -> SampleSummary:
    """Write a sample as OpenAI messages, one JSON object per line, and its canaries beside it.

    In: file to write, and the arguments of `generate_sample`. Out: `SampleSummary`. Beside `NAME.jsonl` stand
    `NAME.canaries.txt` (canonical form, one canary per line; line 1 is canary 0) and `NAME.canaries.tsv` (index, type,
    disguise, place, language). Files appear under their names only when they are complete; one slice is in memory at
    a time. Errors: as `generate_sample`; OSError if the file cannot be written.
    """
    began = time.perf_counter()
    slices = SampleSettings(conversations=conversations, seed=seed, **options).slices()
    path = Path(path)
    summary = SampleSummary(path, path.with_suffix(".canaries.txt"))
    targets = [path, summary.canaries_path, path.with_suffix(".canaries.tsv")]
    parts = [target.with_name(target.name + ".part") for target in targets]
    users: set[str] = set()
    with (
        parts[0].open("wb") as lines,
        parts[1].open("w", encoding="utf-8") as values,
        parts[2].open("w") as kinds,
    ):
        kinds.write(HEADER)
        for records, canaries in slices:
            block = b"".join(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records)
            summary.bytes += lines.write(block)
            summary.count(records)
            users.update(record["user"] for record in records)
            values.writelines(f"{canary.value}\n" for canary in canaries)
            kinds.writelines(
                f"{c.index}\t{c.kind}\t{c.disguise}\t{c.place}\t{c.language}\n" for c in canaries
            )
    for part, target in zip(parts, targets, strict=True):
        part.replace(target)
    summary.users, summary.seconds = len(users), time.perf_counter() - began
    return summary
