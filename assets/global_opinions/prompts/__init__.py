"""Prompts of the opinions: one Jinja file each with its version in its name, and what stands around a question by language."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
QUESTION, PREFILL, TRANSLATE = (f"{name}.v1.jinja" for name in ("question", "prefill", "translate"))
FRAMES = "frames.v1.yaml"
FILES = (QUESTION, PREFILL, TRANSLATE, FRAMES)
"""Every file of the folder that an item is made from."""
