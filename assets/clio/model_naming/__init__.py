"""Names, tree and their checks by a model, where the settings give a namer. Source: Clio G.5 and G.7; specs/clio.md."""

from __future__ import annotations

from assets.clio.model_naming.answers import Label
from assets.clio.model_naming.namer import NAMINGS, SHARED_TERMS, Level, ModelNamer, SharedNames

__all__ = ["NAMINGS", "SHARED_TERMS", "Label", "Level", "ModelNamer", "SharedNames"]
