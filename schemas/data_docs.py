"""Great Expectations' Data Docs as pages that load nothing from elsewhere, written aside and put in place.

The generated pages fetch styles, scripts and pictures from public networks when they are opened. Those
references are taken out, and a content policy forbids the browser to fetch any; the pages stay readable
without them.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

POLICY = "default-src 'none'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self'"
STYLE = (
    "body{font-family:sans-serif;margin:2rem;line-height:1.4}table{border-collapse:collapse}"
    "td,th{border:1px solid #ccc;padding:.3rem .6rem;vertical-align:top}"
    ".text-success{color:#06703a}.text-danger{color:#b00020}"
)
HEAD = f'<head><meta http-equiv="Content-Security-Policy" content="{POLICY}"><style>{STYLE}</style>'
SCRIPTS = re.compile(r"<script\b[^>]*>.*?</script>", re.IGNORECASE | re.DOTALL)
OUTSIDE = re.compile(
    r"<(?:link|img|iframe)\b[^>]*?(?:href|src)\s*=\s*[\"']?(?:https?:)?//[^>]*>", re.IGNORECASE | re.DOTALL
)
STYLED = re.compile(r"url\(\s*[\"']?https?://[^)]*\)", re.IGNORECASE)
LINKS = re.compile(r"(<a\b[^>]*?)\s+href\s*=\s*([\"'])https?://.*?\2", re.IGNORECASE | re.DOTALL)
NEEDLESS = ("static/images", "static/fonts")


def site_config(folder: Path) -> dict[str, Any]:
    """Configuration of a static site in `folder`."""
    return {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        "show_how_to_buttons": False,
    }


@contextmanager
def publish_docs(folder: Path) -> Iterator[Path]:
    """A private folder beside `folder` to build the site in; it replaces the old site when all is written."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield aside
        make_offline(aside)
        _private(aside)
        if folder.exists():
            shutil.rmtree(folder)
        aside.replace(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def make_offline(folder: Path) -> None:
    """Take out of every page what it would fetch from elsewhere."""
    for part in NEEDLESS:
        shutil.rmtree(folder / part, ignore_errors=True)
    for sheet in folder.rglob("*.css"):
        sheet.write_text(STYLED.sub("none", sheet.read_text("utf-8")), encoding="utf-8")
    for page in folder.rglob("*.html"):
        text = SCRIPTS.sub("", page.read_text("utf-8"))
        text = STYLED.sub("none", LINKS.sub(r"\1", OUTSIDE.sub("", text)))
        page.write_text(re.sub(r"<head\b[^>]*>", HEAD, text, count=1, flags=re.IGNORECASE), encoding="utf-8")


def _private(folder: Path) -> None:
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
