"""What starts runs by itself: the inbox sensor for new files, and conditions for everything behind them.

Both are off until they are switched on (Automation page of the UI), so that a home only works when told to.
"""

from __future__ import annotations

import time

import dagster as dg

from dagster_project.errors import ObservatoryError
from dagster_project.home import Batch, Home
from dagster_project.partitions import batches

SETTLED_SECONDS = 5.0

batch_job = dg.define_asset_job(
    "read_batch",
    selection=dg.AssetSelection.assets(
        "conversations", "quarantine", "redacted_conversations", "facets", "embeddings", "concerns"
    ),
    partitions_def=batches,
    description="One new batch, from its file to embeddings and concern scores.",
)
release_job = dg.define_asset_job(
    "release",
    selection=dg.AssetSelection.all()
    - dg.AssetSelection.assets(
        "conversations", "quarantine", "redacted_conversations", "facets", "embeddings", "concerns"
    ),
    description="Clusters over all batches, the gates, the published tables and the warehouse.",
)
jobs = [batch_job, release_job]


def register_inbox(home: Home, now: float) -> tuple[list[Batch], list[str]]:
    """Register the inbox's files that have stopped changing; those already known give their batch again.

    Returns the batches, and why other files were refused: one bad file does not hold up the rest.
    """
    from dagster_project.running import add_files

    batches, refusals = [], []
    for path in sorted(home.inbox.iterdir()):
        if path.name.startswith(".") or not path.is_file() or now - path.stat().st_mtime < SETTLED_SECONDS:
            continue
        try:
            ((batch, _),) = add_files(home, [path], format_name=None, privacy_unit="user", mapping={})
            batches.append(batch)
        except ObservatoryError as error:
            refusals.append(str(error))
    return batches, refusals


@dg.sensor(job=batch_job, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.STOPPED)
def inbox_sensor(context: dg.SensorEvaluationContext, home: dg.ResourceParam[object]) -> dg.SensorResult:
    """Adds every file that is put into the home's `inbox/` as a batch and reads it."""
    found, refusals = register_inbox(home.open(), time.time())  # type: ignore[attr-defined]
    for refusal in refusals:
        context.log.error(refusal)
    known = set(context.instance.get_dynamic_partitions("batches"))
    new = [batch.key for batch in found if batch.key not in known]
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=key, partition_key=key) for key in new],
        dynamic_partitions_requests=[batches.build_add_request(new)] if new else [],
    )


conditions_sensor = dg.AutomationConditionSensorDefinition(
    "automation_conditions", target=dg.AssetSelection.all(), default_status=dg.DefaultSensorStatus.STOPPED
)
sensors = [inbox_sensor, conditions_sensor]
