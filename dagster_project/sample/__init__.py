"""Synthetic multilingual conversations with known truth: what tests, benchmarks and newcomers run on."""

from dagster_project.sample.canaries import Canary
from dagster_project.sample.drift import drift_schedule
from dagster_project.sample.generate import SampleSummary, generate_sample, write_sample

__all__ = ["Canary", "SampleSummary", "drift_schedule", "generate_sample", "write_sample"]
