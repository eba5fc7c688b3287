"""Comments on the published tables and columns as SQL, from the descriptions in their schemas.

`python -m schemas.comments` rewrites `sql/comments/published.sql`; a test holds the two together.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pandera.polars import DataFrameModel

from schemas.published import MODELS


def table_description(model: type[DataFrameModel]) -> str:
    """First paragraph of a model's docstring, on one line."""
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())


def comment_script() -> str:
    """Statements for every published table and column."""
    lines = ["-- Written by `python -m schemas.comments` from the published schemas; do not edit."]
    for name, model in MODELS.items():
        lines.append(f"\nCOMMENT ON TABLE {name} IS {_quoted(table_description(model))};")
        for column, schema in model.to_schema().columns.items():
            lines.append(f'COMMENT ON COLUMN {name}."{column}" IS {_quoted(schema.description or "")};')
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    Path(str(files("sql") / "comments" / "published.sql")).write_text(comment_script(), encoding="utf-8")
