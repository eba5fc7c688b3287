"""Statistics with their uncertainty: everything here returns an estimate and an interval."""

from dagster_project.statistics.discovery import false_discovery_rate
from dagster_project.statistics.intervals import (
    Interval,
    clustered_wilson,
    log_ratio_interval,
    log_ratio_p_value,
    prevalence_ratio,
    wilson,
)
from dagster_project.statistics.prevalence import prevalence_ratios
from dagster_project.statistics.shares import share_intervals
from dagster_project.statistics.trends import share_trends

__all__ = [
    "Interval",
    "clustered_wilson",
    "false_discovery_rate",
    "log_ratio_interval",
    "log_ratio_p_value",
    "prevalence_ratio",
    "prevalence_ratios",
    "share_intervals",
    "share_trends",
    "wilson",
]
