"""Rows of equal length over sound: row k holds for [k * step_s, (k + 1) * step_s).

What a row is made of (samples, columns of a spectrogram, states of an encoder) comes at a rate
of its own, and a row need not hold a whole number of it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from triptych.records import Floats, Times

__all__ = ["SHORTEST_S", "RowCutter", "first_unit", "row_spans", "rows_over"]

SHORTEST_S = 0.1  #: of rows; below it some would hold too little to be measured


@functools.cache
def _exact(step_s: float) -> Fraction:
    """The step as it is written: 0.3 is three tenths, which no float is."""
    return Fraction(str(step_s))


def first_unit(row: int, *, step_s: float, rate_hz: int) -> int:
    """Index of the sample, column or state that a row begins with.

    Counted from the start of the sound for each row, so that rows never drift from their times.
    Rounded down at every rate alike: a row that has a sample then has a column too.

    >>> [first_unit(row, step_s=0.3, rate_hz=16) for row in range(5)]
    [0, 4, 9, 14, 19]
    """
    return math.floor(row * _exact(step_s) * rate_hz)


def rows_over(units: int, *, step_s: float, rate_hz: int) -> int:
    """Rows that begin within the first `units`.

    >>> [rows_over(units, step_s=0.3, rate_hz=16) for units in (0, 1, 4, 5, 9, 10)]
    [0, 1, 1, 2, 2, 3]
    """
    return math.ceil(units / (_exact(step_s) * rate_hz))


def row_spans(rows: int, *, start_s: float, end_s: float, step_s: float) -> tuple[Times, Times]:
    """Starts and ends of consecutive rows, the last one cut at `end_s`.

    >>> row_spans(3, start_s=5.0, end_s=6.25, step_s=0.5)
    (array([5. , 5.5, 6. ]), array([5.5 , 6.  , 6.25]))
    """
    starts = start_s + np.arange(rows, dtype=np.float64) * step_s
    return starts, np.maximum(np.minimum(starts + step_s, end_s), starts)


class RowCutter:
    """Cuts consecutive pieces of one array into rows, however it comes in pieces."""

    def __init__(self, *, step_s: float, rate_hz: int) -> None:
        self._step_s, self._rate_hz = step_s, rate_hz
        self._row = 0
        self._held: Floats | None = None  # from the start of `_row`

    def feed(self, piece: Floats) -> Iterator[Floats]:
        """Whole rows that `piece` completes, each (units, ...)."""
        held = piece if self._held is None else np.concatenate([self._held, piece])
        while len(held) >= (length := self._length()):
            yield held[:length]
            held = held[length:]
            self._row += 1
        self._held = held

    def finish(self) -> Iterator[Floats]:
        """What is left: one shorter row or none."""
        if self._held is not None and len(self._held):
            yield self._held

    def _length(self) -> int:
        begin, end = (
            first_unit(row, step_s=self._step_s, rate_hz=self._rate_hz)
            for row in (self._row, self._row + 1)
        )
        return end - begin
