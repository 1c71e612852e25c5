"""Child processes: how each is set up, and the model process, replaced whenever it is lost."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import current_process, get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triptych.config import Device
from triptych.errors import ResourceError, TriptychError, UsageError

if TYPE_CHECKING:
    from triptych.extract.serving import Beat

__all__ = ["ModelProcess", "check_caller", "limit_memory", "model_process", "set_up", "setting"]

log = logging.getLogger(__name__)

_SILENCE_S = 300.0  # without a sign of life it hangs; loading takes part of a minute
_LOSSES = 3  # of the model process, one after the other, without a video going well in between


def check_caller() -> None:
    """Refuse to start children of a child that only imports its parent's script.

    Raises:
        UsageError: the script would start workers without end.
    """
    if getattr(current_process(), "_inheriting", False):
        raise UsageError(
            "a script runs videos as soon as it is imported, and worker processes import it",
            remedy='put its calls under `if __name__ == "__main__":`',
        )


def setting() -> list[Any]:
    """Arguments of `set_up` that make a child as this process is."""
    root = logging.getLogger()
    formats = [
        handler.formatter
        for handler in root.handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr
    ]
    return [[p for p in sys.path if p], root.getEffectiveLevel(), *formats[:1]]


def set_up(
    path: Sequence[str],
    log_level: int,
    log_format: logging.Formatter | None = None,
    *,
    scratch: str = "",
) -> None:
    """Set a child up: one inference thread, Ctrl-C left to the parent, and logs as the parent's.

    And no life after the parent's, who would have taken the answer.

    Args:
        path: of imports.
        log_level: of all loggers.
        log_format: of their lines.
        scratch: a folder of the parent's that goes with it.
    """
    sys.path[:] = path
    handler = logging.StreamHandler()
    handler.setFormatter(log_format or logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=log_level, handlers=[handler])
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    os.environ["MKL_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(scratch,), daemon=True).start()


def limit_memory(megabytes: int) -> None:
    """Have this process asked for no more data of its own than that; 0: as much as there is.

    What is asked for beyond it fails as if memory had run out. Only where the system can.
    """
    if megabytes:
        with contextlib.suppress(ImportError, ValueError, OSError):  # Windows; a lower limit
            import resource

            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (megabytes * 1_000_000, hard))


def _end_with_parent(scratch: str) -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)
        os._exit(1)


@contextlib.contextmanager
def model_process(device: Device) -> Iterator[ModelProcess | None]:
    """The process that runs networks for all workers; None where each worker does that itself."""
    if device == "cpu":
        yield None
        return
    # A folder that nobody else may enter; Windows has names for sockets beside all folders.
    with tempfile.TemporaryDirectory(prefix="triptych-") as scratch:
        address = f"{scratch}/models"
        if sys.platform == "win32":
            address = rf"\\.\pipe\triptych-{secrets.token_hex(8)}"
        models = ModelProcess(address=address, device=device, scratch=scratch)
        try:
            yield models
        finally:
            models.end()


class ModelProcess:
    """One process at a place, and another one when it is lost."""

    def __init__(self, *, address: str, device: Device, scratch: str) -> None:
        #: Of a `Place`, as plain data: a child must be set up before it imports numpy.
        self.place = {"address": address, "authkey": secrets.token_bytes(32), "device": device}
        self._address, self._scratch = address, scratch
        self._losses = 0
        self._begin()

    def _begin(self) -> None:
        if sys.platform != "win32":
            Path(self._address).unlink(missing_ok=True)
        context = get_context("spawn")
        self._said, say = context.Pipe(duplex=False)
        self._beat = context.Value("d", time.monotonic(), lock=False)
        self._process = context.Process(
            target=_serve,
            args=[setting(), self._scratch, self.place, self._beat, say],
            name="triptych models",
            daemon=True,
        )
        self._process.start()
        say.close()  # the child has it: when that dies, this process reads the end

    def keep(self) -> None:
        """Start another one if this one died or hangs.

        Raises:
            UsageError: the device is not there.
            ResourceError: it is lost again and again.
        """
        if self._process.is_alive() and time.monotonic() - self._beat.value < _SILENCE_S:
            return
        how = "hangs" if self._process.is_alive() else "died"
        self.end()
        try:
            err: TriptychError = self._said.recv()
        except (EOFError, OSError):
            err = ResourceError(f"the model process {how}")
        self._losses += 1
        if not err.retryable:
            raise err
        if self._losses > _LOSSES:
            raise ResourceError(
                f"the model process is lost again and again: {err.message}",
                remedy="look at the free memory, and run again with --set runner.device=cpu",
            ) from err
        log.warning("the model process is replaced: %s", err.message)
        self._begin()

    def worked(self) -> None:
        """Say that a video went well: what happened before it was no rule."""
        self._losses = 0

    def end(self) -> None:
        """End it; it has nothing to save."""
        self._process.kill()
        self._process.join()


def _serve(
    arguments: Sequence[Any], scratch: str, place: Mapping[str, Any], beat: Beat, say: Connection
) -> None:
    set_up(*arguments, scratch=scratch)
    from triptych.extract.serving import Place, serve

    try:
        serve(Place(**place), beat=beat)
    except Exception as err:
        told = err if isinstance(err, TriptychError) else None
        say.send(told or ResourceError(f"{type(err).__name__}: {err}"))
        raise SystemExit(1) from err
