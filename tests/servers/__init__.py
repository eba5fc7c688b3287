"""Servers that tests and benchmarks start themselves, on 127.0.0.1."""
