"""Exports that come as a zip archive: which of its files hold conversations, and whose account it is.

Members are read in place, block by block: nothing is unpacked to disk, so a member's path leads nowhere.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assets.conversations.reading import Member, Source, UnreadableError, parse_json, read_blocks
from dagster_project.errors import ObservatoryError

MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
CONVERSATIONS = re.compile(r"conversations(?:-\d+)?\.jsonl?", re.IGNORECASE)
ACCOUNTS = ("user.json", "users.json")
# Exports of a person's lifetime hold some gigabytes of JSON, which deflates 5- to 20-fold; a bomb reaches 1,000.
MAX_TOTAL_BYTES = 64 << 30
MAX_RATIO = 200
SMALL_BYTES = 64 << 20
MAX_ACCOUNT_BYTES = 16 << 20
ENCRYPTED = 0x1
READABLE = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA})


def sources(path: Path) -> list[Source]:
    """What of a file holds rows: itself, or where it is a zip, its files of conversations in order.

    Raises ObservatoryError where the zip is no export, holds several, is encrypted, damaged or a bomb.
    """
    with path.open("rb") as file:
        if not file.read(4).startswith(MAGICS):
            return [path]
    with _opened(path) as archive:
        found = [info for info in archive.infolist() if CONVERSATIONS.fullmatch(_base(info))]
        found = [info for info in found if not info.filename.startswith("__MACOSX/")]
        if not found:
            raise ObservatoryError(
                f"{path.name} is a zip archive but no known export (it holds no conversations.json); "
                "unpack it and give the file inside"
            )
        if len({_folder(info) for info in found}) > 1 or len({info.filename for info in found}) < len(found):
            raise ObservatoryError(
                f"{path.name} holds several exports; give each as an archive of its own, "
                "so that their people are told apart"
            )
        _require_readable(path, found)
        return [Member(path, info.filename) for info in sorted(found, key=lambda info: info.filename)]


def read_account(path: Path) -> str | None:
    """Raw id of the one person whose export an archive is, else None: the file is no archive or does not say."""
    with path.open("rb") as file:
        if not file.read(4).startswith(MAGICS):
            return None
    (first, *_) = sources(path)
    folder = first.member.rpartition("/")[0] if isinstance(first, Member) else ""
    with _opened(path) as archive:
        known = {info.filename: info for info in archive.infolist()}
        found = [known[name] for base in ACCOUNTS if (name := f"{folder}/{base}".lstrip("/")) in known]
        found = [info for info in found if info.file_size <= MAX_ACCOUNT_BYTES]
        _require_readable(path, found)
    for info in found:
        try:
            account = _account_in(parse_json(b"".join(read_blocks(Member(path, info.filename)))))
        except UnreadableError:
            continue
        if account is not None:
            return account
    return None


def _account_in(value: Any) -> str | None:
    people = value if isinstance(value, list) else [value]
    if len(people) != 1 or not isinstance(people[0], dict):
        return None
    names = (people[0].get(key) for key in ("id", "uuid", "email", "email_address"))
    return next((name.strip() for name in names if isinstance(name, str) and name.strip()), None)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, struct.error, OSError, ValueError, RuntimeError):
        raise ObservatoryError(
            f"{path.name} is not a readable zip archive (cut short or damaged); "
            "fetch it again, or unpack it and give the file inside"
        ) from None
    with archive:
        yield archive


def _require_readable(path: Path, members: list[zipfile.ZipInfo]) -> None:
    if any(info.flag_bits & ENCRYPTED for info in members):
        raise ObservatoryError(
            f"{path.name} is encrypted; unpack it with its password and give the file inside"
        )
    if any(info.compress_type not in READABLE for info in members):
        raise ObservatoryError(
            f"{path.name} is compressed in a way that cannot be read here; unpack it and give the file inside"
        )
    bombs = [
        info
        for info in members
        if info.file_size > SMALL_BYTES and info.file_size > MAX_RATIO * info.compress_size
    ]
    if bombs or sum(info.file_size for info in members) > MAX_TOTAL_BYTES:
        raise ObservatoryError(
            f"{path.name} unpacks to far more than an export holds and is not read; "
            "if it is genuine, unpack it and give the file inside"
        )


def _base(info: zipfile.ZipInfo) -> str:
    return info.filename.rpartition("/")[2]


def _folder(info: zipfile.ZipInfo) -> str:
    return info.filename.rpartition("/")[0]
