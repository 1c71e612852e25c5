"""Whole processes measured from outside, and the machine they ran on."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("triptych", "av", "numpy", "torch", "timm", "librosa", "openvino", "faster-whisper")


@dataclass(frozen=True, slots=True)
class Run:
    """One process from start to end, its children with it."""

    wall_s: float
    cpu_s: float
    peak_mb: float  #: largest sum of the resident memory of all its processes
    status: int


def measured(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end; time and memory as seen from outside."""
    peak: list[float] = [0.0]
    over = threading.Event()
    with tempfile.TemporaryFile() as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            list(command), env=os.environ | (env or {}), stdout=log, stderr=subprocess.STDOUT
        )
        watcher = threading.Thread(target=_watch, args=(process.pid, peak, over), daemon=True)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)  # no polling: warm runs last 0.1 s
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        over.set()
        watcher.join()
        if process.returncode not in (0, 1):  # 1: some files failed
            log.seek(0)
            sys.exit(f"{' '.join(command)}\n{log.read().decode(errors='replace')}")
    # The process's own largest size is a lower bound where it ended between two looks.
    peak_mb = max(peak[0], usage.ru_maxrss / 1024)
    return Run(wall_s, usage.ru_utime + usage.ru_stime, peak_mb, process.returncode)


def _watch(pid: int, peak: list[float], over: threading.Event) -> None:
    """Keep the largest resident memory of a process tree, looked at 20 times a second."""
    try:
        root = psutil.Process(pid)
        while not over.wait(0.05):
            total = 0
            for member in (root, *root.children(recursive=True)):
                try:
                    total += member.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            peak[0] = max(peak[0], total / 2**20)
    except psutil.NoSuchProcess:
        return


def spread(values: Sequence[float]) -> dict[str, Any]:
    """A figure with what is needed to trust it.

    >>> spread([3.0, 1.0, 2.0])
    {'n': 3, 'median': 2.0, 'min': 1.0, 'max': 3.0}
    """
    return {
        "n": len(values),
        "median": round(statistics.median(values), 4),
        "min": round(min(values), 4),
        "max": round(max(values), 4),
    }


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Mean and standard deviation over seeds.

    >>> summary([0.5, 0.7])["mean"]
    0.6
    """
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return {
        "mean": round(statistics.fmean(values), 4),
        "std": round(spread, 4),
        "seeds": [round(v, 4) for v in values],
    }


def figures(runs: Sequence[Run], media_s: float) -> dict[str, Any]:
    """All figures of repeated runs of one command."""
    return {
        "wall_s": spread([r.wall_s for r in runs]),
        "cpu_s": spread([r.cpu_s for r in runs]),
        "video_s_per_wall_s": spread([media_s / r.wall_s for r in runs]),
        "peak_mb": spread([r.peak_mb for r in runs]),
    }


def ratios(over: Sequence[Run], under: Sequence[Run]) -> dict[str, Any]:
    """How many times as long one took as the other, pair by pair."""
    return spread([a.wall_s / b.wall_s for a, b in zip(over, under, strict=True)])


def machine() -> dict[str, Any]:
    """Where the figures were taken."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((x.split(":", 1)[1].strip() for x in lines if "model name" in x), model)
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "load_at_start": [round(load, 2) for load in os.getloadavg()],
    }


def versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield name, ""
