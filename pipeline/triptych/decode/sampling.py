"""Which frames to take: a function of presentation times, never of indices and rates."""

from __future__ import annotations

import numpy as np

from triptych.records import Times

__all__ = ["Sampler", "nearest_frames"]

# Times are sums of rationals rounded to doubles; a frame that starts within a microsecond of
# the wanted time is the frame on screen then.
_TOLERANCE_S = 1e-6
_ROUNDING_S = 1e-8  # of doubles, for any film that fits on a disk


def nearest_frames(pts_s: Times, wanted_s: Times) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Index of the frame on screen at each wanted time (the first frame for earlier times).

    >>> nearest_frames(np.array([0.0, 1.0, 5.0]), np.array([0.0, 4.9, 9.0]))
    array([0, 1, 2])

    Raises:
        ValueError: there are no frames.
    """
    if not len(pts_s):
        raise ValueError("no frames to sample from")
    right = np.searchsorted(pts_s, wanted_s + _TOLERANCE_S, side="right")
    return np.clip(right - 1, 0, None)


class Sampler:
    """`nearest_frames` for a stream: tells, one frame late, whether a frame is wanted.

    The wanted times are start_s + k / fps. A frame is known to be on screen at a wanted time
    only when the next frame's time is known, so the caller holds one decoded frame back.

    >>> sampler = Sampler(fps=1.0, start_s=0.0)
    >>> [sampler.wants(t, following) for t, following in [(0.0, 0.4), (0.4, 0.9), (0.9, 1.3)]]
    [True, False, True]
    """

    def __init__(self, *, fps: float, start_s: float) -> None:
        self._fps = fps
        self._start_s = start_s
        self._next = 0

    def wants(self, pts_s: float, following_s: float) -> bool:
        """Whether a wanted time lies in [pts_s, following_s), or before the first frame.

        Args:
            pts_s: presentation time of the held frame.
            following_s: presentation time of the frame after it, or its end if it is the last.
        """
        if self._time(self._next) + _TOLERANCE_S >= following_s:
            return False
        # A guess that rounding cannot bring above the first time not yet shown.
        index = max(int((following_s - self._start_s) * self._fps) - 1, self._next + 1)
        while self._time(index) + _TOLERANCE_S < following_s:
            index += 1
        self._next = index
        return True

    def may_want(self, pts_s: float, end_s: float) -> bool:
        """Whether a wanted time lies in [pts_s, end_s), or so near that rounding decides.

        Unlike `wants` it looks at no other frame.
        """
        first = pts_s - _TOLERANCE_S - _ROUNDING_S
        index = max(int(np.ceil((first - self._start_s) * self._fps)), 0)
        return self._time(index) + _TOLERANCE_S < end_s + _ROUNDING_S

    def _time(self, index: int) -> float:
        return self._start_s + index / self._fps
