"""One stream of events for everything that follows a run: bar, log and metrics are listeners.

A run tells its listener what happens; `Several` passes that on to any number of them. The rows
of `run.jsonl` are the same ones: each is written there first, and then told.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TextIO

from triptych.errors import OutputError
from triptych.prepare import Listener

__all__ = ["Closable", "JsonFormatter", "JsonLines", "Several", "json_log"]

Row = dict[str, Any]


class Closable(Listener, Protocol):
    """A listener that is told when it is over."""

    def close(self) -> None: ...


class Several:
    """Passes everything on to each listener, in their order."""

    def __init__(self, *listeners: Closable) -> None:
        self._listeners = listeners

    def start(self, total: int) -> None:
        """A run of so many videos begins."""
        for each in self._listeners:
            each.start(total)

    def note(self, message: str) -> None:
        """Something to know once."""
        for each in self._listeners:
            each.note(message)

    def reached(self, news: Row) -> None:
        """A worker is at a stage of a video."""
        for each in self._listeners:
            each.reached(news)

    def finished(self, row: Row) -> None:
        """A video ended."""
        for each in self._listeners:
            each.finished(row)

    def learned(self, progress: Row) -> None:
        """A model in training went through its videos once more."""
        for each in self._listeners:
            each.learned(progress)

    def close(self) -> None:
        """The work is over, for all of them whatever one of them meets."""
        with contextlib.ExitStack() as stack:
            for each in reversed(self._listeners):
                stack.callback(each.close)


class JsonLines:
    """One JSON object a line for each event, written at once.

    Each has `time` and `event`; docs/operation.md lists the others. Chinese stays readable where
    the stream is in UTF-8.

    Args:
        stream: where they are written.
        stages: tell of each stage of each video, too.
    """

    def __init__(self, stream: TextIO, *, stages: bool = False) -> None:
        self._stream, self._stages = stream, stages
        self._readable = (stream.encoding or "").lower().replace("-", "") == "utf8"

    def start(self, total: int) -> None:
        """A run of so many videos begins."""
        self._write("start", videos=total)

    def note(self, message: str) -> None:
        """Something to know once."""
        self._write("note", message=message)

    def reached(self, news: Row) -> None:
        """A worker is at a stage of a video; it may come back to it many times."""
        if self._stages and news["first"]:
            self._write("stage", **{key: news[key] for key in ("video", "stage", "worker")})

    def finished(self, row: Row) -> None:
        """A video ended."""
        fresh = bool(row.get("fresh"))
        self._write(
            "finished",
            video=row["path"],
            state=row["state"],
            stage=row["stage"],
            error=row["error"],
            attempt=row.get("attempt", 1),
            seconds=row.get("elapsed_s") if fresh else None,
            stages=row.get("seconds", {}) if fresh else {},
        )

    def learned(self, progress: Row) -> None:
        """A model in training went through its videos once more."""
        finite = {
            k: None if isinstance(v, float) and not math.isfinite(v) else v
            for k, v in progress.items()
        }
        self._write("learned", **finite)

    def close(self) -> None:
        """The work is over, well or not."""
        self._write("end")

    def _write(self, event: str, **facts: Any) -> None:
        line = {"time": _written(time.time()), "event": event, **facts}
        try:
            self._stream.write(_json(line, readable=self._readable) + "\n")
            self._stream.flush()
        except BrokenPipeError:  # the reader has seen enough
            raise
        except OSError as err:
            raise OutputError(
                f"cannot write the log: {err.strerror}",
                path=getattr(self._stream, "name", None),
                remedy="free some space",
            ) from err


@contextlib.contextmanager
def json_log(path: str | os.PathLike[str], *, stages: bool = False) -> Iterator[JsonLines]:
    """`JsonLines` at the end of a file.

    Raises:
        OutputError: it cannot be written to.
    """
    try:
        stream = Path(path).open("a", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError as err:
        raise OutputError(
            f"cannot write the log: {err.strerror}", path=path, remedy="name another file"
        ) from err
    try:
        yield JsonLines(stream, stages=stages)
    finally:
        with contextlib.suppress(OSError):  # a full disk was told of already
            stream.close()


class JsonFormatter(logging.Formatter):
    """Log records as lines like those of `JsonLines`, for a stream that holds both."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object, with the event `log`."""
        line = {
            "time": _written(record.created),
            "event": "log",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return _json(line, readable=False)


def _json(line: Row, *, readable: bool) -> str:
    text = json.dumps(line, ensure_ascii=not readable, allow_nan=False)
    # File names may hold bytes that are no text; JSON knows the escapes.
    return text.encode("utf-8", "backslashreplace").decode()


def _written(moment: float) -> str:
    """Seconds since 1970 as a time that every machine reads alike.

    >>> _written(0.25)
    '1970-01-01T00:00:00.250Z'
    """
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
