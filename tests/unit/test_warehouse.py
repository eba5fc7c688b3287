"""The DuckDB file: complete by itself, and locked."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from dagster_project import warehouse
from dagster_project.errors import ObservatoryError
from schemas.catalogue import CLUSTERS


@pytest.fixture
def built(tmp_path: Path) -> Path:
    source = tmp_path / "clusters.parquet"
    pl.DataFrame({"name": ["a", "b"], "users": [10, 20]}).write_parquet(source)
    path = tmp_path / "w.duckdb"
    views = ["CREATE VIEW published.big AS SELECT * FROM published.clusters WHERE users > 15"]
    comments = ["COMMENT ON TABLE published.clusters IS 'who''s who'"]
    warehouse.build(path, {CLUSTERS: source}, views, comments, {})
    source.unlink()
    return path


def test_the_file_answers_after_being_moved(built: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "copy.duckdb"
    moved.parent.mkdir()
    shutil.move(built, moved)
    assert warehouse.query(moved, "SELECT name FROM big").to_series().to_list() == ["b"]
    assert warehouse.query(moved, "SELECT comment FROM duckdb_tables()").item() == "who's who"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY clusters TO '/tmp/stolen.csv'",
        "ATTACH '/tmp/other.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET allowed_directories = ['/']",
        "CREATE TABLE t (a INT)",
        "DROP TABLE clusters",
        "INSERT INTO clusters VALUES ('x', 1)",
        "EXPORT DATABASE '/tmp/stolen'",
    ],
)
def test_a_statement_cannot_reach_outside_or_change_anything(built: Path, statement: str) -> None:
    with pytest.raises(ObservatoryError):
        warehouse.query(built, statement)
    assert warehouse.query(built, "SELECT count(*) FROM clusters").item() == 2
    assert not Path("/tmp/stolen.csv").exists()


def test_failing_rows_of_checks_are_counted(tmp_path: Path) -> None:
    source = tmp_path / "c.parquet"
    pl.DataFrame({"users": [1, 2, 30]}).write_parquet(source)
    checks = {"few": "SELECT * FROM published.clusters WHERE users < 10", "none": "SELECT 1 WHERE false"}
    assert warehouse.build(tmp_path / "w.duckdb", {CLUSTERS: source}, [], [], checks) == {"few": 2, "none": 0}


def test_python_objects_are_out_of_reach(built: Path) -> None:
    hidden = pl.DataFrame({"secret": ["x"]})
    with pytest.raises(ObservatoryError):
        warehouse.query(built, "SELECT * FROM hidden")
    assert hidden.height == 1


def test_without_a_warehouse_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ObservatoryError, match="observatory run"):
        warehouse.query(tmp_path / "none.duckdb", "SELECT 1")


def test_a_reader_does_not_stop_a_new_file_from_being_served(built: Path, tmp_path: Path) -> None:
    with warehouse.open_locked(built) as reader:
        source = tmp_path / "new.parquet"
        pl.DataFrame({"name": ["c"], "users": [30]}).write_parquet(source)
        warehouse.build(tmp_path / "next.duckdb", {CLUSTERS: source}, [], [], {})
        (tmp_path / "next.duckdb").replace(built)
        assert reader.execute("SELECT count(*) FROM clusters").fetchone() == (2,)
    assert warehouse.query(built, "SELECT name FROM clusters").item() == "c"
