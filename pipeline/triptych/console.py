"""What a run says while it goes: a bar on a terminal, plain lines in a log, nothing when quiet."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any, TextIO

__all__ = ["NO_LABELS", "Bar", "Lines", "Quiet", "describe", "labels_or_why", "listener", "shown"]

Row = dict[str, Any]
NO_LABELS = "no labels"  #: how a warning begins that says why there are none
_TROUBLE = ("failed", "partial")
_TELL_EVERY_S = 5.0  # a line for each epoch would be thousands
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

    def reached(self, news: Row) -> None:
        """A worker is at a stage of a video."""

    def finished(self, row: Row) -> None:
        """A video ended."""

    def learned(self, progress: Row) -> None:
        """A model in training went through its videos once more."""

    def close(self) -> None:
        """The run is over."""


class Lines(Quiet):
    """One line a video that was worked on; those found finished are only counted."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._total = self._count = 0

        self._told = float("-inf")

    def start(self, total: int) -> None:
        self._total, self._count = total, 0

    def note(self, message: str) -> None:
        self._say(f"note: {message}")

    def finished(self, row: Row) -> None:
        self._count += 1
        if row["state"] != "cached":
            self._say(f"[{self._count}/{self._total}] {describe(row)}")

    def learned(self, progress: Row) -> None:
        if time.monotonic() - self._told >= _TELL_EVERY_S:
            self._told = time.monotonic()
            self._say(f"training: {_learning(progress)}")

    def _say(self, text: str) -> None:
        print(shown(text), file=self._stream, flush=True)


class Bar(Quiet):
    """A bar over videos with rate and time left; a line for each failure above it.

    Below it, what each worker is at.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._progress: Any = None
        self._notes: list[str] = []
        self._task: Any = None
        self._epochs: Any = None
        self._at: dict[str, str] = {}  # video that is worked on -> the line that says it

    def start(self, total: int) -> None:
        if self._progress is not None:
            self._progress.reset(self._task, total=total, rate="")
            return
        from rich.console import Console, RenderableType
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.text import Text

        at = self._at

        class Board(Progress):
            def get_renderables(self) -> Iterator[RenderableType]:
                yield from super().get_renderables()
                for line in list(at.values()):  # another thread may change it
                    yield Text(line, style="dim", no_wrap=True, overflow="ellipsis")

        self._progress = Board(
            TextColumn("{task.description}"),
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

    def reached(self, news: Row) -> None:
        self._at[news["relative"]] = shown(f"{news['stage']:>14}  {news['video']}")

    def finished(self, row: Row) -> None:
        self._at.pop(row["relative"], None)
        if row.get("fresh"):
            self._media_s += row.get("duration_s", 0.0)
        speed = self._media_s / max(time.monotonic() - self._began, 1e-3)
        rate = f"{speed:.1f}x real time" if self._media_s else ""
        self._progress.update(self._task, advance=1, rate=rate)
        if row["state"] in _TROUBLE:
            style = "red" if row["state"] == "failed" else "yellow"
            self._say(describe(row), style=style)

    def learned(self, progress: Row) -> None:
        if self._epochs is None:
            self._epochs = self._progress.add_task("epochs", total=None, rate="")
        self._progress.update(self._epochs, advance=1, rate=_learning(progress))

    def _say(self, text: str, *, style: str) -> None:
        from rich.text import Text  # as it is: "[b]" and ":cat:" are names, not commands

        self._progress.console.print(Text(shown(text), style=style))

    def close(self) -> None:
        self._at.clear()
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
    spent = f" in {row['elapsed_s']:.1f} s" if row.get("elapsed_s") else ""
    text = f"{text} ({row.get('duration_s', 0.0):.1f} s{spent})"
    return f"{text}: {labels_or_why(row)}" if "labels" in row else text


def labels_or_why(row: Row) -> str:
    """The leading labels with their scores, or why there are none."""
    best = row.get("labels", ())[:3]
    if not best:
        return next((w for w in row.get("warnings", ()) if w.startswith(NO_LABELS)), NO_LABELS)
    if row.get("kind") == "value":
        return ", ".join(f"{name} {score:.4g}" for name, score in best)
    return ", ".join(f"{name} {score:.0%}" for name, score in best)


def _learning(progress: Row) -> str:
    """How a training stands."""
    losses = [
        f"{name} {progress[key]:.3f}"
        for name, key in (("loss", "train_loss"), ("validation", "valid_loss"))
        if progress.get(key) is not None
    ]
    member = f"member {int(progress['member']) + 1}, " if "member" in progress else ""
    return f"{member}epoch {int(progress.get('epoch', 0))}: {', '.join(losses)}"
