"""Rows that hear more than their own time: windows around the rows of a stream."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from triptych.extract.rows import first_unit, rows_over
from triptych.records import Floats

__all__ = ["RowWindows"]


class RowWindows:
    """Cuts a stream into windows around rows: as long as the row, and no shorter than `window_s`.

    At the ends of the stream windows keep their length and leave the middle, so that nobody hears
    a silence that is not there. What is held does not grow with the length of the stream.
    """

    def __init__(self, *, step_s: float, rate_hz: int, window_s: int) -> None:
        self._step_s, self._rate_hz = step_s, rate_hz
        self._shortest = window_s * rate_hz
        self._longest = max(self._shortest, math.ceil(step_s * rate_hz) + 1)
        self._row = self._first = 0  # the next row; the first unit held
        self._held: Floats | None = None

    def feed(self, piece: Floats) -> Iterator[Floats]:
        """Windows (units, ...) that `piece` completes, a row each."""
        held = piece if self._held is None else np.concatenate([self._held, piece])
        end = self._first + len(held)
        while sum(place := self._place(self._row)) <= end:
            begin, length = place
            yield held[begin - self._first :][:length]
            self._row += 1
        spare = max(0, len(held) - self._longest)
        self._held, self._first = held[spare:], self._first + spare

    def finish(self) -> Iterator[Floats]:
        """Windows of the rows that are left: the last units of all."""
        if self._held is None:
            return
        end = self._first + len(self._held)
        for row in range(self._row, rows_over(end, step_s=self._step_s, rate_hz=self._rate_hz)):
            _, length = self._place(row)
            yield self._held[-length:]

    def _place(self, row: int) -> tuple[int, int]:
        """First unit and length of a row's window."""
        begin, end = (
            first_unit(r, step_s=self._step_s, rate_hz=self._rate_hz) for r in (row, row + 1)
        )
        length = max(self._shortest, end - begin)
        return max(0, begin - (length - (end - begin)) // 2), length
