"""An observatory home: the folder that holds the lake, the warehouse, the settings and Dagster's own storage."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from dagster_project.errors import ObservatoryError
from dagster_project.evaluations import Evaluations
from dagster_project.files import make_private, sha256_file, write_private
from dagster_project.lake import WHOLE, Lake
from dagster_project.settings import Settings
from schemas.catalogue import BATCHES, SUBJECTS

PRIVACY_UNITS = ("user", "conversation")
REFUSED = "refused.json"


@dataclass(frozen=True)
class Batch:
    """One file that was added. Its key carries the file's hash, so adding the same bytes again changes nothing."""

    key: str
    path: str
    format: str
    privacy_unit: str
    sha256: str
    ordinal: int
    mapping: dict[str, str] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)
    """Tombstones that took rows out of the batch, sorted."""

    def signature(self) -> dict[str, object]:
        """What the batch's rows depend on; the place of the file is not part of it."""
        facts = {"sha256": self.sha256, "format": self.format, "unit": self.privacy_unit, "map": self.mapping}
        return {**facts, "forgotten": self.forgotten} if self.forgotten else facts


def weakest_unit(batches: Iterable[Batch]) -> str:
    """Whose presence counts over all batches can protect: a conversation, where any batch is counted by conversation."""
    return "conversation" if any(batch.privacy_unit == "conversation" for batch in batches) else "user"


