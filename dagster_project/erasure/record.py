"""The record of erasures: the tombstones of a home, and what of an erasure is still to be done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from dagster_project.errors import ObservatoryError
from dagster_project.files import write_private
from dagster_project.home import Home
from dagster_project.privacy.tombstones import Tombstones


@dataclass(frozen=True)
class Record:
    """Tombstones, and the erasure under way: the tombstones that each batch meets, None where nothing is open."""

    tombstones: Tombstones
    pending: Mapping[str, list[str]] | None = None


def read_record(home: Home) -> Record:
    """The home's record; an absent file means that nobody was forgotten. Raises ObservatoryError on damage."""
    try:
        content = json.loads(home.forgotten.read_bytes())
        return Record(Tombstones.of(content["tombstones"]), content["pending"])
    except FileNotFoundError:
        return Record(Tombstones())
    except (ValueError, TypeError, KeyError):
        raise ObservatoryError(
            f"{home.forgotten.name} is damaged, so it is not known who was forgotten; restore it from a backup"
        ) from None


def write_record(home: Home, record: Record) -> None:
    """Replace the record in one rename: from then on the tombstones hold and the erasure is sure to be completed."""
    content = {"tombstones": record.tombstones.as_dict(), "pending": record.pending}
    write_private(home.forgotten, json.dumps(content, indent=1).encode())
