"""Pseudonyms: one per person whatever the spelling, none without the secret, a secret that only its owner can
read.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.errors import ObservatoryError
from dagster_project.privacy.identity import Pseudonymiser, canonical_id, load_or_create_secret

SECRET = bytes(range(32))


@pytest.mark.parametrize(
    "variant",
    [
        "ana.lópez@example.com",
        "  ANA.LÓPEZ@EXAMPLE.COM\n",
        "ana.lo\u0301pez@example.com",
        "\uff41na.lópez@example.com",
        "\u200bana.ló\u200dpez@example.com\ufeff",
        "\u202aana.lópez@example.com\u202c",
        "ana. lópez\t@example.com",
        "ana.lópez\u00a0@example\u2028.com",
        "ana.lópez\ufe0f@exam\u034fple.com",
        "ana\u3164.lópez\u2800@example\U000e0101.com\x00",
    ],
)
def test_spellings_of_one_id_share_a_pseudonym(variant: str) -> None:
    pseudonymise = Pseudonymiser(SECRET)
    assert pseudonymise(variant) == pseudonymise("Ana.López@example.com")


def test_pseudonym_is_the_documented_hmac() -> None:
    expected = hmac.new(SECRET, b"user-7", hashlib.sha256).hexdigest()[:32]
    assert Pseudonymiser(SECRET)(" USER-7 ") == expected


def test_different_people_and_different_secrets_differ() -> None:
    pseudonymise = Pseudonymiser(SECRET)
    assert len({pseudonymise(f"user {i}") for i in range(1_000)}) == 1_000
    assert pseudonymise("user") != Pseudonymiser(bytes(32))("user")


@given(st.text())
def test_any_text_gives_32_hexadecimal_characters_and_canonical_form_is_stable(raw_id: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", Pseudonymiser(SECRET)(raw_id))
    assert canonical_id(canonical_id(raw_id)) == canonical_id(raw_id)


def test_lone_surrogates_do_not_raise() -> None:
    pseudonymise = Pseudonymiser(SECRET)
    assert pseudonymise("\ud800") != pseudonymise("\udfff")


def test_repr_hides_the_secret() -> None:
    assert "hidden" in repr(Pseudonymiser(SECRET)) and repr(SECRET)[2:20] not in repr(Pseudonymiser(SECRET))


def test_secret_is_drawn_once_private_and_random(tmp_path: Path) -> None:
    path = tmp_path / "restricted" / "pseudonym.key"
    secret = load_or_create_secret(path)
    assert len(secret) == 32 and load_or_create_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert load_or_create_secret(tmp_path / "other.key") != secret


def test_processes_that_start_together_read_one_secret(tmp_path: Path) -> None:
    path = tmp_path / "pseudonym.key"
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: load_or_create_secret(path), range(64)))
    assert len(secrets) == 1


def test_damaged_or_readable_secrets_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "pseudonym.key"
    load_or_create_secret(path)
    path.chmod(0o644)
    with pytest.raises(ObservatoryError, match="chmod 600"):
        load_or_create_secret(path)
    path.chmod(0o600)
    path.write_bytes(os.urandom(7))
    with pytest.raises(ObservatoryError, match="32 bytes"):
        load_or_create_secret(path)
    with pytest.raises(ObservatoryError):
        Pseudonymiser(b"short")
