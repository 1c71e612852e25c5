"""A folder that is watched: what arrives in it is worked on as soon as it is complete.

A pass over what is new is a run like any other: OUT always holds what `triptych run FOLDER` would
have given, and what is killed goes on.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from triptych.amounts import counted
from triptych.arrivals import Arrival, Looks, Stamp
from triptych.config import Config
from triptych.errors import InputError, TriptychError, UsageError
from triptych.prepare import Listener, Silent, check_device
from triptych.runner import run_folder
from triptych.signals import Terminated, raising_terminated

__all__ = ["POLL_S", "SETTLE_S", "watch"]

Row = dict[str, Any]
POLL_S = SETTLE_S = 5.0
_DAY_S = 86_400.0


def watch(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    config: Config | None = None,
    listener: Listener | None = None,
    poll_s: float = POLL_S,
    settle_s: float = SETTLE_S,
    once: bool = False,
) -> dict[str, Any] | None:
    """Work through a folder, then through what arrives in it, until SIGTERM or Ctrl-C.

    A file is taken when a look finds it, and its subtitle files, as the look before did and for
    `settle_s` at least. One that failed is tried again when it changes, or was away and is back.
    A folder that is gone is waited for. A pass with more failures than `runner.max_failures`
    allows is the last one.

    Args:
        folder: is looked through as `run` does, the folders in it included.
        out: folder for the results; may be within `folder`.
        config: defaults to the embedded preset.
        listener: is told of each video as it ends, and not again while it stands.
        poll_s: seconds between two looks.
        settle_s: seconds for which a file must have been left alone.
        once: end when all that is complete is done; what still grows is left for another time.

    Returns:
        The totals of the last pass, as of `run`; None if there was nothing to do.

    Raises:
        InputError: the folder does not exist at the start, or is gone and `once` is set.
        TriptychError: as of `run`, from the first pass, or any if `once` is set. When a pass
            went well before, the trouble is told, and it is tried again.
        UsageError: `poll_s` or `settle_s` is no such time.
        KeyboardInterrupt: Ctrl-C; nothing that was finished is lost.
    """
    folder = Path(folder)
    if not (0 < poll_s <= _DAY_S and 0 <= settle_s <= _DAY_S):
        raise UsageError("looks must be more than 0 s apart, and a day at most, as must waits")
    if not os.path.isdir(folder):
        raise InputError("no such folder", path=folder, remedy="check the path")
    config, listener = config or Config(), listener or Silent()
    check_device(config)
    listener.start(0)
    listener.note(f"watching {folder}")
    frames_fps = config.runner.frames_fps or None
    looks = Looks(folder, Path(out), settle_s=settle_s, frames_fps=frames_fps)
    passes = _Passes(Path(out), config, listener, settle_s=settle_s)
    idle_since: float | None = None
    gone = False
    with contextlib.suppress(Terminated), raising_terminated():
        while True:
            now = time.monotonic()
            found = looks.look(now)
            if found is None and once:
                raise InputError("the folder is gone, or may not be read", path=folder)
            if gone != (found is None):
                gone = not gone
                away = "gone, or may not be read; waiting for it"
                listener.note(f"{folder} is {away if gone else 'back'}")
            if passes.due(found or {}, now):
                passes.work(found or {}, patient=not once)
                if passes.totals and passes.totals["stopped"]:
                    break
                idle_since = None
            elif idle_since is None:
                idle_since = now
            elif once and now - idle_since >= settle_s:
                if passes.totals is None:
                    listener.note(_nothing(folder, len(found or {})))
                break
            time.sleep(poll_s)
    return passes.totals


def _nothing(folder: Path, growing: int) -> str:
    """Why there was nothing to do."""
    if not growing:
        return f"nothing to do: no file in {folder}, nor in the folders in it"
    files = counted(growing, f"file in {folder} is", f"files in {folder} are")
    return f"nothing to do: {files} not complete; look again later"


class _Passes:
    """What is known of each file, and runs over what is new.

    A run by itself would tell what is finished by its content, and read the whole folder for
    each file that arrives. It is told instead.
    """

    def __init__(self, out: Path, config: Config, listener: Listener, *, settle_s: float) -> None:
        self._out, self._config, self._news = out, config, _News(listener)
        self._settle_s = settle_s
        self._done: dict[str, tuple[Stamp, Row]] = {}
        self._gone: dict[str, float] = {}  # since when what OUT tells of is not there
        self.totals: dict[str, Any] | None = None

    def due(self, found: dict[str, Arrival], now: float) -> bool:
        """Whether there is anything to do; forgets failures of files that are gone."""
        for place in [p for p in self._done if p not in found]:
            if self._done[place][1]["state"] == "failed":
                del self._done[place]
        return self._is_less(found, now) or any(
            self._is_new(place, file)
            # What is no media, a log for example, may change as often as it likes.
            and not (place in self._done and self._done[place][1]["state"] == "skipped")
            for place, file in found.items()
        )

    def _is_less(self, found: dict[str, Arrival], now: float) -> bool:
        """Whether videos that OUT tells of have been gone for a while, and not all of them."""
        shown = self.totals["rows"] if self.totals and self._here(found) else ()
        gone = {r["relative"] for r in shown if r["state"] != "skipped"} - found.keys()
        self._gone = {place: self._gone.get(place, now) for place in gone}
        return any(now - since >= self._settle_s for since in self._gone.values())

    def work(self, found: dict[str, Arrival], *, patient: bool) -> None:
        """Run over all that is complete.

        Args:
            found: what the latest look found.
            patient: after a pass that went well, trouble is told and not raised.
        """
        here = self._here(found)
        standing = {p: self._done[p][1] for p, f in here.items() if not self._is_new(p, f)}
        self._news.standing = standing
        try:
            self.totals = run_folder(
                [file.source for file in here.values()],
                self._out,
                config=self._config,
                listener=self._news,
                standing=standing,
            )
        except TriptychError as err:
            if not (patient and self.totals):
                raise
            self._news.note(f"{err}; it is tried again")
            return
        rows = {row["relative"]: row for row in self.totals["rows"]}
        stamps = {p: self._done[p][0] if p in standing else here[p].stamp for p in rows}
        self._done = {p: (stamps[p], row) for p, row in rows.items()}

    def _here(self, found: dict[str, Arrival]) -> dict[str, Arrival]:
        """What a run would be about: all but what is only just arriving."""
        return {p: f for p, f in found.items() if f.complete or p in self._done}

    def _is_new(self, place: str, file: Arrival) -> bool:
        return file.complete and (place not in self._done or self._done[place][0] != file.stamp)


class _News:
    """Passes on what is new: every run tells of all videos, and begins with the same notes."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._said: set[str] = set()
        self.standing: Collection[str] = ()
        self.learned = listener.learned

    def start(self, total: int) -> None:
        self._listener.start(total - len(self.standing))

    def note(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            self._listener.note(message)

    def reached(self, news: Row) -> None:
        self._listener.reached(news)

    def finished(self, row: Row) -> None:
        if row["relative"] not in self.standing:
            self._listener.finished(row)
