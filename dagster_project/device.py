"""Where the heavy work runs: on the processor, or on a CUDA device that is there and may be used.

Looking for a device asks the driver alone; nothing heavy is imported, and without a driver nothing happens at all.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

from dagster_project.errors import ObservatoryError

CHOICES = ("auto", "cpu", "gpu")
PACKAGES = ("cuml", "cudf_polars")
DRIVER = "libcuda.so.1"
INSTALL = "pip install 'lm-observatory[gpu]'"


@dataclass(frozen=True)
class Device:
    """What is used (`cpu` or `gpu`), and why."""

    kind: str
    reason: str


def choose_device(wanted: str = "auto") -> Device:
    """Settle a home's setting `device`.

    `auto` takes a CUDA device where one is found and the extra `gpu` is installed. Raises ObservatoryError where
    `gpu` is asked for and cannot be had, and on any other word.
    """
    if wanted not in CHOICES:
        raise ObservatoryError(f"the device is one of {', '.join(CHOICES)}")
    if wanted == "cpu":
        return Device("cpu", "the setting `device` says so")
    found = count_devices()
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if found and not missing:
        return Device("gpu", f"{found} CUDA device(s) found, and the extra `gpu` is installed")
    lack = f"{', '.join(missing)} not installed ({INSTALL})" if found else "no CUDA device found"
    if wanted == "gpu":
        raise ObservatoryError(
            f"the setting `device` asks for a GPU, but: {lack}; mend that, or set it to auto"
        )
    return Device("cpu", lack)


def count_devices() -> int:
    """CUDA devices that the driver lets this process use; 0 without a driver."""
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return 0
    count = ctypes.c_int(0)
    usable = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return count.value if usable else 0


@contextmanager
def lazy_queries_on(device: Device) -> Iterator[None]:
    """Collect lazy Polars queries in this block on the device; what it cannot do, Polars does on the processor.

    For steps that group all conversations. Eager operations, and queries that name their engine, stay where they
    are. The tables fit a device's memory, so the engine is the one without partitions.
    """
    if device.kind == "cpu":
        yield
        return
    import polars as pl

    with pl.Config(engine_affinity=pl.GPUEngine(executor="in-memory")):
        yield
