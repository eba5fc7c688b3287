"""How a benchmark tells its figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster_project.bench import machine


def report(figures: Mapping[str, Any], file: Path | None) -> None:
    """Print the figures beside what they were measured on, and write the same to a file where one is named."""
    text = json.dumps({"machine": machine(), **figures}, indent=1)
    print(text)
    if file is not None:
        file.write_text(text + "\n", "utf-8")
