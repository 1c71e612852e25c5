"""`run.jsonl`: what is finished, written as it finishes, read by the next run."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from triptych import faults
from triptych.atomic import published
from triptych.errors import DecodeError, NotMediaError, OutputError, TriptychError

__all__ = ["Journal", "Row", "failure", "given_up", "seen_again"]

log = logging.getLogger(__name__)

Row = dict[str, Any]
_EARLIER = ".earlier.jsonl"
_OF_ONE_RUN = ("fresh", "waited_s")  # keys that say nothing of a video to the next run


class Journal:
    """Rows of earlier runs by the folders of their videos, and a file that rows are appended to.

    A run that is killed leaves a file in which the last line may be cut short; everything
    before it still counts. Rows of videos that a run was not asked about are kept in a file of
    their own, `.earlier.jsonl`, until they are asked about again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._old = _read(path)
        self._earlier = _read(path.with_name(_EARLIER))
        # One row a folder: what was written later has taken the files' place.
        self._known = {
            str(r["folder"]): r
            for r in (*self._earlier, *self._old)
            if r.get("fingerprint") and r.get("folder")
        }
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def rows(self) -> tuple[Row, ...]:
        """The latest row of each video that earlier runs knew."""
        return tuple(self._known.values())

    def finished(self, row: Row, out: Path) -> Row | None:
        """The row of an earlier run with the same answers still in place, or None.

        A video that failed has no answers: nothing of it can be out of place.
        """
        known = self._known.get(row["folder"])
        if known is None or known["fingerprint"] != row["fingerprint"]:
            return None
        folder = out / known["folder"]
        sizes = known.get("sizes", {})
        for name in known.get("outputs", {}).values():
            path = folder / name
            if not path.is_file() or path.stat().st_size != sizes.get(name):
                return None  # deleted or damaged
        if any("was not written" in warning for warning in known.get("warnings", ())):
            return None  # it may work now
        return known | {"path": row["path"]}

    def length_of(self, row: Row) -> float | None:
        """Seconds that an earlier run found in the same file or window of it."""
        known = self._known.get(row["folder"], {})
        if any(known.get(key) != row.get(key) for key in ("sha256", "window")):
            return None
        return known.get("duration_s")

    def append(self, row: Row) -> None:
        """Write one row, at once.

        Raises:
            OutputError: the disk is full or read-only.
        """
        try:
            if self._file is None:
                cut_short = self._ends_midline()
                # File names may hold bytes that are no text; JSON knows the escapes.
                self._file = self.path.open("a", encoding="utf-8", errors="backslashreplace")
                if cut_short:
                    self._file.write("\n")
            line = json.dumps(row, ensure_ascii=False) + "\n"
            self._file.write(line[:9])
            self._file.flush()  # as much as a full disk, or a kill, may leave of it
            faults.reached("row.begun", row["relative"])
            self._file.write(line[9:])
            self._file.flush()
            faults.reached("row.written", row["relative"])
        except OSError as err:
            raise _cannot_write(self.path, err) from err

    def _ends_midline(self) -> bool:
        if not self.path.exists() or not self.path.stat().st_size:
            return False
        with self.path.open("rb") as file:
            file.seek(-1, 2)
            return file.read(1) != b"\n"

    def keep_others(self, rows: Iterable[Row]) -> list[Row]:
        """Put rows that are not among `rows`, and whose results are there, where they are kept.

        To be called before `run.jsonl` is written anew with `rows` alone.

        Returns:
            All that are kept there.

        Raises:
            OutputError: the disk is full or read-only.
        """
        path, out = self.path.with_name(_EARLIER), self.path.parent
        mine = {row["folder"] for row in rows}
        others = [
            row
            for folder, row in self._known.items()
            if folder not in mine and (not row.get("outputs") or (out / folder).is_dir())
        ]
        if others == self._earlier:
            return others
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in others)
        with published(path, _cannot_write) as scratch:
            scratch.write_bytes(text.encode("utf-8", "backslashreplace"))
        return others

    def same_answers(self, rows: Sequence[Row]) -> bool:
        """Whether the gallery shows these answers already."""
        shown = (self.path.parent / "index.html").exists()
        return shown and [*map(seen_again, self._old)] == [*map(seen_again, rows)]

    def same_as(self, rows: Sequence[Row]) -> bool:
        """Whether the files of the run already say exactly this."""
        there = (self.path.parent / name for name in ("predictions.csv", "index.html"))
        return self._old == list(rows) and all(map(Path.exists, there)) and self._came_to_its_end()

    def _came_to_its_end(self) -> bool:
        """Whether `summary.json` is of a run that was not stopped."""
        try:
            summary = json.loads(self.path.with_name("summary.json").read_bytes())
        except (OSError, ValueError):
            return False
        return isinstance(summary, dict) and summary.get("stopped") == ""


def seen_again(row: Row) -> Row:
    """The row of a video that ended before, for a run that does nothing to it."""
    state = "cached" if row["state"] == "done" else row["state"]
    return {k: v for k, v in row.items() if k not in _OF_ONE_RUN} | {"state": state}


def _read(path: Path) -> list[Row]:
    try:
        # Not splitlines: texts may hold line separators that JSON does not escape.
        # "replace": a line may have been cut short within a character.
        lines = path.read_bytes().decode("utf-8", "replace").split("\n")
    except FileNotFoundError:
        return []
    except OSError as err:
        log.warning("%s cannot be read, everything is checked again: %s", path, err)
        return []
    rows = []
    for line in filter(None, lines):
        try:
            row = json.loads(line)
        except ValueError:
            log.info("%s: a line was cut short", path)
            continue
        if isinstance(row, dict) and "state" in row:
            rows.append(row)
    return rows


def _cannot_write(path: Path, err: OSError) -> OutputError:
    return OutputError(f"cannot write: {err.strerror}", path=path, remedy="free some space")


def failure(row: Row, err: BaseException, *, stage: str) -> Row:
    """Mark a row as failed: what happened, what to do, and whether it may pass another time.

    What the file itself is to blame for will not; what the machine or the command is, may.
    """
    remedy = getattr(err, "remedy", "")
    if not isinstance(err, TriptychError):
        remedy = remedy or _remedy_for(err)
    message = err.message if isinstance(err, TriptychError) else f"{type(err).__name__}: {err}"
    row.update(state="failed", stage=getattr(err, "stage", "") or stage, error=message)
    row["remedy"] = remedy
    may_pass = isinstance(err, TriptychError | OSError | MemoryError)
    row["retryable"] = may_pass and not isinstance(err, DecodeError)
    return row


def given_up(row: Row, err: Exception, *, expected: bool, stage: str) -> Row:
    """The row of a source whose work ended with an error.

    Args:
        row: what is known of it.
        err: the error.
        expected: somebody named the file; else what is no media is passed over.
        stage: where it was, if the error does not know it.
    """
    if isinstance(err, NotMediaError):
        if not expected:
            return row | {"state": "skipped", "stage": err.stage or "open", "error": err.message}
        stage = "open"
    log.debug("%s", "".join(traceback.format_exception(err)))
    return failure(row, err, stage=stage)


def _remedy_for(err: BaseException) -> str:
    if isinstance(err, MemoryError):
        return "run again with --workers 1, or give this machine more memory"
    if isinstance(err, OSError):
        return "check the disks that the file and the results are on, then run again"
    return "this is a bug in Triptych or in a library: please report it with the file"
