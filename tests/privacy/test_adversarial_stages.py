"""Exceptions with restricted text inside every stage, all logging on; and the layers that guard a home's files.

Section 1.4, attack (j), and the mutations whose layer is in the files: redaction, pseudonyms, Parquet footers, private
modes, safe error messages.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

import dagster_project.definitions  # noqa: F401 declares the steps
from dagster_project import cli, plan, running, steps
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home
from dagster_project.privacy import identity
from tests.privacy.adversarial_matcher import Matcher
from tests.privacy.adversarial_violations import file_violations, outside
from tests.privacy.adversarial_world import World, hostile_world
from tests.privacy.conftest import Hostile

shares_home = pytest.mark.xdist_group("hostile")
Patch = pytest.MonkeyPatch
QUOTED = "zqv7-quotedbyerr0r@canary.invalid"
INSIDE = {
    "conversations": "assets.conversations.batch.read_batch",
    "redacted_conversations": "dagster_project.privacy.redaction.redact_conversations",
    "current_conversations": "assets.conversations.assets.choose_current",
    "facets": "assets.clio.facets.read_facets",
    "embeddings": "assets.clio.vectors.embed_facet",
    "concerns": "assets.clio.vectors.score_in_slices",
    "clustering": "assets.clio.clusters.cluster_conversations",
    "cluster_changes": "assets.clio.changes.next_release",
    "bursts": "assets.clio.bursts.find_bursts",
    "projection": "assets.clio.map.projections.project_conversations",
    "audit": "assets.clio.audit.unaudited",
    "release": "assets.clio.release.count_release",
    "privacy_ledger": "dagster_project.privacy.ledger.Ledger.summary",
    "comparisons": "assets.clio.comparisons.compare",
    "cluster_lineage": "assets.clio.usage.quiet_clusters",
    "usage_map": "assets.clio.map.map_tables",
    "run_log": "dagster_project.lake.Lake.finished_steps",
    "warehouse": "dagster_project.warehouse.build",
}
"""For each step, a function that it calls on its rows."""
GATES = {
    "usage_map": "dagster_project.privacy.leaks.scan_verbatim",
    "cluster_lineage": "schemas.expectations.validate_published",
    "warehouse": "dagster_project.privacy.leaks.scan_canaries",
}
"""For some steps, a function that a gate calls on the tables it has staged."""


class Panic(BaseException):
    """What a panic in a Rust library is: no `Exception`."""


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Files are open to others unless somebody sees to it; and the command line's choice ends with the test."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Every record of every logger, formatted with its traceback."""
    records: list[str] = []
    handler = logging.Handler(logging.DEBUG)
    formatter = logging.Formatter("%(name)s %(message)s")
    handler.emit = lambda record: records.append(formatter.format(record))  # type: ignore[method-assign]
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield records
    root.removeHandler(handler)
    root.setLevel(level)


def failing(kind: type[BaseException]) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        logging.getLogger(__name__).debug("before the failure")
        sys.stdout.write("the stage is running")
        raise kind(f"could not convert {QUOTED} \ud800")

    return fail


def leaks_of_failure(
    home: Home,
    inside: str,
    kind: type[BaseException],
    log: list[str],
    capfd: pytest.CaptureFixture[str],
    patch: Patch,
) -> list[str]:
    """Where the words of an exception inside a function turn up: files, terminal, log, the error that is raised."""
    before = {path: path.stat().st_mtime_ns for path in outside(home)}
    patch.setattr(inside, failing(kind))
    with pytest.raises(ObservatoryError) as refusal:
        running.materialise(home)
    written = [path for path in outside(home) if path.stat().st_mtime_ns != before.get(path)]
    printed = "\n".join(capfd.readouterr())
    said = [("terminal", printed), ("log", "\n".join(log)), ("error", str(refusal.value))]
    assert any("before the failure" in line for line in log)
    assert any(path.suffix == ".db" for path in written)
    return Matcher([QUOTED]).leaks([*written, *said])


def stale(hostile: Hostile, folder: Path, stage: str) -> Home:
    """A copy of the home in which one step has to run again, and no other."""
    shutil.copytree(hostile.home.root, folder / "copy")
    home = Home(folder / "copy")
    table = steps.SPECS[stage].outputs[-1]
    shutil.rmtree(home.root / table.zone / table.name)
    planned = plan.plan_runs(list(steps.SPECS.values()), home)
    assert {name for run in planned for name in run.steps} == {stage}
    return home


def test_an_exception_is_planted_in_every_step() -> None:
    assert set(INSIDE) == {name for name, spec in steps.SPECS.items() if spec.suite is None}


