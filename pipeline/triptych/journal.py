"""`run.jsonl`: what is finished, written as it finishes, read by the next run."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from triptych.errors import OutputError, TriptychError

__all__ = ["Journal", "Row", "failure"]

log = logging.getLogger(__name__)

Row = dict[str, Any]
_LASTING = ("done", "cached", "partial", "skipped")  # a failure is tried again by the next run


class Journal:
    """Rows of earlier runs by fingerprint, and a file that rows are appended to.

    A run that is killed leaves a file in which the last line may be cut short; everything
    before it still counts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._old: list[Row] = self._read()
        self._known = {
            (r["fingerprint"], r.get("folder")): r
            for r in self._old
            if r.get("fingerprint") and r["state"] in _LASTING
        }
        self._file: TextIO | None = None

    def _read(self) -> list[Row]:
        try:
            # Not splitlines: texts may hold line separators that JSON does not escape.
            # "replace": a line may have been cut short within a character.
            lines = self.path.read_bytes().decode("utf-8", "replace").split("\n")
        except FileNotFoundError:
            return []
        except OSError as err:
            log.warning("%s cannot be read, everything is checked again: %s", self.path, err)
            return []
        rows = []
        for line in filter(None, lines):
            try:
                row = json.loads(line)
            except ValueError:
                log.info("%s: a line was cut short", self.path)
                continue
            if isinstance(row, dict) and "state" in row:
                rows.append(row)
        return rows

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

    def finished(self, row: Row, out: Path) -> Row | None:
        """The row of an earlier run with the same answers still in place, or None."""
        known = self._known.get((row["fingerprint"], row["folder"]))
        if known is None:
            return None
        folder = out / known["folder"]
        sizes = known.get("sizes", {})
        for name in known.get("outputs", {}).values():
            path = folder / name
            if not path.is_file() or path.stat().st_size != sizes.get(name):
                return None  # deleted or damaged
        if any("was not written" in warning for warning in known.get("warnings", ())):
            return None  # it may work now
        return {k: v for k, v in known.items() if k != "fresh"} | {"path": row["path"]}

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
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as err:
            raise OutputError(
                f"cannot write: {err.strerror}", path=self.path, remedy="free some space"
            ) from err

    def _ends_midline(self) -> bool:
        if not self.path.exists() or not self.path.stat().st_size:
            return False
        with self.path.open("rb") as file:
            file.seek(-1, 2)
            return file.read(1) != b"\n"

    def same_answers(self, rows: Sequence[Row]) -> bool:
        """Whether the gallery shows these answers already."""
        shown = (self.path.parent / "index.html").exists()
        return shown and [_answer(r) for r in self._old] == [_answer(r) for r in rows]

    def same_as(self, rows: Sequence[Row]) -> bool:
        """Whether the files of the run already say exactly this."""
        return self._old == list(rows) and all(
            (self.path.parent / name).exists()
            for name in ("predictions.csv", "index.html", "summary.json")
        )


def _answer(row: Row) -> Row:
    """A row without what a second look at a finished video changes."""
    state = "done" if row["state"] == "cached" else row["state"]
    return {k: v for k, v in row.items() if k != "fresh"} | {"state": state}


def failure(row: Row, err: BaseException, *, stage: str) -> Row:
    """Mark a row as failed, with what happened and what to do."""
    remedy = getattr(err, "remedy", "")
    if not isinstance(err, TriptychError):
        remedy = (
            remedy or "this is a bug in Triptych or in a library: please report it with the file"
        )
    message = err.message if isinstance(err, TriptychError) else f"{type(err).__name__}: {err}"
    row.update(state="failed", stage=getattr(err, "stage", "") or stage, error=message)
    row["remedy"] = remedy
    return row
