"""`python -m dagster_project` is `observatory`."""

from dagster_project.cli import main

main()
