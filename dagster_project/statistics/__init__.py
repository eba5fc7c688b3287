"""Statistics with their uncertainty: everything here returns an estimate and an interval."""

from dagster_project.statistics.intervals import Interval, log_ratio_interval, prevalence_ratio, wilson
from dagster_project.statistics.prevalence import prevalence_ratios

__all__ = ["Interval", "log_ratio_interval", "prevalence_ratio", "prevalence_ratios", "wilson"]
