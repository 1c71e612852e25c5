"""When decoded frames are shown, for files that state it wrongly or not at all."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["STEP_S", "Clock"]

STEP_S = 0.04  # length of a frame while no other is known
_LONGEST_STEP_S = 1.0


class Clock:
    """Presentation times of frames, in the order in which they leave the decoder.

    Frames leave a decoder in the order they are shown. An AVI file with packed B-frames swaps
    the presentation times of neighbours; then the decoding times are better. Whichever of the
    two has run backwards less often is believed, as ffmpeg's own best-effort times do.
    """

    def __init__(self) -> None:
        self.unordered = 0  #: frames whose time is not after the one before
        self.timeless = 0  #: frames without any time, placed after the one before
        self._last_s, self._step_s = -math.inf, STEP_S
        self._ticks = {"pts": -math.inf, "dts": -math.inf}
        self._faults = {"pts": 0, "dts": 0}

    @property
    def doubtful(self) -> bool:
        """Whether presentation times have run backwards."""
        return self._faults["pts"] > 0

    def read(self, frame: Any) -> float | None:
        """Time in seconds, or None for a frame that would be shown before an earlier one.

        Args:
            frame: with `pts`, `dts` and `time_base`; each may be None.
        """
        for name, ticks in (("pts", frame.pts), ("dts", frame.dts)):
            if ticks is not None:
                self._faults[name] += ticks <= self._ticks[name]
                self._ticks[name] = ticks
        ticks = frame.pts
        if ticks is None or self._faults["pts"] > self._faults["dts"]:
            # The last frames have no decoding time: they follow the one before.
            ticks = frame.dts if math.isfinite(self._ticks["dts"]) else ticks
        tick = frame.time_base
        if ticks is None or not tick:
            self.timeless += 1
            time_s = self._last_s + self._step_s if math.isfinite(self._last_s) else 0.0
        else:
            time_s = ticks * tick.numerator / tick.denominator  # as a Fraction would, but faster
        if time_s <= self._last_s:
            self.unordered += 1
            return None
        if math.isfinite(self._last_s):
            self._step_s = min(time_s - self._last_s, _LONGEST_STEP_S)
        self._last_s = time_s
        return time_s