@shares_home
@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "inside"),
    [*INSIDE.items(), *GATES.items()],
    ids=[*INSIDE, *(f"a gate of {stage}" for stage in GATES)],
)
def test_what_an_exception_quotes_reaches_only_the_restricted_zone(
    hostile: Hostile,
    stage: str,
    inside: str,
    tmp_path: Path,
    log: list[str],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: Patch,
) -> None:
    home = stale(hostile, tmp_path, stage)
    kind = Panic if stage in ("facets", "release") else ValueError
    assert leaks_of_failure(home, inside, kind, log, capfd, monkeypatch) == []
    details = [path.read_text("utf-8") for path in (home.restricted / "errors").iterdir()]
    assert len(details) == 1 and QUOTED in details[0]


@shares_home
def test_without_safe_messages_the_judge_objects(
    hostile: Hostile, tmp_path: Path, log: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: Patch
) -> None:
    monkeypatch.setattr(steps, "guarded", lambda run, work: work())
    home = stale(hostile, tmp_path, "facets")
    found = leaks_of_failure(home, INSIDE["facets"], ValueError, log, capfd, monkeypatch)
    assert any(".db: plain" in line for line in found), found


def test_an_error_before_the_first_step_quotes_nothing(
    tmp_path: Path, log: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: Patch
) -> None:
    file = hostile_world(0, 20).write(tmp_path / "w.jsonl")
    for target in ("assets.conversations.ingest.probe", "dagster_project.home.Home.add_batch"):
        with monkeypatch.context() as patch:
            patch.setattr(target, failing(ValueError))
            patch.setattr("sys.argv", ["observatory", "run", str(file), "--home", str(tmp_path / "home")])
            with pytest.raises(SystemExit):
                cli.main()
    printed = capfd.readouterr()
    assert printed.err.count("ValueError in fail") == 2
    assert Matcher([QUOTED]).leaks([("terminal", printed.out + printed.err), tmp_path / "home"]) == []


def read_only(home: Home, world: World, folder: Path, patch: Patch) -> Home:
    """Run the steps of one batch, from its file to concern scores, and nothing behind them."""
    runs = plan.plan_runs
    patch.setattr(
        plan,
        "plan_runs",
        lambda specs, home, **how: [run for run in runs(specs, home, **how) if run.batch is not None],
    )
    running.add_files(
        home, [world.write(folder / "w.jsonl")], format_name=None, privacy_unit="user", mapping={}
    )
    running.materialise(home)
    return home


def with_statistics(path: Path, schema: object) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, schema, write_statistics=True)


def open_to_all(patch: Patch) -> None:
    patch.setattr(Path, "chmod", lambda self, mode: None)
    patch.setattr("os.umask", lambda mask: mask)


FILES: dict[str, tuple[Callable[[Patch], object], str]] = {
    "no statistics in footers": (
        lambda p: p.setattr("dagster_project.lake._open", with_statistics),
        "statistics",
    ),
    "private modes": (open_to_all, "open to others"),
    "pseudonyms": (
        lambda p: p.setattr(
            identity.Pseudonymiser, "__call__", lambda self, raw: raw.encode().hex()[:32].ljust(32, "0")
        ),
        "user id",
    ),
    "the key of the pseudonyms": (
        lambda p: p.setattr(identity.hmac, "new", lambda key, message, digest: digest(message)),
        "user id",
    ),
}


@pytest.mark.parametrize("layer", FILES)
def test_without_a_guard_of_files_the_judge_objects(
    layer: str, home: Path, tmp_path: Path, cheap_embedder: None, monkeypatch: Patch
) -> None:
    switch_off, objection = FILES[layer]
    switch_off(monkeypatch)
    world = hostile_world(0, 20)
    found = file_violations(read_only(Home(home), world, tmp_path, monkeypatch), world)
    assert any(line.startswith(objection) for line in found), found


def test_without_redaction_the_readers_see_identifiers(
    home: Path, tmp_path: Path, cheap_embedder: None, monkeypatch: Patch
) -> None:
    world = hostile_world(0, 320)
    addresses = Matcher([canary for canary in world.canaries if "@" in canary])

    def unredacted(opened: Home) -> int:
        keys = [batch.key for batch in opened.batches()]
        frame = opened.lake.scan_batches("restricted", "redacted_conversations", keys)
        contents = pl.col("messages").list.eval(pl.element().struct.field("content")).list.join("\n")
        text = "\n".join(frame.select(contents).collect().to_series())
        return len({at for _, at in addresses.found_in(text)})

    assert unredacted(read_only(Home(home), world, tmp_path, monkeypatch)) == 0
    monkeypatch.setattr(
        "dagster_project.privacy.redaction.redact_conversations",
        lambda frame: (frame.with_columns(redactions=pl.lit(0, pl.UInt32)), {}),
    )
    assert unredacted(read_only(Home(tmp_path / "bare"), world, tmp_path, monkeypatch)) >= 8
