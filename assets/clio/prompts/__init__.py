"""Prompts of Clio, one Jinja file each with its version in its name; `dagster_project.language_models.prompts` reads them."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
NAMER = (
    "name_group.v1.jinja",
    "propose_parents.v1.jinja",
    "merge_parents.v1.jinja",
    "choose_parent.v1.jinja",
    "name_parent.v1.jinja",
)
AUDITOR = ("rate_privacy.v1.jinja",)
