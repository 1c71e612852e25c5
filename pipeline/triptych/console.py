"""What a run says while it goes: a bar on a terminal, plain lines in a log, nothing when quiet."""

from __future__ import annotations

import re
import time
from typing import Any, TextIO

__all__ = ["Bar", "Lines", "Quiet", "listener", "print_closing", "shown"]

Row = dict[str, Any]
_TROUBLE = ("failed", "partial")
# What would end a line, command the terminal, turn the text around, or has no bytes in UTF-8.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: str) -> str:
    """Text on one line of a terminal, whatever a file's name or its subtitles hold.

    >>> print(shown("a\\nb\\x1b[31m"))
    a\\nb\\x1b[31m
    """
    return _UNSAFE.sub(lambda m: m.group().encode("unicode_escape").decode(), text)


def listener(*, quiet: bool, stream: TextIO) -> Quiet:
    """The listener for this terminal."""
    if quiet:
        return Quiet()
    return Bar(stream) if stream.isatty() else Lines(stream)


class Quiet:
    """Says nothing."""

    def start(self, total: int) -> None:
        """A run of so many videos begins."""

    def note(self, message: str) -> None:
        """Something to know once."""

    def finished(self, row: Row) -> None:
        """A video ended."""

    def close(self) -> None:
        """The run is over."""


class Lines(Quiet):
    """One line a video that was worked on; those found finished are only counted."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._total = self._count = 0

    def start(self, total: int) -> None:
        self._total = total

    def note(self, message: str) -> None:
        self._say(f"note: {message}")

    def finished(self, row: Row) -> None:
        self._count += 1
        if row["state"] != "cached":
            self._say(f"[{self._count}/{self._total}] {describe(row)}")

    def _say(self, text: str) -> None:
        print(shown(text), file=self._stream, flush=True)


class Bar(Quiet):
    """A bar over videos with rate and time left; a line for each failure above it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._progress: Any = None
        self._notes: list[str] = []
        self._task: Any = None

    def start(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("videos"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(file=self._stream),
        )
        self._progress.start()
        self._began, self._media_s = time.monotonic(), 0.0
        self._task = self._progress.add_task("videos", total=total, rate="")
        for message in self._notes:
            self.note(message)

    def note(self, message: str) -> None:
        if self._progress is None:
            self._notes.append(message)
        else:
            self._say(f"note: {message}", style="dim")

    def finished(self, row: Row) -> None:
        if row.get("fresh"):
            self._media_s += row.get("duration_s", 0.0)
        speed = self._media_s / max(time.monotonic() - self._began, 1e-3)
        rate = f"{speed:.1f}x real time" if self._media_s else ""
        self._progress.update(self._task, advance=1, rate=rate)
        if row["state"] in _TROUBLE:
            style = "red" if row["state"] == "failed" else "yellow"
            self._say(describe(row), style=style)

    def _say(self, text: str, *, style: str) -> None:
        from rich.text import Text  # as it is: "[b]" and ":cat:" are names, not commands

        self._progress.console.print(Text(shown(text), style=style))

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()


def describe(row: Row) -> str:
    """One line that says how a video ended."""
    text = f"{row['state']}: {row['path']}"
    if row["state"] == "failed":
        remedy = f" ({row['remedy']})" if row["remedy"] else ""
        return f"{text}: {row['stage']}: {row['error']}{remedy}"
    if row["state"] == "partial":
        return f"{text}: {'; '.join(row.get('warnings', ()))}"
    if row["state"] == "skipped":
        return f"{text}: {row['error']}"
    labels = ", ".join(f"{name} {score:.0%}" for name, score in row.get("labels", ())[:3])
    spent = f" in {row['elapsed_s']:.1f} s" if row.get("elapsed_s") else ""
    return f"{text} ({row.get('duration_s', 0.0):.1f} s{spent}): {labels or 'no labels'}"


def print_closing(totals: dict[str, Any], out: str, stream: TextIO) -> None:
    """The closing table, what failed, and where the results are."""
    rows = totals["rows"]
    listed = [r for r in rows if r["state"] != "skipped"]
    if stream.isatty():
        _table(listed, stream)
    counts = {k: v for k, v in totals["states"].items() if v}
    said = ", ".join(f"{n} {state}" for state, n in counts.items()) or "nothing to do"
    lines = [f"{totals['videos']} inputs: {said}, in {totals['seconds']:.2f} s"]
    if once := totals.get("preparation_seconds"):
        lines.append(
            f"before that, the models were prepared for this machine, once, in {once:.1f} s"
        )
    if totals["speed"]:
        lines.append(
            f"speed: {totals['media_seconds']:.1f} s of video, {totals['speed']:.1f} times as fast "
            "as real time"
        )
    if counts.keys() & {"done", "cached", "partial"} and not totals["videos_decoded"]:
        what = "features" if counts.get("done") else "answers"
        lines.append(f"nothing was decoded: the {what} were there already")
    lines += [f"failed: {f['path']}: {f['stage']}: {f['error']}" for f in totals["failures"]]
    if listed:
        lines.append(f"open {out}/index.html")
    for line in lines:
        print(shown(line), file=stream)


def _table(rows: list[Row], stream: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for name in ("video", "state", "length", "labels"):
        table.add_column(name, overflow="fold")
    for row in rows[:50]:
        labels = ", ".join(f"{name} {score:.0%}" for name, score in row.get("labels", ())[:3])
        length = f"{row['duration_s']:.1f} s" if "duration_s" in row else ""
        style = {"failed": "red", "partial": "yellow"}.get(row["state"], "")
        cells = (row["relative"], row["state"], length, labels or row["error"])
        table.add_row(*(Text(shown(cell)) for cell in cells), style=style)
    if len(rows) > 50:
        table.add_row(Text(f"and {len(rows) - 50} more in predictions.csv"), "", "", "")
    Console(file=stream).print(table)
