"""Every partition definition of the graph."""

from __future__ import annotations

import dagster as dg

batches = dg.DynamicPartitionsDefinition(name="batches")
"""One key per ingested file. A whole table reads all batches of a batched one (Dagster's default mapping)."""
