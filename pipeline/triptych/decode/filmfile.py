"""Pictures that are no film yet as the file of one, which nobody wrote.

A header is made in memory, and behind it the pictures seem to lie end to end: who reads there is
given the picture that belongs there. So all that can be done with a film, seeking and passing
over pictures that nobody wants, is done by the code for films.
"""

from __future__ import annotations

import bisect
import io
import itertools
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from triptych.decode.quicktime import film_header

__all__ = ["RAW", "Fill", "FilmFile", "raw_bytes"]

#: Puts the bytes of a picture (by its index) from an offset on into a buffer, all of it.
Fill: TypeAlias = Callable[[int, int, memoryview], None]

RAW = b"raw "  #: QuickTime's name for pictures of three bytes a pixel, red first


def raw_bytes(size: tuple[int, int]) -> int:
    """Bytes of a raw picture of this width and height."""
    return size[0] * size[1] * 3


class FilmFile(io.RawIOBase):
    """A film that can be read, and is made while it is.

    Args:
        name: what errors call it.
        codec: of all pictures, in QuickTime's four characters.
        size: width and height of all pictures.
        sizes: bytes of each.
        stays: ticks for which each is shown.
        ticks_a_second: the film's clock.
        fill: gives the bytes of a picture; what it raises, the reader gets.

    Raises:
        ValueError: a picture would stay for longer than a film can say.
    """

    def __init__(
        self,
        name: str,
        *,
        codec: bytes,
        size: tuple[int, int],
        sizes: Sequence[int],
        stays: Sequence[int],
        ticks_a_second: int,
        fill: Fill,
    ) -> None:
        super().__init__()
        self.name = name
        self._header = film_header(
            codec, size=size, sizes=sizes, stays=stays, ticks_a_second=ticks_a_second
        )
        self._ends = list(itertools.accumulate((len(self._header), *sizes)))
        self._fill = fill
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go somewhere else."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._ends[-1]}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Bytes of the header or of one picture."""
        part = bisect.bisect_right(self._ends, self._at)
        if part == len(self._ends):
            return 0
        view = memoryview(buffer).cast("B")[: self._ends[part] - self._at]
        if part == 0:
            view[:] = self._header[self._at : self._at + len(view)]
        else:
            self._fill(part - 1, self._at - self._ends[part - 1], view)
        self._at += len(view)
        return len(view)
