"""Files that appear in the inbox become batches by themselves."""

from __future__ import annotations

import os
import time
from pathlib import Path

import dagster as dg
import pytest

from dagster_project import automation, running
from dagster_project.definitions import defs
from dagster_project.home import Home
from dagster_project.resources import HomeResource
from schemas import catalogue
from tests.support import write_conversations


@pytest.fixture
def inbox(home: Path) -> Path:
    return Home(home).inbox


def settle(path: Path) -> None:
    old = time.time() - 60
    os.utime(path, (old, old))


def evaluate(home: Path, instance: dg.DagsterInstance) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, resources={"home": HomeResource(root=str(home))})
    result = automation.inbox_sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def test_a_settled_file_is_requested_once(home: Path, inbox: Path) -> None:
    settle(write_conversations(inbox / "a.jsonl", 20))
    growing = write_conversations(inbox / "still-copied.jsonl", 5)
    os.utime(growing, (time.time() + 3600, time.time() + 3600))
    instance = dg.DagsterInstance.ephemeral()
    first = evaluate(home, instance)
    requests = list(first.run_requests or [])
    assert len(requests) == 1 and len(first.dynamic_partitions_requests or []) == 1
    instance.add_dynamic_partitions("batches", [str(requests[0].partition_key)])
    assert not evaluate(home, instance).run_requests


def test_a_refused_file_does_not_hold_up_the_others(home: Path, inbox: Path) -> None:
    file = inbox / "anonymous.jsonl"
    file.write_text('{"messages": [{"role": "user", "content": "hello there, how do I bake"}]}\n')
    settle(file)
    settle(write_conversations(inbox / "b.jsonl", 20))
    batches, refusals = automation.register_inbox(Home(home), time.time())
    assert len(batches) == 1 and len(refusals) == 1
    assert "--privacy-unit" in refusals[0] and "bake" not in refusals[0]


def request(home: Path, instance: dg.DagsterInstance) -> str:
    """The batch that one evaluation requests, added to Dagster as its daemon does."""
    (requested,) = evaluate(home, instance).run_requests or []
    instance.add_dynamic_partitions("batches", [str(requested.partition_key)])
    return str(requested.partition_key)


def test_a_file_that_cannot_be_read_is_taken_out_until_it_changes(
    home: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBSERVATORY_HOME", str(home))
    file, instance = (
        write_conversations(inbox / "half.jsonl", 20, bad_lines=20),
        dg.DagsterInstance.ephemeral(),
    )
    settle(file)
    key = request(home, instance)
    assert not evaluate(home, instance).run_requests and len(Home(home).batches()) == 1
    job = defs.resolve_job_def("read_batch")
    run = job.execute_in_process(instance=instance, partition_key=key, raise_on_error=False)
    assert not run.success
    for _ in range(2):
        assert not evaluate(home, instance).run_requests
        assert Home(home).batches() == [] and instance.get_dynamic_partitions("batches") == []
    settle(write_conversations(file, 20))
    assert request(home, instance) != key


def test_a_batch_that_is_known_keeps_what_it_was_added_with(home: Path, inbox: Path) -> None:
    file = write_conversations(inbox / "a.jsonl", 20)
    settle(file)
    opened = Home(home)
    ((batch, _),) = running.add_files(
        opened, [file], format_name="openai", privacy_unit="conversation", mapping={"model": "model"}
    )
    assert request(home, dg.DagsterInstance.ephemeral()) == batch.key
    assert opened.batches() == [batch]


def test_nothing_is_registered_while_a_run_works_in_the_home(home: Path, inbox: Path) -> None:
    settle(write_conversations(inbox / "a.jsonl", 20))
    instance = dg.DagsterInstance.ephemeral()
    with running.only_run(Home(home)):
        tick = evaluate(home, instance)
    assert not tick.run_requests and "wait" in str(tick.skip_reason)
    assert Home(home).batches() == []
    assert request(home, instance)


def test_a_partition_that_is_no_batch_is_taken_out(home: Path, inbox: Path) -> None:
    settle(write_conversations(inbox / "a.jsonl", 20))
    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions("batches", ["by-hand"])
    key = request(home, instance)
    assert instance.get_dynamic_partitions("batches") == [key]


def test_nothing_starts_by_itself_before_it_is_switched_on() -> None:
    for sensor in defs.sensors or []:
        assert sensor.default_status == dg.DefaultSensorStatus.STOPPED  # type: ignore[union-attr]


def test_both_jobs_cover_the_graph_between_them() -> None:
    evaluated = {dg.AssetKey(table.name) for table in catalogue.tables() if table.suite}
    keys = set(defs.resolve_asset_graph().get_all_asset_keys()) - evaluated
    jobs = [defs.resolve_job_def(name) for name in ("read_batch", "release")]
    covered = [set(job.asset_layer.selected_asset_keys) for job in jobs]
    assert covered[0] | covered[1] == keys
    assert not covered[0] & covered[1]
