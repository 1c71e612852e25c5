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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

from triptych.features.layout import USE_GRAIN_S

__all__ = ["Job", "Need", "in_use", "needed", "running"]

log = logging.getLogger(__name__)

_FOLDER = ".jobs"
_WEEK_S = 7 * 24 * 3600.0  # for which a run is believed in whose process cannot be asked for
_SLACK_S = 10.0  # clocks of file systems are coarse

_Run: TypeAlias = tuple[float, Sequence[str]]


class Job:
    """A run that is at work, as others see it."""

    def __init__(self, root: Path) -> None:
        self._path = root / _FOLDER / f"{uuid4().hex}.json"
        self._facts = _myself()
        self._write()

    def will_read(self, media: Iterable[str]) -> None:
        """Say which files it is about: what was made of them is not pruned before it ends.

        Args:
            media: sha256 of the content of each.
        """
        self._facts["media"] = sorted(set(media))
        self._write()

    def _write(self) -> None:
        scratch = self._path.with_suffix(".part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_text(json.dumps(self._facts), encoding="utf-8")
            scratch.replace(self._path)
        except OSError as err:
            log.info("%s: cannot say that it is in use: %s", self._path.parent.parent, err)

    def over(self) -> None:
        """Say that it has ended."""
        for path in (self._path, self._path.with_suffix(".part")):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def in_use(root: Path) -> Iterator[Job]:
    """Say that a run is at work: `prune` spares what is used from now on to the end.

    A store that cannot be written to is used all the same.
    """
    job = Job(root)
    try:
        yield job
    finally:
        job.over()


@dataclass(frozen=True, slots=True)
class Need:
    """What runs that are at work may need of a store."""

    since_s: float  #: entries used at this time or later; infinity where no run is at work
    media: frozenset[str]  #: what was made of files of this sha256


def running(root: Path) -> int:
    """How many runs are at work; what runs that were killed left behind is removed."""
    return len(_at_work(root))


def needed(root: Path) -> Need:
    """What runs that are at work may need.

    The time lies before the start of the oldest run: an entry that was used shortly before is not
    marked again when the run uses it.
    """
    runs = _at_work(root)
    since_s = min((start_s for start_s, _ in runs), default=math.inf)
    return Need(
        since_s - USE_GRAIN_S - _SLACK_S,
        frozenset(digest for _, media in runs for digest in media),
    )


def _at_work(root: Path) -> list[_Run]:
    """When each run began that is at work, at the latest, and what it is about."""
    try:
        paths = [path for path in (root / _FOLDER).iterdir() if path.suffix == ".json"]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:  # who knows?
        return [(-math.inf, ())]
    runs = []
    for path in paths:
        run: _Run | None
        try:
            run = _run(path)
        except FileNotFoundError:  # it has ended
            continue
        except OSError:
            run = (-math.inf, ())
        if run is not None:
            runs.append(run)
            continue
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    return runs


def _run(path: Path) -> _Run | None:
    """When a run began, at the latest, by today's clock, and its media; None when it is over.

    Clocks may be set back while a run is at work: when in doubt, it began earlier. A run on
    another machine, or before this one was started anew, is believed in for a week.
    """
    now = time.time()
    media: Sequence[str] = ()
    written_s = path.stat().st_mtime  # of the file server's clock, as those of entries are
    try:
        job = _told(path, path.stat().st_mtime_ns)
        began_s = min(written_s, float(job["began_s"]))
        here = job["host"] == _host() and sys.platform != "win32"
        pid, born, ticks_s = int(job["pid"]), str(job["born"]), float(job["ticks_s"])
        media = tuple(job.get("media", ()))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError):  # it may be being written now
        began_s, here = written_s, False
    if here:
        if not _is_alive(pid, born):
            return None
        return min(began_s, now - max(0.0, time.monotonic() - ticks_s)), media
    if now - max(written_s, began_s) > _WEEK_S:
        return None
    return began_s if began_s <= now else -math.inf, media


@functools.lru_cache(maxsize=64)
def _told(path: Path, written_ns: int) -> dict[str, Any]:
    """What a run says of itself, which may be long; read once for many entries."""
    job: dict[str, Any] = json.loads(path.read_bytes())
    return job


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
