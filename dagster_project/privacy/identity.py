"""Keyed pseudonyms for user ids: stable inside one home, meaningless without its secret.

An unkeyed hash of an e-mail address can be reversed with a dictionary, so the key is a secret of the home
(specs/privacy_reliability.md, section 1.3, point 11).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from dagster_project.errors import ObservatoryError
from dagster_project.files import PRIVATE_FILE, make_private, sync_folder

SECRET_BYTES = 32
PSEUDONYM_CHARACTERS = 32
# Controls, format characters, line breaks and blanks, and what else renders as nothing (Unicode's
# Default_Ignorable_Code_Point, and the blank Braille cell): one person could add them to an id at will.
INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def load_or_create_secret(path: Path) -> bytes:
    """Read the home's 32 secret bytes, drawing them once on first use (file mode 0600).

    Creation links a finished file into place, so of two processes that start together exactly one wins and
    both read the same secret. Raises ObservatoryError when the file is damaged or others may read it.
    """
    if not path.exists():
        _create_secret(path)
    if path.stat().st_mode & 0o077:
        raise ObservatoryError(f"others can read {path.name}; run `chmod 600` on it, then try again")
    secret = path.read_bytes()
    if len(secret) != SECRET_BYTES:
        raise ObservatoryError(
            f"{path.name} does not hold {SECRET_BYTES} bytes; restore it from a backup (a new one would give "
            "every user a new key, so delete it only together with the restricted tables)"
        )
    return secret


def _create_secret(path: Path) -> None:
    make_private(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def canonical_id(raw_id: str) -> str:
    """One string for every variant of an id: NFKC, casefolded, nothing blank or invisible anywhere."""
    folded, before = _folded(raw_id), raw_id
    # Casefolding and leaving out characters can undo normalisation, and the reverse.
    while folded != before:
        folded, before = _folded(folded), folded
    return folded


def _folded(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in UNSEEN.sub("", folded) if unicodedata.category(c) not in INVISIBLE)


class Pseudonymiser:
    """Maps raw user ids to 32 hexadecimal characters, the same for every spelling of one id."""

    def __init__(self, secret: bytes) -> None:
        """Take the home's secret. Raises ObservatoryError when it is too short to protect anything."""
        if len(secret) < SECRET_BYTES:
            raise ObservatoryError(f"the pseudonym secret must hold at least {SECRET_BYTES} bytes")
        self._secret = secret

    def __call__(self, raw_id: str) -> str:
        """HMAC-SHA256 of the canonical id, first 32 hexadecimal characters."""
        digest = hmac.new(self._secret, canonical_id(raw_id).encode("utf-8", "surrogatepass"), hashlib.sha256)
        return digest.hexdigest()[:PSEUDONYM_CHARACTERS]

    def __repr__(self) -> str:
        """Show nothing of the secret."""
        return "Pseudonymiser(secret=<hidden>)"


def keyed_rank(secret: bytes, purpose: str, messages: Iterable[str]) -> list[bytes]:
    """HMAC-SHA256 of each message under a key of its own for `purpose`: an order that nobody else can foresee.

    The order depends on the home's secret and on the messages alone, so it is the same in every run and whatever the
    order of the input.
    """
    key = hmac.digest(secret, purpose.encode(), "sha256")
    return [hmac.digest(key, message.encode("utf-8", "surrogatepass"), "sha256") for message in messages]
