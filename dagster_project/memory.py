"""Resident memory of this process: its peak per stage, and what was freed given back to the system."""

from __future__ import annotations

import contextlib
import ctypes
import resource
from pathlib import Path


def release_freed() -> None:
    """Give freed memory back where the C library keeps it (glibc); elsewhere there is nothing to do.

    Buffers of ever other sizes, as a model's activations are, leave hundreds of MiB of holes that stay resident.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def reset_peak() -> None:
    """Start measuring a new peak where the kernel can do so (Linux); elsewhere the process-wide peak goes on."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_megabytes() -> float:
    """Peak resident memory in MiB since `reset_peak`, or of the whole process where the kernel keeps no such mark."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
