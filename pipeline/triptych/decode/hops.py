"""Sound that comes in pieces -> overlapping windows of it, identical however it is cut."""

from __future__ import annotations

import numpy as np

from triptych.records import Floats

__all__ = ["Hops"]


class Hops:
    """Window k is centred on sample k * hop; both ends are mirrored, as librosa does.

    >>> hops = Hops(size=4, hop=2)
    >>> hops.feed(np.arange(5, dtype=np.float32)).tolist()
    [[2.0, 1.0, 0.0, 1.0], [0.0, 1.0, 2.0, 3.0]]
    >>> hops.finish().tolist()
    [[2.0, 3.0, 4.0, 3.0]]
    """

    def __init__(self, *, size: int, hop: int) -> None:
        """Cut nothing yet.

        Args:
            size: samples in a window, an even number.
            hop: samples from one to the next, at most half of `size`.
        """
        self._size, self._hop = size, hop
        self._tail: Floats = np.zeros(0, np.float32)  # what the next window begins with
        self._begun = False

    def feed(self, samples: Floats) -> Floats:
        """The windows (T, size) that `samples` complete; a view, not to be written to."""
        joined = np.concatenate([self._tail, samples])
        half = self._size // 2
        if not self._begun:
            if len(joined) <= half:  # too short to mirror yet
                self._tail = joined
                return np.zeros((0, self._size), np.float32)
            joined = np.concatenate([joined[half:0:-1], joined])
            self._begun = True
        return self._cut(joined)

    def finish(self) -> Floats:
        """The windows (T, size) at the end of the signal."""
        tail, half = self._tail, self._size // 2
        self._tail = np.zeros(0, np.float32)
        if not len(tail):
            return np.zeros((0, self._size), np.float32)
        if self._begun:
            return self._cut(np.pad(tail, (0, half), mode="reflect"))
        # Shorter than half a window: mirrored as far as it goes.
        return self._cut(np.pad(tail, half, mode="reflect" if len(tail) > 1 else "edge"))

    def _cut(self, samples: Floats) -> Floats:
        if len(samples) < self._size:
            self._tail = samples
            return np.zeros((0, self._size), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(samples, self._size)[:: self._hop]
        self._tail = samples[len(windows) * self._hop :]
        return windows
