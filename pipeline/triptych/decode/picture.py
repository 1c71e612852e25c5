"""Decoded video frames to sampled, scaled, upright pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import av

from triptych.amounts import counted
from triptych.decode.clock import STEP_S, Clock
from triptych.decode.lane import Lane, Pictures

__all__ = ["PictureStream"]


class PictureStream:
    """Puts frames in the order of their times before its lanes, which choose among them.

    One decoded frame is held back: whether it is on screen at a wanted time depends on when
    the next one begins.
    """

    def __init__(
        self, lanes: Sequence[Lane], *, end_s: float, turned: Callable[[int], None]
    ) -> None:
        self.past = False  #: a frame at or after the end was seen
        # Of the frames that came or were passed over, in the order of display: when the last
        # and the one before it appear, and how long the last stays if that is known.
        self._last_s = self._before_s = float("-inf")
        self._stays_s = 0.0
        self._lanes, self._stop_s = lanes, end_s
        self._turned: Callable[[int], None] | None = turned
        self._clock = Clock()
        self._held: av.VideoFrame | None = None
        self._held_s = float("-inf")
        self.snap = next((lane.snap for lane in lanes if lane.snap), None)
        self._exact = any(lane.snap is None for lane in lanes)

    @property
    def end_s(self) -> float:
        """End of the last frame in the order of display."""
        if self._last_s == float("-inf"):
            return 0.0
        step_s = self._last_s - self._before_s if self._before_s > float("-inf") else STEP_S
        return min(self._last_s + (self._stays_s or step_s), self._stop_s)

    def complaints(self) -> Iterator[str]:
        """Oddities in the frames' times."""
        if self._clock.unordered:
            yield f"left out: {counted(self._clock.unordered, 'frame')} out of order"
        if self._clock.timeless:
            frames = counted(self._clock.timeless, "frame")
            yield f"placed after the one before: {frames} without a time"

    @property
    def certain(self) -> bool:
        """Whether what is wanted can be told from the times of packets.

        Until a frame came none is passed over: the first on screen stands for all earlier times.
        """
        return not self._clock.doubtful and (self._held is not None or not self._exact)

    def wants(self, pts_s: float, end_s: float) -> bool:
        """Whether a frame on screen from `pts_s` to `end_s` could be wanted."""
        return pts_s >= self._stop_s or any(lane.may_want(pts_s, end_s) for lane in self._lanes)

    def pass_over(self, pts_s: float, length_s: float) -> None:
        """Note a frame that is not wanted and may never come.

        Args:
            pts_s: when it appears.
            length_s: how long the container says that it lasts, 0 if it does not say.
        """
        self._note(pts_s, length_s)

    def feed(self, frame: av.VideoFrame) -> list[Pictures]:
        """Batches of sampled frames that are full."""
        pts_s = self._clock.read(frame)
        if pts_s is None:
            return []
        batches = self._take(pts_s)
        if pts_s >= self._stop_s:
            self.past = True
            self._held = None
            return batches
        if self._turned is not None:
            self._turned(frame.rotation)
            self._turned = None
        self._held, self._held_s = frame, pts_s
        length, tick = frame.duration, frame.time_base
        self._note(pts_s, length * tick.numerator / tick.denominator if length and tick else 0.0)
        return batches

    def _note(self, pts_s: float, stays_s: float) -> None:
        if pts_s > self._last_s:
            self._before_s, self._last_s, self._stays_s = self._last_s, pts_s, stays_s
        elif pts_s < self._last_s:
            self._before_s = max(self._before_s, pts_s)

    def finish(self) -> Iterator[Pictures]:
        """The frames that are left, the last of the film among them if it is wanted."""
        yield from self._take(self.end_s)
        for lane in self._lanes:
            if batch := lane.finish():
                yield batch

    def _take(self, following_s: float) -> list[Pictures]:
        """Offer the held frame, which the next one follows at `following_s`, to the lanes."""
        if self._held is None:
            return []
        following_s = min(following_s, self._stop_s)
        taken = [lane.take(self._held, self._held_s, following_s) for lane in self._lanes]
        return [batch for batch in taken if batch is not None]
