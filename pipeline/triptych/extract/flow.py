"""Small grey frames -> how every point moved from frame to frame, the camera's motion removed.

Speeds are in short sides of the picture a second: a person who crosses a square picture in a
second has speed 1, whatever the file's size and rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from triptych.extract.specs import DENSE_FPS, DENSE_SIDE
from triptych.records import Floats, Luma, Pixels

__all__ = ["FASTEST", "FlowReader", "Pair"]

FASTEST = 4.0  #: short sides a second; what seems faster is a flash, or lost
_CUT = 0.5  # correlation; frames of one shot a tenth of a second apart lie above .6 in fights
_FLAT = 1.0  # grey levels; below it a picture has nothing to be recognised by
_LONGEST = 4 * DENSE_SIDE
# Two frames on screen at wanted times may begin at almost the same time.
_SHORTEST_S = 0.5 / DENSE_FPS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pair:
    """Two frames that follow each other, and what moved between them."""

    before: Pixels  #: (H, W)
    after: Pixels  #: (H, W)
    begin_s: float
    end_s: float
    velocity: Floats  #: (H, W, 2) right and down, short sides a second, relative to the camera
    camera: Floats  #: (2,) pixels by which most of the picture moved; zero at a cut
    cut: bool  #: the second frame shows something else: nothing can be said of motion

    @property
    def short_side(self) -> int:
        """Pixels."""
        return min(self.before.shape)

    @property
    def length_s(self) -> float:
        """Time in which the motion happened."""
        return max(self.end_s - self.begin_s, _SHORTEST_S)


class FlowReader:
    """Dense optical flow (DIS) from frame to frame, however frames come in chunks.

    `fine` flow tells speeds (3 ms a pair), the other where motion is (1 ms).
    """

    def __init__(self, *, fine: bool) -> None:
        # With more threads the picture is worked on in more stripes, and the flow is another.
        cv2.setNumThreads(1)
        self._flow = cv2.DISOpticalFlow.create(
            cv2.DISOPTICAL_FLOW_PRESET_MEDIUM if fine else cv2.DISOPTICAL_FLOW_PRESET_FAST
        )
        self._last: tuple[Pixels, float] | None = None
        self.start_s: float | None = None  #: when the first frame appears

    @property
    def end_s(self) -> float:
        """When the last frame has been on screen for half of the usual time between two.

        The next one would have come after the whole of it, so this lies within the film.
        """
        return 0.0 if self._last is None else self._last[1] + _SHORTEST_S

    def feed(self, luma: Luma) -> Iterator[Pair]:
        """Pairs that end with a frame of this chunk."""
        for gray, pts_s in zip(map(_brought, luma.gray), luma.pts_s.tolist(), strict=True):
            last, self._last = self._last, (gray, pts_s)
            if last is None:
                self.start_s = pts_s
            else:
                yield self._pair(*last, gray, pts_s)

    def _pair(self, before: Pixels, begin_s: float, after: Pixels, end_s: float) -> Pair:
        velocity, camera = np.zeros((*after.shape, 2), np.float32), np.zeros(2, np.float32)
        cut = before.shape != after.shape
        if not cut and not np.array_equal(before, after):
            flow = np.asarray(self._flow.calc(before, after, None), np.float32)  # type: ignore[call-overload]
            camera = np.median(flow[::4, ::4].reshape(-1, 2), axis=0)
            if cut := _likeness(before, after, camera) < _CUT:
                camera = np.zeros(2, np.float32)
            else:
                velocity = flow - camera
        pair = Pair(
            before=before if before.shape == after.shape else after,
            after=after,
            begin_s=begin_s,
            end_s=end_s,
            velocity=velocity,
            camera=camera,
            cut=cut,
        )
        velocity /= pair.short_side * pair.length_s
        speed = np.hypot(velocity[..., 0], velocity[..., 1])
        velocity *= (FASTEST / np.maximum(speed, FASTEST))[..., None]
        return pair


def _brought(gray: Pixels) -> Pixels:
    """A picture with a short side of 128 pixels: how fine the flow is does not depend on it."""
    height, width = gray.shape
    scale = DENSE_SIDE / min(height, width)
    if scale == 1.0:
        return gray
    size = tuple(min(_LONGEST, max(DENSE_SIDE, round(side * scale))) for side in (width, height))
    way = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(gray, size, interpolation=way), np.uint8)


def _likeness(before: Pixels, after: Pixels, camera: Floats) -> float:
    """Correlation of two frames where they overlap once the camera's motion is undone."""
    height, width = before.shape
    right, down = (round(float(c)) for c in camera)
    if abs(right) >= width or abs(down) >= height:
        return 0.0
    one = before[max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
    other = after[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)]
    a, b = one[::2, ::2].astype(np.float32), other[::2, ::2].astype(np.float32)
    spread = float(a.std()), float(b.std())
    if min(spread) < _FLAT:
        return 1.0 if max(spread) < _FLAT else 0.0
    return float(((a - a.mean()) * (b - b.mean())).mean()) / (spread[0] * spread[1])
