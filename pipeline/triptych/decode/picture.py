"""Decoded video frames to sampled, scaled, upright pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import av

from triptych.decode.clock import Clock
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
        self.end_s = 0.0  #: end of the last frame in the order of display
        self._last_s = float("-inf")  # when that frame appears
        self._lanes, self._stop_s = lanes, end_s
        self._turned: Callable[[int], None] | None = turned
        self._clock = Clock()
        self._held: av.VideoFrame | None = None
        self._held_s = float("-inf")
        self._step_s = 0.04  # length of the latest frame, for frames that have none

    def complaints(self) -> Iterator[str]:
        """Oddities in the frames' times."""
        if self._clock.unordered:
            yield f"{self._clock.unordered} frames out of order were left out"
        if self._clock.timeless:
            yield f"{self._clock.timeless} frames without a time were placed after the one before"

    def may_skip(self, pts_s: float, end_s: float, length_s: float) -> bool:
        """Whether the frame on screen from `pts_s` to `end_s` is certainly not wanted.

        Args:
            pts_s: when it appears.
            end_s: when the next one does.
            length_s: how long the container says that it lasts, 0 if it does not say.
        """
        if self._clock.doubtful or pts_s >= self._stop_s:
            return False
        if any(lane.may_want(pts_s, end_s) for lane in self._lanes):
            return False
        self._note_end(pts_s, min(end_s, pts_s + length_s) if length_s else end_s)
        return True

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
        if frame.duration and frame.time_base:
            self._step_s = float(frame.duration * frame.time_base)
        elif self._held is not None:
            self._step_s = pts_s - self._held_s
        self._held, self._held_s = frame, pts_s
        self._note_end(pts_s, pts_s + self._step_s)
        return batches

    def _note_end(self, pts_s: float, end_s: float) -> None:
        if pts_s >= self._last_s:
            self._last_s, self.end_s = pts_s, min(end_s, self._stop_s)

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
