"""What a worker of a test does with a source: go well, break, hang or die, as its row says."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path
from typing import Any

from triptych.config import Config
from triptych.errors import DecodeError
from triptych.inputs import Source
from triptych.journal import Row, failure


def obey(*, source: Source, row: Row, config: Config, marks: Path) -> Row:
    """Do what `row["orders"]` say for this attempt; leave a mark with the time of each."""
    order = row["orders"][min(row["attempt"], len(row["orders"])) - 1]
    name = row["relative"]
    (marks / f"{time.monotonic_ns()} {name} {row['attempt']}").touch()
    if order == "hang":
        time.sleep(600)
    if order in ("SIGKILL", "SIGSEGV"):
        os.kill(os.getpid(), getattr(signal, order))
    errors: dict[str, Exception] = {
        "full": OSError(errno.ENOSPC, "No space left on device"),
        "memory": MemoryError("no more"),
        "damaged": DecodeError("it is damaged", remedy="copy it again"),
        "bug": ZeroDivisionError("division by zero"),
    }
    if order in errors:
        return failure(row, errors[order], stage="test")
    if order == "unpicklable":
        return row | {"state": "done", "odd": _unpicklable()}
    time.sleep(row.get("sleep_s", 0.0))
    return row | {"state": "done", "elapsed_s": row.get("sleep_s", 0.0)}


def die(*_: object) -> None:
    """End a worker that has just begun."""
    raise SystemExit(3)


def _unpicklable() -> Any:
    return lambda: None
