"""What starts runs by itself: the inbox sensor for new files, and conditions for everything behind them.

Both are off until they are switched on (Automation page of the UI), so that a home only works when told to.
"""

from __future__ import annotations

import dagster as dg

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


def register_inbox(home: Home, now: float) -> list[Batch]:
    """Register the files of the inbox that have stopped changing; files already known give their batch again.

    Raises ObservatoryError when a file's format cannot be told or it has no user ids.
    """
    from dagster_project.running import add_files

    files = sorted(path for path in home.inbox.iterdir() if path.is_file() and not path.name.startswith("."))
    settled = [path for path in files if now - path.stat().st_mtime >= SETTLED_SECONDS]
    return [batch for batch, _ in add_files(home, settled, format_name=None, privacy_unit="user", mapping={})]


@dg.sensor(job=batch_job, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.STOPPED)
def inbox_sensor(context: dg.SensorEvaluationContext, home: dg.ResourceParam[object]) -> dg.SensorResult:
    """Adds every file that is put into the home's `inbox/` as a batch and reads it."""
    import time

    opened: Home = home.open()  # type: ignore[attr-defined]
    found = register_inbox(opened, time.time())
    known = set(context.instance.get_dynamic_partitions("batches"))
    new = [batch for batch in found if batch.key not in known]
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=batch.key, partition_key=batch.key) for batch in new],
        dynamic_partitions_requests=[batches.build_add_request([batch.key for batch in new])] if new else [],
    )


conditions_sensor = dg.AutomationConditionSensorDefinition(
    "automation_conditions", target=dg.AssetSelection.all(), default_status=dg.DefaultSensorStatus.STOPPED
)
sensors = [inbox_sensor, conditions_sensor]
