"""Prompts: one Jinja file each, with a version in its name; what is quoted in them stands between marks nobody can guess.

Source: specs/privacy_reliability.md 3.3, prompt injection.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

PURPOSE = b"mark of a quoted text"
MARK_CHARACTERS = 16


@lru_cache(maxsize=64)
def _template(folder: Path, name: str) -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # A prompt is text, not HTML: escaping would change what the model reads.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(folder), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name)


def render(folder: Path, name: str, **values: object) -> str:
    """The prompt of a file, without white space at its ends. Raises jinja2.UndefinedError where a value is missing."""
    return _template(folder, name).render(values).strip()


def digest(folder: Path, names: Sequence[str]) -> str:
    """Sixteen hexadecimal characters that change with the content of any of the files."""
    content = b"".join(
        name.encode() + b"\0" + hashlib.sha256((folder / name).read_bytes()).digest()
        for name in sorted(names)
    )
    return hashlib.sha256(content).hexdigest()[:16]


def mark(secret: bytes, texts: Sequence[str]) -> str:
    """The mark around quoted texts: as good as random to whoever wrote them, and the same each time they are asked about.

    An HMAC of the texts under the home's secret, so the answer can be kept in the call cache.
    """
    key = hmac.digest(secret, PURPOSE, "sha256")
    quoted = b"".join(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts)
    return hmac.digest(key, quoted, "sha256").hex()[:MARK_CHARACTERS]


def without(text: str, chosen: str) -> str:
    """The text without the mark, also where taking it out would put a new one together."""
    while chosen in text:
        text = text.replace(chosen, "")
    return text
