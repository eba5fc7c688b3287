"""What differential privacy has cost so far, for everyone to see."""

from __future__ import annotations

import polars as pl

from dagster_project.leak_gate import lone_table_gates
from dagster_project.privacy.ledger import Ledger
from dagster_project.steps import Result, Step, table_step
from schemas.catalogue import CLUSTERS, PRIVACY_LEDGER


@table_step(
    outputs=[PRIVACY_LEDGER],
    inputs=[CLUSTERS],
    version="1",
    group="release",
    gates=lone_table_gates(PRIVACY_LEDGER),
)
def privacy_ledger(step: Step, clusters: pl.LazyFrame) -> Result:
    """Publishes what noisy releases have spent: epsilon and delta by release and mechanism."""
    del clusters  # an order, not data
    summary = Ledger(step.home.ledger).summary()
    return Result({PRIVACY_LEDGER.name: summary}, rows_in=summary.height)
