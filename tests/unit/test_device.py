"""Which device is used, and why: told by the driver and by what is installed, at no cost where there is nothing."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from dagster_project import device, doctor
from dagster_project.device import Device, choose_device, count_devices, lazy_queries_on
from dagster_project.errors import ObservatoryError
from dagster_project.home import Home
from dagster_project.settings import Settings
from tests.backends import needs_gpu


class Driver:
    """Stands in for libcuda."""

    def __init__(self, count: int, state: int = 0) -> None:
        self.count, self.state = count, state

    def cuInit(self, _: int) -> int:  # noqa: N802 the driver's own name
        return self.state

    def cuDeviceGetCount(self, pointer: ctypes.c_void_p) -> int:  # noqa: N802 the driver's own name
        ctypes.cast(pointer, ctypes.POINTER(ctypes.c_int))[0] = self.count
        return 0


def machine(monkeypatch: pytest.MonkeyPatch, devices: int, *installed: str) -> None:
    monkeypatch.setattr(device, "count_devices", lambda: devices)
    monkeypatch.setattr(device, "find_spec", lambda name: object() if name in installed else None)


def test_a_device_with_the_extra_is_taken_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 1, "cuml", "cudf_polars")
    assert choose_device("auto").kind == choose_device("gpu").kind == "gpu"
    assert choose_device("cpu") == Device("cpu", "the setting `device` says so")


def test_a_device_without_the_extra_is_left_alone_and_the_reason_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, 2, "cuml")
    chosen = choose_device("auto")
    assert chosen.kind == "cpu"
    assert "cudf_polars not installed" in chosen.reason and "lm-observatory[gpu]" in chosen.reason
    with pytest.raises(ObservatoryError, match="cudf_polars not installed"):
        choose_device("gpu")


def test_asking_for_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 0, "cuml", "cudf_polars")
    assert choose_device("auto") == Device("cpu", "no CUDA device found")
    with pytest.raises(ObservatoryError, match="set it to auto"):
        choose_device("gpu")
    with pytest.raises(ObservatoryError, match="one of auto, cpu, gpu"):
        choose_device("tpu")


def test_the_driver_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for driver, expected in ((Driver(3), 3), (Driver(0), 0), (Driver(1, state=100), 0)):
        monkeypatch.setattr(device.ctypes, "CDLL", lambda _, driver=driver: driver)
        assert count_devices() == expected

    def missing(_: str) -> None:
        raise OSError("no such library")

    monkeypatch.setattr(device.ctypes, "CDLL", missing)
    assert count_devices() == 0


def test_looking_for_a_device_imports_nothing_heavy() -> None:
    code = (
        "import sys; from dagster_project.device import choose_device; choose_device('auto');"
        "print([m for m in ('torch', 'polars', 'numpy', 'cuml', 'cudf_polars', 'cupy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_lazy_queries_go_to_the_device_and_only_inside_the_block() -> None:
    query = pl.LazyFrame({"user": [1, 1, 2]}).group_by("user").agg(n=pl.len())
    with lazy_queries_on(Device("cpu", "")):
        assert query.collect().height == 2
    engines = []
    with lazy_queries_on(Device("gpu", "")):
        from polars.lazyframe.engine_config import get_engine_affinity_override

        engines.append(get_engine_affinity_override())
        # Eager work stays on the processor, whatever the block says.
        assert pl.DataFrame({"user": [1, 1]}).group_by("user").agg(pl.len()).height == 1
    assert isinstance(engines[0], pl.GPUEngine) and get_engine_affinity_override() is None
    assert query.collect().height == 2


@pytest.mark.gpu
@needs_gpu
def test_the_releases_group_bys_run_on_the_device() -> None:
    rows = pl.DataFrame(
        {"cluster_id": ["a", "a", "b"], "user": [1, 2, 1]}, schema_overrides={"user": pl.UInt32}
    )
    query = rows.lazy().group_by("cluster_id", "user").agg(n=pl.len().cast(pl.Int64))
    engine = pl.GPUEngine(executor="in-memory", raise_on_fail=True)
    assert (
        query.collect(engine=engine)
        .sort("cluster_id", "user")
        .equals(query.collect().sort("cluster_id", "user"))
    )


def test_doctor_says_which_device_and_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def finding(wanted: str) -> doctor.Finding:
        Home(home).store_settings(Settings(device=wanted))  # type: ignore[call-arg]
        return next(found for found in doctor.examine(home) if found.subject == "clusters and map on")

    machine(monkeypatch, 0)
    assert finding("auto") == doctor.Finding(True, "clusters and map on", "cpu: no CUDA device found")
    assert not finding("gpu").ok
    machine(monkeypatch, 1, "cuml", "cudf_polars")
    assert finding("auto").detail.startswith("gpu: 1 CUDA device")
    assert finding("cpu").detail.startswith("cpu: the setting")
