"""Which frames of a stream to take, told one frame late: the wanted times as a decode meets them.

A frame is known to be on screen at a wanted time only when the next frame's time is known, so
the caller holds one decoded frame back.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from typing import Protocol

from triptych.decode.sampling import TOLERANCE_S

__all__ = ["Listed", "Sampler", "Wanted"]


class Wanted(Protocol):
    """Wanted times, and how far they have been served."""

    def wants(self, pts_s: float, following_s: float) -> bool:
        """Whether a wanted time lies in [pts_s, following_s), or before the first frame.

        Args:
            pts_s: presentation time of the held frame.
            following_s: presentation time of the frame after it, or its end if it is the last.
        """
        ...

    def may_want(self, pts_s: float, end_s: float) -> bool:
        """Whether a wanted time lies in [pts_s, end_s), or so near that rounding decides."""
        ...

    def due(self, until_s: float) -> list[float]:
        """Wanted times before this one that were not served."""
        ...


class Sampler:
    """The times start_s + k / fps, without end.

    >>> sampler = Sampler(fps=1.0, start_s=0.0)
    >>> [sampler.wants(t, following) for t, following in [(0.0, 0.4), (0.4, 0.9), (0.9, 1.3)]]
    [True, False, True]
    """

    def __init__(self, *, fps: float, start_s: float) -> None:
        self._fps = fps
        self._start_s = start_s
        self._next = 0

    def wants(self, pts_s: float, following_s: float) -> bool:
        """Whether a wanted time lies in [pts_s, following_s), or before the first frame."""
        if self._time(self._next) + TOLERANCE_S >= following_s:
            return False
        # A guess that rounding cannot bring above the first time not yet shown.
        index = max(int((following_s - self._start_s) * self._fps) - 1, self._next + 1)
        while self._time(index) + TOLERANCE_S < following_s:
            index += 1
        self._next = index
        return True

    def may_want(self, pts_s: float, end_s: float) -> bool:
        """Whether a wanted time lies in [pts_s, end_s), or so near that rounding decides."""
        index = math.ceil((pts_s - self._start_s - 2 * TOLERANCE_S) * self._fps)
        return self._time(max(index, 0)) < end_s - TOLERANCE_S / 2

    def due(self, until_s: float) -> list[float]:
        """Wanted times before this one that were not served."""
        found, index = [], self._next
        while self._time(index) + TOLERANCE_S < until_s:
            found.append(self._time(index))
            index += 1
        return found

    def _time(self, index: int) -> float:
        return self._start_s + index / self._fps


class Listed:
    """Times that are known one by one.

    >>> listed = Listed([0.5, 0.6, 3.0])
    >>> [listed.wants(t, t + 1) for t in (0.0, 1.0, 2.0, 3.0)]
    [True, False, False, True]
    """

    def __init__(self, times_s: Sequence[float] = ()) -> None:
        self._times = sorted(map(float, times_s))
        self._next = 0

    def wants(self, pts_s: float, following_s: float) -> bool:
        """Whether a wanted time lies in [pts_s, following_s), or before the first frame."""
        before, self._next = self._next, self._after(following_s)
        return self._next > before

    def may_want(self, pts_s: float, end_s: float) -> bool:
        """Whether a wanted time lies in [pts_s, end_s), or so near that rounding decides."""
        at = bisect.bisect_left(self._times, pts_s - 2 * TOLERANCE_S)
        return at < len(self._times) and self._times[at] < end_s - TOLERANCE_S / 2

    def due(self, until_s: float) -> list[float]:
        """Wanted times before this one that were not served."""
        return self._times[self._next : self._after(until_s)]

    def add(self, time_s: float) -> None:
        """One more, if it is not among them."""
        at = bisect.bisect_left(self._times, time_s)
        if self._times[at : at + 1] != [time_s]:
            self._times.insert(at, time_s)

    def _after(self, until_s: float) -> int:
        at = bisect.bisect_left(self._times, until_s - TOLERANCE_S, lo=self._next)
        return max(at, self._next)
