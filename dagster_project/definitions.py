"""The code location: every room, the resources they share, jobs and sensors."""

from __future__ import annotations

import os
import warnings

import dagster as dg

from dagster_project.settings import silence_telemetry

silence_telemetry()
warnings.filterwarnings("ignore", category=dg.BetaWarning)

import assets.clio.assets  # noqa: E402 switches and filters come before any room is imported
import assets.clio.audit_assets  # noqa: E402
import assets.clio.comparison_assets  # noqa: E402
import assets.clio.ledger_assets  # noqa: E402
import assets.clio.lineage_assets  # noqa: E402
import assets.clio.map_assets  # noqa: E402
import assets.clio.release_assets  # noqa: E402
import assets.conversations.assets  # noqa: E402
import assets.discrimination.assets  # noqa: E402
import assets.evaluation.assets  # noqa: E402
import assets.global_opinions.opinion_assets  # noqa: E402
import assets.model_written_evals.writing_assets  # noqa: E402
import assets.moral_self_correction.assets  # noqa: E402
import assets.warehouse.assets  # noqa: E402
from dagster_project import automation  # noqa: E402
from dagster_project.resources import HomeResource, LakeIOManager  # noqa: E402

os.environ.setdefault("OBSERVATORY_HOME", "observatory-home")
HOME = dg.EnvVar("OBSERVATORY_HOME")

ROOMS = [
    assets.conversations.assets,
    assets.clio.assets,
    assets.clio.audit_assets,
    assets.clio.release_assets,
    assets.clio.ledger_assets,
    assets.clio.comparison_assets,
    assets.clio.lineage_assets,
    assets.clio.map_assets,
    assets.discrimination.assets,
    assets.evaluation.assets,
    assets.global_opinions.opinion_assets,
    assets.model_written_evals.writing_assets,
    assets.moral_self_correction.assets,
    assets.warehouse.assets,
]

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(ROOMS),
    resources={"home": HomeResource(root=HOME), "lake": LakeIOManager(root=HOME)},
    jobs=automation.jobs,
    sensors=automation.sensors,
)
