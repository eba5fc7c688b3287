"""What a home evaluates: its suites with their options, and the subject models with what each is asked."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import orjson

from dagster_project.errors import ObservatoryError
from dagster_project.files import write_private

NAME = re.compile(r"[^A-Za-z0-9._-]+")
MOST_SAMPLES = 1000
SIGNATURE = ("name", "specification", "sha256", "samples", "parameters", "rl_steps")
KEPT = ("samples", "parameters", "rl_steps")
"""What a subject keeps where it is named again without them."""
RESERVED = "all"
"""No subject's name: it stands for several of them together."""


@dataclass(frozen=True)
class Subject:
    """A model under evaluation, or a file of answers that somebody else collected from one.

    key: partition. name: as published; it holds no path and no host. specification: of a model that is asked; file and
    sha256: of supplied answers. suites: which it answers. samples: free answers drawn for an item with options instead of
    reading the options' probabilities, None: probabilities. parameters, rl_steps: its size, for trends over several.
    """

    key: str
    name: str
    suites: tuple[str, ...] = ()
    specification: str | None = None
    file: str | None = None
    sha256: str | None = None
    samples: int | None = None
    parameters: float | None = None
    rl_steps: float | None = None

    def signature(self) -> dict[str, object]:
        """What its answers depend on besides the items; the place of a file is not part of it."""
        facts = asdict(self)
        return {name: facts[name] for name in SIGNATURE}

    def same_as(self, other: Subject) -> bool:
        """Whether both are one subject: of one key, or answers to one suite of one name from one place."""
        one_file = self.file is not None and (self.name, self.file) == (other.name, other.file)
        return self.key == other.key or (one_file and bool({*self.suites} & {*other.suites}))

    def after(self, earlier: Subject) -> Subject:
        """This subject as it follows itself: with the key and the suites of before, and what it does not say anew."""
        kept = {name: getattr(earlier, name) for name in KEPT if getattr(self, name) is None}
        suites = tuple(sorted({*self.suites, *earlier.suites}))
        return replace(self, key=earlier.key, suites=suites, **kept)

    def settled(self) -> Subject:
        """This subject without what it was told to do no longer: no samples are none."""
        return replace(self, samples=self.samples or None)


@dataclass(frozen=True)
class Evaluations:
    """Suites by name with their options, and subjects in the order in which they were added.

    unsettled: whether something was removed that tables and figures may still tell of.
    """

    suites: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    subjects: tuple[Subject, ...] = ()
    unsettled: bool = False

    @classmethod
    def load(cls, path: Path) -> Evaluations:
        """Read the register; without a file nothing is evaluated. Raises ObservatoryError where it is damaged."""
        if not path.exists():
            return cls()
        try:
            stored = orjson.loads(path.read_bytes())
            subjects = [
                Subject(**{**entry, "suites": tuple(entry["suites"])}) for entry in stored["subjects"]
            ]
            return cls(stored["suites"], tuple(subjects), stored.get("unsettled", False))
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise ObservatoryError(f"{path.name} is damaged; delete it and evaluate again") from None

    def store(self, path: Path) -> None:
        """Write the register, readable by its owner only."""
        content = {
            "suites": dict(self.suites),
            "subjects": [asdict(subject) for subject in self.subjects],
            "unsettled": self.unsettled,
        }
        write_private(path, orjson.dumps(content, option=orjson.OPT_INDENT_2))

    def answering(self, suite: str | None) -> list[Subject]:
        """The subjects that answer a suite."""
        return [subject for subject in self.subjects if suite in subject.suites]

    def subject(self, key: str) -> Subject:
        """A subject by its key. Raises ObservatoryError where there is none."""
        for subject in self.subjects:
            if subject.key == key:
                return subject
        raise ObservatoryError(f"subject {key} is not registered; add it with `observatory evaluate`")

    def without(self, subjects: Collection[str], suites: Collection[str]) -> Evaluations:
        """These without subjects, by name, or without suites; with both, without these subjects' part in these suites.

        A subject that no suite is left of goes, too.
        """
        named = [it for it in self.subjects if not subjects or it.name in subjects]
        gone = {*suites} if suites else {suite for it in named for suite in it.suites}
        kept = [
            replace(it, suites=tuple(suite for suite in it.suites if suite not in gone))
            if it in named
            else it
            for it in self.subjects
        ]
        return Evaluations(
            {name: options for name, options in self.suites.items() if subjects or name not in gone},
            tuple(it for it in kept if it.suites),
            unsettled=True,
        )

    def with_suites(self, suites: Mapping[str, Mapping[str, object]]) -> Evaluations:
        """These with more suites, or with other options of them."""
        return replace(self, suites={**self.suites, **suites})

    def with_subject(self, subject: Subject) -> Evaluations:
        """These with a subject; the same one is replaced, and keeps its key, its suites and what is not said anew of it.

        It is the same where its key is, or where its name, a suite and the place of its file are: a corrected file takes
        the place of the one before. Raises ObservatoryError where another subject has the same name in one of the suites: their
        figures could not be told apart.
        """
        earlier = next((other for other in self.subjects if other.same_as(subject)), None)
        for other in self.subjects:
            if other is not earlier and other.name == subject.name and {*subject.suites} & {*other.suites}:
                raise ObservatoryError(
                    f"another subject is called {subject.name} already; give this one a name of its own with --name"
                )
        if earlier is None:
            return replace(self, subjects=(*self.subjects, subject.settled()))
        now = subject.after(earlier).settled()
        return replace(self, subjects=tuple(now if it is earlier else it for it in self.subjects))


def subject_key(name: str, *identity: object) -> str:
    """Partition key of a subject: its name, and a hash that tells it from others of that name."""
    digest = sha256(orjson.dumps([name, *identity])).hexdigest()[:8]
    return f"{NAME.sub('-', name).strip('-.')[:40] or 'subject'}-{digest}"


def shown_name(specification: str) -> str:
    """The name of a model without its path or host, as it is published: `transformers:PATH/llama` is `llama`."""
    model = specification.rpartition("#")[2] if "#" in specification else specification.rpartition(":")[2]
    plain, at, revision = model.rstrip("/").partition("@")
    local = plain.startswith(("/", ".", "~")) or Path(plain).exists()
    return (Path(plain).name if local else plain) + at + revision
