"""The SQL of the warehouse: views that people query, checks whose rows are failures, comments.

Statements name their tables without a schema; run them where the published tables are in the current schema.
"""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from importlib.resources import files

SOURCE = re.compile(r"\b(?:FROM|JOIN)\s+([a-z_]+)", re.IGNORECASE)


def _texts(folder: str) -> dict[str, str]:
    """Text of each .sql file of a folder, by stem, in the order of the names."""
    found = (files(__name__) / folder).iterdir()
    names = sorted(file.name for file in found if file.name.endswith(".sql"))
    return {name.removesuffix(".sql"): (files(__name__) / folder / name).read_text("utf-8") for name in names}


def view_names() -> list[str]:
    """Names of all views, each after those it reads."""
    texts = _texts("views")
    return list(
        TopologicalSorter(
            {name: texts.keys() & set(SOURCE.findall(text)) - {name} for name, text in texts.items()}
        ).static_order()
    )


def view_statements() -> list[str]:
    """Statements that create the views with their comments, in an order in which they can run."""
    texts = _texts("views")
    return [texts[name] for name in view_names()]


def comment_statements() -> list[str]:
    """Statements that describe the published tables and columns; see `schemas.comments`."""
    return list(_texts("comments").values())


def check_statements() -> dict[str, str]:
    """Query of each check by name; every row it returns is a failure."""
    return _texts("checks")
