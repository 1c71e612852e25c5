"""One context manager around every stage: timing, error context and log in one place."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator

from triptych.errors import TriptychError

__all__ = ["Stopwatch", "stage"]

log = logging.getLogger(__name__)


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
        log.debug("%s: %s took %.3f s", media, name, seconds)
