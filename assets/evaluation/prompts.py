"""Prompt files of a suite, rendered and hashed; nothing of the models' own code is loaded before one is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

NOBODY = frozenset({"evaluation"})


def sources_of(seed_cluster_id: str | None) -> frozenset[str]:
    """Sources of a question to a model, by the cluster of usage that it was drafted from.

    An erasure keeps answers to questions that no usage went into, and takes those that have no source.
    """
    return frozenset() if seed_cluster_id else NOBODY


def render(folder: Path, name: str, **values: Any) -> str:
    """A prompt file with its values, as dagster_project.language_models.prompts renders it."""
    from dagster_project.language_models import prompts

    return prompts.render(folder, name, **values)


def digest(folder: Path, names: Sequence[str]) -> str:
    """Hash of prompt files, as dagster_project.language_models.prompts makes it."""
    from dagster_project.language_models import prompts

    return prompts.digest(folder, names)
