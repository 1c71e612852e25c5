"""Runs that are at work on a store, so that nothing they need is pruned."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import math
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from triptych.features.layout import USE_GRAIN_S

__all__ = ["in_use", "needed_since", "running"]

log = logging.getLogger(__name__)

_FOLDER = ".jobs"
_WEEK_S = 7 * 24 * 3600.0  # for which a run is believed in whose process cannot be asked for
_SLACK_S = 10.0  # clocks of file systems are coarse


@contextlib.contextmanager
def in_use(root: Path) -> Iterator[None]:
    """Say that a run is at work: `prune` spares what is used from now on to the end.

    A store that cannot be written to is used all the same.
    """
    path = root / _FOLDER / f"{uuid4().hex}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_myself()), encoding="utf-8")
    except OSError as err:
        log.info("%s: cannot say that it is in use: %s", root, err)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def running(root: Path) -> int:
    """How many runs are at work; what runs that were killed left behind is removed."""
    return len(_starts(root))


def needed_since(root: Path) -> float:
    """Entries used at this time or later may be needed by a run; infinity where none is at work.

    It lies before the start of the oldest run: an entry that was used shortly before is not
    marked again when the run uses it.
    """
    return min(_starts(root), default=math.inf) - USE_GRAIN_S - _SLACK_S


def _starts(root: Path) -> list[float]:
    """When each run began that is at work, at the latest."""
    try:
        paths = [path for path in (root / _FOLDER).iterdir() if path.suffix == ".json"]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:  # who knows?
        return [-math.inf]
    starts = []
    for path in paths:
        try:
            start = _start(path)
        except FileNotFoundError:  # it has ended
            continue
        except OSError:
            start = -math.inf
        if start is not None:
            starts.append(start)
            continue
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    return starts


def _start(path: Path) -> float | None:
    """When a run began, at the latest, by today's clock; None when it is over.

    Clocks may be set back while a run is at work: when in doubt, it began earlier. A run on
    another machine, or before this one was started anew, is believed in for a week.
    """
    now = time.time()
    written_s = path.stat().st_mtime  # of the file server's clock, as those of entries are
    try:
        job: dict[str, Any] = json.loads(path.read_bytes())
        began_s = min(written_s, float(job["began_s"]))
        here = job["host"] == _host() and sys.platform != "win32"
        pid, born, ticks_s = int(job["pid"]), str(job["born"]), float(job["ticks_s"])
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError):  # it may be being written now
        began_s, here = written_s, False
    if here:
        if not _is_alive(pid, born):
            return None
        return min(began_s, now - max(0.0, time.monotonic() - ticks_s))
    if now - max(written_s, began_s) > _WEEK_S:
        return None
    return began_s if began_s <= now else -math.inf


def _myself() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "born": _born(os.getpid()),
        "host": _host(),
        "began_s": time.time(),
        "ticks_s": time.monotonic(),  # since the machine started: nobody sets this clock
    }


@functools.cache
def _host() -> str:
    """Where process numbers and the clock `monotonic` mean the same as here."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):  # told by Linux only
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def _is_alive(pid: int, born: str) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        pass
    return _born(pid) in ("", born)


def _born(pid: int) -> str:
    """When a process started, in ticks of the kernel; "" where that is not known."""
    try:
        told = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    state, *fields = told.rpartition(b")")[2].split()
    return "ended" if state in b"ZX" else fields[18].decode()
