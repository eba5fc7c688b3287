"""The set-up starts with a Python that the project runs on, or stops before it has fetched anything."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
# Says that it is another version, and fails to make an environment.
PRETENDER = (
    "#!/bin/sh\nexec {python} -c 'import sys; sys.version_info = ({version}, 0); exec(sys.argv[2])' \"$@\"\n"
)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("version", "fit"), [("3, 10", False), ("3, 11", True), ("3, 13", True), ("3, 14", False)]
)
def test_another_python_is_named_before_anything_is_fetched(tmp_path: Path, version: str, fit: bool) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copyfile(REPOSITORY / name, tmp_path / name)
    python = tmp_path / "pretender"
    python.write_text(PRETENDER.format(python=sys.executable, version=version))
    python.chmod(0o700)
    made = subprocess.run(
        ["make", "install", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert made.returncode
    assert ("Python 3.11 to 3.13 is needed" in made.stderr) is not fit
    assert ("-m venv" in made.stdout) is fit


def test_the_versions_are_those_of_the_package() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
    assert "Python 3.11 to 3.13" in (REPOSITORY / "README.md").read_text("utf-8")
