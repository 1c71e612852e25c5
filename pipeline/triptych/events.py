"""One context manager around every stage: timing, error context, log and news in one place.

A worker tells which stage of its video it is at by appending a line to a file, which the run
reads. Nobody waits for anybody: what cannot be written, or is cut short by a kill, is lost, and
nothing but the view of a run that is going on rests on it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Self

from triptych.errors import TriptychError

__all__ = ["News", "Stopwatch", "stage", "telling"]

log = logging.getLogger(__name__)

_teller: ContextVar[Callable[[str], None] | None] = ContextVar("teller", default=None)
_TELL_EVERY_S = 1.0  # of a stage that is come back to, as those of a decode are for each chunk
_LOOK_EVERY_S = 0.5
_READER = "triptych-news"
_MOST_BYTES = 1 << 20  # of news that nobody has read


class Stopwatch(dict[str, float]):
    """Seconds spent in each stage, added up over repeated entries."""

    def add(self, name: str, seconds: float) -> None:
        """Add `seconds` to the stage's total."""
        self[name] = self.get(name, 0.0) + seconds


@contextlib.contextmanager
def stage(name: str, media: object, watch: Stopwatch | None = None) -> Iterator[None]:
    """Time one stage of one video and say where an error came from.

    Any exception that passes gets a `stage` attribute (the innermost stage wins)
    and, for errors of our own, the path of the file when it had none.
    """
    start = time.perf_counter()
    if (tell := _teller.get()) is not None:
        tell(name)
    try:
        yield
    except Exception as err:
        if not getattr(err, "stage", ""):
            err.stage = name  # type: ignore[attr-defined]
            err.add_note(f"in stage {name!r} of {media}")
        if isinstance(err, TriptychError) and err.path is None:
            err.path = str(media)
        raise
    finally:
        seconds = time.perf_counter() - start
        if watch is not None:
            watch.add(name, seconds)
        if tell is not None:  # also at its end: so the long ones are told, not what follows them
            tell(name)
        log.debug("%s: %s took %.3f s", media, name, seconds)


@contextlib.contextmanager
def telling(path: Path, **facts: Any) -> Iterator[None]:
    """Tell of each stage within, as `News` reads it.

    Args:
        path: the file; where there is none, nobody wants to know.
        facts: plain data that stands in each line.
    """
    reached: set[str] = set()
    told_s = 0.0

    def tell(name: str) -> None:
        nonlocal told_s
        first, now = name not in reached, time.monotonic()
        if first or now - told_s >= _TELL_EVERY_S:
            reached.add(name)
            told_s = now
            _append(path, json.dumps({**facts, "stage": name, "first": first}) + "\n")

    token = _teller.set(tell)
    try:
        yield
    finally:
        _teller.reset(token)


def _append(path: Path, line: str) -> None:
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)  # whole lines, however many append
        try:
            if os.fstat(file).st_size < _MOST_BYTES:
                os.write(file, line.encode("ascii"))
        finally:
            os.close(file)


class News:
    """What workers tell while they work, read in turns by a thread of its own.

    Args:
        path: the file that they append to; there from entering to leaving.
        listener: is given each line's facts, while `lock` is held.
    """

    def __init__(self, path: Path, listener: Callable[[dict[str, Any]], None]) -> None:
        self.path = path
        self.lock = threading.RLock()  #: for whoever else tells the same listener something
        self._listener = listener
        self._read = 0
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._in_turns, name=_READER, daemon=True)

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError):
            self.path.write_bytes(b"")
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._reader.join()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def catch_up(self) -> None:
        """Pass on what was told so far; a listener that fails ends nothing."""
        with self.lock:
            try:
                with self.path.open("rb") as file:
                    file.seek(self._read)
                    content = file.read()
            except OSError:
                return
            whole = content[: content.rfind(b"\n") + 1]
            self._read += len(whole)
            if self._read >= _MOST_BYTES // 2:
                with contextlib.suppress(OSError):
                    os.truncate(self.path, 0)
                    self._read = 0
            for line in whole.splitlines():
                try:
                    self._listener(json.loads(line))
                except Exception as err:  # noqa: BLE001 - what is at fault shows with the next row
                    log.debug("news is not passed on: %s", err)

    def _in_turns(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            self.catch_up()