class Home:
    """Paths and small state of a home. Opening one creates it, private to its owner."""

    def __init__(self, root: Path | str) -> None:
        """Open or create a home. Raises ObservatoryError when others may enter it or it is no folder."""
        self.root = Path(root).expanduser().resolve()
        if self.root.exists() and not self.root.is_dir():
            raise ObservatoryError(f"{self.root.name} is a file; give a folder with --home")
        if self.root.exists() and stat.S_IMODE(self.root.stat().st_mode) & 0o077:
            raise ObservatoryError(f"others can read {self.root.name}; run `chmod 700` on it, then try again")
        for folder in (self.root, self.restricted, self.published, self.dagster, self.inbox):
            make_private(folder)
        self.lake = Lake(self.root)

    @property
    def restricted(self) -> Path:
        """Zone of text, identities, embeddings and assignments."""
        return self.root / "restricted"

    @property
    def published(self) -> Path:
        """Zone of what passed the gates."""
        return self.root / "published"

    @property
    def dagster(self) -> Path:
        """Dagster's own storage: runs, events, partitions."""
        return self.root / "dagster"

    @property
    def inbox(self) -> Path:
        """Folder that the inbox sensor watches."""
        return self.root / "inbox"

    @property
    def data_docs(self) -> Path:
        """Great Expectations' Data Docs of the last release."""
        return self.root / "published" / "data_docs"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return self.root / "observatory.duckdb"

    @property
    def secret(self) -> Path:
        """Key of the pseudonyms."""
        return self.restricted / "pseudonym.key"

    @property
    def ledger(self) -> Path:
        """Folder of what noisy releases have spent, and of their answers."""
        return self.restricted / "ledger"

    @property
    def canaries(self) -> Path:
        """Strings planted on purpose, one a line, whose appearance in anything published or logged is a leak."""
        return self.restricted / "canaries.txt"

    @property
    def forgotten(self) -> Path:
        """Tombstones of who was forgotten, and what of an erasure is still to be done."""
        return self.restricted / "forgotten.json"

    @property
    def calls(self) -> Path:
        """What language models have answered: the call cache."""
        return self.restricted / "calls.sqlite"

    @property
    def evaluated(self) -> Path:
        """Register of the suites and subjects that this home evaluates."""
        return self.restricted / "evaluations.json"

    def supplied(self, sha256: str, name: str) -> Path:
        """The home's own copy of a file of answers, by its content and the ending of its name."""
        return make_private(self.restricted / "supplied") / f"{sha256}{Path(name).suffix}"

    @property
    def scratch(self) -> Path:
        """Large temporary arrays."""
        return make_private(self.restricted / "scratch")

    def settings(self) -> Settings:
        """The stored settings, or the defaults."""
        return Settings.load(self.root / "settings.json")

    def evaluations(self) -> Evaluations:
        """The suites and subjects that are evaluated."""
        return Evaluations.load(self.evaluated)

    def partition_keys(self, partition: str | None, suite: str | None) -> list[str]:
        """Keys of a table that is cut into `partition` (schemas.catalogue.Table) and belongs to `suite`."""
        if partition == BATCHES:
            return [batch.key for batch in self.batches()]
        if partition == SUBJECTS:
            return [subject.key for subject in self.evaluations().answering(suite)]
        return [WHOLE]

    def store_settings(self, settings: Settings) -> None:
        """Keep settings for this and every later run."""
        write_private(self.root / "settings.json", settings.model_dump_json(indent=1).encode())

    def read_canaries(self) -> list[str]:
        """The registered canaries."""
        if not self.canaries.exists():
            return []
        return [line for line in self.canaries.read_text("utf-8").splitlines() if line.strip()]

    def add_canaries(self, file: Path) -> int:
        """Register the canaries of a file (one a line) and return how many are registered in all."""
        known = dict.fromkeys(
            [*self.read_canaries(), *filter(str.strip, file.read_text("utf-8").splitlines())]
        )
        write_private(self.canaries, "\n".join(known).encode() + b"\n")
        return len(known)

    def batches(self) -> list[Batch]:
        """Every added batch, in the order of adding."""
        path = self.restricted / "batches.json"
        if not path.exists():
            return []
        return [Batch(**entry) for entry in json.loads(path.read_bytes())]

    def batch(self, key: str) -> Batch:
        """A batch by key. Raises ObservatoryError when it was never added."""
        for batch in self.batches():
            if batch.key == key:
                return batch
        raise ObservatoryError(
            f"batch {key} is not registered in this home; add its file with `observatory run`"
        )

    def add_batch(
        self, path: Path, *, format_name: str, privacy_unit: str, mapping: dict[str, str]
    ) -> tuple[Batch, bool]:
        """Register a file as a batch. Returns it and whether there is anything to read.

        The same bytes are the same batch; added again with another format, unit or mapping, it is read anew.
        """
        if privacy_unit not in PRIVACY_UNITS:
            raise ObservatoryError(f"the privacy unit is one of {', '.join(PRIVACY_UNITS)}")
        digest = sha256_file(path)
        batches = self.batches()
        for batch in batches:
            if batch.sha256 == digest:
                now = replace(
                    batch,
                    path=str(path.resolve()),
                    format=format_name,
                    privacy_unit=privacy_unit,
                    mapping=mapping,
                )
                self.store_batches([now if other.key == batch.key else other for other in batches])
                return now, now.signature() != batch.signature()
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", path.name.split(".")[0]).strip("-")[:40] or "file"
        ordinal = 1 + max((batch.ordinal for batch in batches), default=0)
        batch = Batch(
            f"{stem}-{digest[:10]}", str(path.resolve()), format_name, privacy_unit, digest, ordinal, mapping
        )
        self.store_batches([*batches, batch])
        return batch, True

    def mark_forgotten(self, tombstones: Mapping[str, Iterable[str]]) -> list[Batch]:
        """The batches with these tombstones (by batch key) among those that took rows out of them; stores nothing."""
        return [
            replace(batch, forgotten=sorted({*batch.forgotten, *tombstones.get(batch.key, ())}))
            for batch in self.batches()
        ]

    def store_batches(self, batches: list[Batch]) -> None:
        """Replace the register of batches."""
        content = json.dumps([asdict(batch) for batch in batches], indent=1).encode()
        write_private(self.restricted / "batches.json", content)

    def drop_batch(self, key: str) -> None:
        """Unregister a batch that could not be read, and remember its bytes, so that the inbox does not add them again."""
        batches = self.batches()
        refused = self.refused() | {batch.sha256 for batch in batches if batch.key == key}
        write_private(self.restricted / REFUSED, json.dumps(sorted(refused), indent=1).encode())
        self.store_batches([batch for batch in batches if batch.key != key])

    def refused(self) -> set[str]:
        """Hashes of files that were added and could not be read."""
        path = self.restricted / REFUSED
        return set(json.loads(path.read_bytes())) if path.exists() else set()

    def use_as_dagster_home(self) -> None:
        """Point Dagster, in this process and its children, at this home's storage and configuration."""
        storage = {
            "module": "dagster_project.event_storage",
            "class": "OpenEventLogStorage",
            "config": {"base_dir": str(self.dagster / "history" / "runs")},
        }
        events = f"\nevent_log_storage: {json.dumps(storage)}\n".encode()
        write_private(self.dagster / "dagster.yaml", _instance_configuration() + events)
        os.environ["DAGSTER_HOME"] = str(self.dagster)
        os.environ["OBSERVATORY_HOME"] = str(self.root)


def _instance_configuration() -> bytes:
    packaged = Path(__file__).with_name("dagster.yaml")
    return (packaged if packaged.exists() else Path(__file__).parent.with_name("dagster.yaml")).read_bytes()
