"""Figures about a run as a text file, for those who run it as a job: see docs/operation.md.

The file is in Prometheus's text format, to be read by node_exporter's textfile collector.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.errors import OutputError

__all__ = ["WRITE_EVERY_S", "Metrics"]

log = logging.getLogger(__name__)

Row = dict[str, Any]
WRITE_EVERY_S = 15.0  # as often as Prometheus commonly looks
_STATES = ("done", "cached", "partial", "failed", "skipped")
_SUCCESS = "last_success_timestamp_seconds"
#: Name -> its type, its label besides `out`, and what it says.
_FAMILIES = {
    "running": ("gauge", "", "1 while the job runs."),
    "videos": ("gauge", "state", "Videos that ended, by how they did last."),
    "videos_pending": ("gauge", "", "Videos of the present run that have not ended."),
    "failures_total": ("counter", "stage", "Videos that failed, by stage."),
    "media_seconds_total": ("counter", "", "Length of the videos that were worked on."),
    "stage_seconds_total": ("counter", "stage", "Time that workers spent, by stage."),
    "frames_decoded_total": ("counter", "", "Frames that were decoded."),
    "cache_hits_total": ("counter", "", "Tracks of features that were found in the cache."),
    "worker_peak_memory_bytes": ("gauge", "", "The most memory that a worker held."),
    _SUCCESS: ("gauge", "", "When a run last ended with none that failed or is partial."),
}


class Metrics:
    """A listener that keeps a file up to date: at the start, then in turns, and at the end.

    Args:
        path: the file, in a folder that exists; node_exporter wants it to end in `.prom`.
        out: the run's folder; a label of every figure, so that jobs of one machine may differ.
        every_s: seconds between two writes. The file's time then tells a job that works on a
            long video from one that was killed.

    Raises:
        OutputError: the file cannot be written. Later that is logged, and ends nothing.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        out: str | os.PathLike[str],
        every_s: float = WRITE_EVERY_S,
    ) -> None:
        self._path = Path(path)
        self._label = f'out="{_escaped(os.path.abspath(out))}"'
        self._lock = threading.Lock()  # the writer reads what the run counts
        self._states: dict[str, str] = {}
        self._failures: Counter[str] = Counter()
        self._stage_s: Counter[str] = Counter()
        self._sums: Counter[str] = Counter()
        self._peak_mb = 0
        self._pending = self._poor = 0
        self._running = True
        self._success = self._earlier_success()
        try:
            self._write()
        except OSError as err:
            raise OutputError(
                f"cannot write the metrics: {err.strerror}",
                path=path,
                remedy="name a file in a folder that you may write to",
            ) from err
        self._closed = threading.Event()
        self._writer = threading.Thread(target=self._in_turns, args=[every_s], daemon=True)
        self._writer.start()

    def start(self, total: int) -> None:
        """A run of so many videos begins."""
        with self._lock:
            self._pending, self._poor = total, 0

    def note(self, message: str) -> None:
        """Nothing to count."""

    def reached(self, news: Row) -> None:
        """Nothing to count."""

    def learned(self, progress: Row) -> None:
        """Nothing to count."""

    def finished(self, row: Row) -> None:
        """A video ended."""
        with self._lock:
            self._states[row["relative"]] = row["state"]
            self._pending -= 1
            self._poor += row["state"] in ("failed", "partial")
            if row["state"] == "failed":
                self._failures[row["stage"]] += 1
            if row.get("fresh"):
                self._stage_s.update(row.get("seconds", {}))
                self._sums["media_seconds_total"] += row.get("duration_s", 0.0)
                self._sums["frames_decoded_total"] += row.get("frames_decoded", 0)
                self._sums["cache_hits_total"] += len(row.get("from_cache", ()))
                self._peak_mb = max(self._peak_mb, row.get("peak_memory_mb", 0))
            if not self._pending and not self._poor:
                self._success = time.time()

    def close(self) -> None:
        """The work is over, well or not."""
        self._closed.set()
        self._writer.join()
        self._running = False
        self._try_to_write()

    def text(self) -> str:
        """All figures, as the file holds them."""
        with self._lock:
            ended = Counter(self._states.values())
            samples: dict[str, Mapping[str, float]] = {
                "running": {"": int(self._running)},
                "videos": {state: ended[state] for state in _STATES},
                "videos_pending": {"": self._pending},
                "failures_total": self._failures,
                "stage_seconds_total": self._stage_s,
                "worker_peak_memory_bytes": {"": self._peak_mb * 1024**2},
                _SUCCESS: {"": self._success} if self._success else {},
            }
            return "".join(
                self._family(name, samples.get(name, {"": self._sums[name]})) for name in _FAMILIES
            )

    def _family(self, name: str, samples: Mapping[str, float]) -> str:
        kind, label, what = _FAMILIES[name]
        lines = [f"# HELP triptych_{name} {what}", f"# TYPE triptych_{name} {kind}"]
        for value, figure in sorted(samples.items()):
            more = f',{label}="{_escaped(value)}"' if label else ""
            lines.append(f"triptych_{name}{{{self._label}{more}}} {figure!r}")
        return "\n".join(lines) + "\n"

    def _in_turns(self, every_s: float) -> None:
        while not self._closed.wait(every_s):
            self._try_to_write()

    def _try_to_write(self) -> None:
        try:
            self._write()
        except OSError as err:
            log.warning("cannot write the metrics to %s: %s", self._path, err.strerror)

    def _write(self) -> None:
        # Not `atomic.published`: the collector reads whatever ends in `.prom`, scratch files too.
        scratch = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            scratch.write_bytes(self.text().encode("utf-8", "backslashreplace"))
            scratch.replace(self._path)
        finally:
            with contextlib.suppress(OSError):
                scratch.unlink(missing_ok=True)

    def _earlier_success(self) -> float:
        """What the job's file said before: a failure does not undo an earlier success."""
        begin = f"triptych_{_SUCCESS}{{{self._label}}} "
        with contextlib.suppress(OSError, ValueError):
            for line in self._path.read_text(encoding="utf-8").split("\n"):
                if line.startswith(begin):
                    return float(line.removeprefix(begin))
        return 0.0


def _escaped(value: str) -> str:
    r"""A label's value as the format wants it.

    >>> print(_escaped('电影 "a"\\b'))
    电影 \"a\"\\b
    """
    # File names may hold bytes that are no text.
    text = value.encode("utf-8", "replace").decode()
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
