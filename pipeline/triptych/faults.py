"""Named places at which a test may end the process, as a power cut would.

`TRIPTYCH_CRASH="NAME GLOB FLAG"` ends it with SIGKILL when the place NAME is reached with
something that GLOB matches, once: the file FLAG must be there, and is gone afterwards. Who reaches
a place must leave everything such that the same command goes on, whatever the place.
"""

from __future__ import annotations

import fnmatch
import os
import signal

__all__ = ["POINTS", "reached"]

POINTS = (
    "run.locked",  # of OUT
    "run.surveyed",  # what is to be done is known
    "worker.begun",  # with a video
    "worker.answered",  # all files of a video are written, its row is not
    "row.begun",  # a line of run.jsonl is half written
    "row.written",
    "file.begun",  # a scratch file is there
    "file.written",  # it is whole, and under its own name not there yet
    "file.renamed",
    "tables.begun",  # all videos have ended
)


def reached(point: str, subject: str = "") -> None:
    """Say that a place is reached; nearly always nothing happens."""
    if armed := os.environ.get("TRIPTYCH_CRASH"):
        name, pattern, flag = armed.split(" ", 2)
        if name == point and fnmatch.fnmatch(subject, pattern):
            try:
                os.unlink(flag)
            except FileNotFoundError:
                return
            os.kill(os.getpid(), signal.SIGKILL)
