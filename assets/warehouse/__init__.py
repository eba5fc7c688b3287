"""The face of the published tables: the log of runs and the DuckDB file that people query."""
