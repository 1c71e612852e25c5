"""One run at a time in a folder of results; a run that was killed keeps nobody out.

The system holds the lock and lets go of it with the process, however that ends. What stands in
the file is for people. Only where the system's lock says nothing (a file system without locks,
or another machine on one whose locks end at each machine) does its age count.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from triptych.errors import OutputError, UsageError

__all__ = ["held"]

_BEAT_S = 30.0  # the file is touched so often ...
_STALE_S = 180.0  # ... and nobody is there when it was not for so long
_FAR = 1 << 30  # Windows locks bytes, and nobody could read those that say who holds them


@contextlib.contextmanager
def held(path: Path) -> Iterator[str]:
    """Hold the lock `path`; it stays there, empty, when it is let go.

    Yields:
        What to say of a run that ended without a word and left the lock behind; mostly "".

    Raises:
        UsageError: another run holds it.
        OutputError: the file cannot be written.
    """
    try:
        file = path.open("a+b", buffering=0)  # "a": another's words are not wiped out
    except OSError as err:
        raise OutputError.of_folder(path.parent, err) from err
    with file:
        locked = _lock(file)
        holder = _holder(file)
        if locked is False or (holder and _may_live(file, holder, locked=bool(locked))):
            raise UsageError(
                f"another run is working on this folder: {_words(holder)}",
                path=path.parent,
                remedy="wait for its end, or choose another folder",
            )
        _write(file, _me())
        ended = threading.Event()
        beat = threading.Thread(target=_beat, args=(file, ended), daemon=True)
        beat.start()
        try:
            yield f"{_words(holder)} ended without a word; this goes on after it" if holder else ""
        finally:
            ended.set()
            beat.join()
            file.truncate(0)


def _lock(file: BinaryIO) -> bool | None:
    """Take the system's lock; None where the file system has none."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(_FAR)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


def _may_live(file: BinaryIO, holder: dict[str, Any], *, locked: bool) -> bool:
    """Whether the run that these words name may still be going though its lock is free."""
    if locked and holder.get("machine") == _machine():
        return False
    return time.time() - os.fstat(file.fileno()).st_mtime < _STALE_S


def _machine() -> str:
    """What locks are shared on: containers of one system are one machine, whatever their names."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


def _me() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "machine": _machine(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _holder(file: BinaryIO) -> dict[str, Any]:
    """Who wrote the file; empty when it is empty, or its words make no sense."""
    file.seek(0)
    try:
        words = json.loads(file.read().decode("utf-8", "replace"))
    except ValueError:
        return {}
    return words if isinstance(words, dict) else {}


def _write(file: BinaryIO, words: dict[str, Any]) -> None:
    # A full disk has no room even for this; the system's lock holds all the same.
    with contextlib.suppress(OSError):
        file.truncate(0)
        file.write(json.dumps(words).encode() + b"\n")


def _words(holder: dict[str, Any]) -> str:
    if not holder:
        return "a process that did not say which"
    return "process {pid} on {host}, since {since}".format_map(
        {"pid": "?", "host": "?", "since": "?"} | holder
    )


def _beat(file: BinaryIO, ended: threading.Event) -> None:
    """Touch the file until the run ends."""
    while not ended.wait(_BEAT_S):
        with contextlib.suppress(OSError):
            os.utime(file.fileno() if os.utime in os.supports_fd else file.name)
