"""frames/000001.jpg and frames.csv: the sampled frames, written as they come."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from PIL import Image

from triptych.records import Frames
from triptych.unpack.wishes import PictureKind

__all__ = ["FRAMES", "FramesFolder", "is_frame"]

FRAMES, TABLE = "frames", "frames.csv"
_COLUMNS = ("file", "wanted_s", "time_s", "key")
# JPEG as good as it gets without waste: every pixel with its own colour.
_HOW: dict[str, dict[str, Any]] = {
    "jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "png": {"format": "PNG", "compress_level": 3},
}


def is_frame(name: str) -> bool:
    """Whether a file of the folder has a name that is given here.

    >>> is_frame("000012.jpg"), is_frame("holiday.jpg")
    (True, False)
    """
    stem, dot, ending = name.partition(".")
    return len(stem) >= 6 and stem.isascii() and stem.isdigit() and dot + ending in (".jpg", ".png")


class FramesFolder:
    """A folder of pictures and the table of their times; use it as a context manager.

    Args:
        folder: that both are written to.
        kind: of pictures.
        facts_of: from the time of a frame, in turn for each: the time that it is wanted for, and
            whether it is a key frame; None for what is not known.
    """

    def __init__(
        self,
        folder: Path,
        *,
        kind: PictureKind,
        facts_of: Callable[[float], tuple[float | None, bool | None]],
    ) -> None:
        self.count = 0
        self.first_s: float | None = None
        self.last_s: float | None = None
        self.sizes: dict[str, int] = {}  #: "1920x1080" -> pictures of this size
        self._folder, self._kind, self._facts_of = folder, kind, facts_of
        self._table: IO[str] | None = None
        self._rows: Any = None

    def write(self, frames: Frames) -> None:
        """Add frames, which follow those before in time.

        Raises:
            OSError: the disk will not have them.
        """
        if self._table is None:
            (self._folder / FRAMES).mkdir()
            self._table = (self._folder / TABLE).open("w", encoding="ascii", newline="")
            self._rows = csv.writer(self._table, lineterminator="\n")
            self._rows.writerow(_COLUMNS)
        for rgb, time_s in zip(frames.rgb, frames.pts_s.tolist(), strict=True):
            self.count += 1
            name = f"{FRAMES}/{self.count:06}.{self._kind}"
            Image.fromarray(rgb).save(self._folder / name, **_HOW[self._kind])
            wanted_s, key = self._facts_of(time_s)
            known = "" if key is None else int(key)
            self._rows.writerow([name, _written(wanted_s), _written(time_s), known])
            size = f"{rgb.shape[1]}x{rgb.shape[0]}"
            self.sizes[size] = self.sizes.get(size, 0) + 1
            self.last_s = round(time_s, 6)
            self.first_s = self.last_s if self.first_s is None else self.first_s

    def finish(self) -> dict[str, Any] | None:
        """Close the table; returns what media.json says, None where nothing is seen.

        Raises:
            OSError: the disk will not have it.
        """
        if self._table is None:
            return None
        self._table.close()
        return {
            "files": [FRAMES, TABLE],
            "count": self.count,
            "sizes": self.sizes,
            "first_s": self.first_s,
            "last_s": self.last_s,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._table is not None:
            with contextlib.suppress(OSError):  # what failed first is what matters
                self._table.close()


def _written(seconds: float | None) -> str:
    """Seconds with as many digits as tell two frames apart; empty where they are not known.

    >>> _written(1 / 3), _written(2.0), _written(None)
    ('0.333333', '2.0', '')
    """
    return "" if seconds is None else repr(round(seconds, 6))
