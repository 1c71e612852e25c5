"""SIGTERM, which services are ended with, as an end like Ctrl-C: what is finished is kept."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["Terminated", "raising_terminated"]


class Terminated(KeyboardInterrupt):
    """SIGTERM came; what is going on ends as it does after Ctrl-C."""


@contextlib.contextmanager
def raising_terminated() -> Iterator[None]:
    """Do what is within until SIGTERM comes, and then raise `Terminated` there.

    Signals are Python's main thread's alone; elsewhere SIGTERM does what it did before.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not disturb the end
    raise Terminated
