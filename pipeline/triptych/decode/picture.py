"""Decoded video frames to sampled, scaled, upright RGB."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from triptych.decode.clock import Clock
from triptych.decode.container import upright
from triptych.decode.sampling import Sampler
from triptych.records import Frames, Pixels

__all__ = ["PictureStream", "scaled_size"]

_BATCH = 16  # frames in a chunk: 16 x 455 x 256 x 3 bytes are 6 MB
_LONGEST = 4  # long side over short side; beyond it the picture is shrunk further


def scaled_size(width: int, height: int, aspect: float, short_side: int) -> tuple[int, int]:
    """Size to scale a coded picture to: square pixels, aspect kept, never enlarged.

    >>> scaled_size(1920, 1080, 1.0, 256)
    (455, 256)
    >>> scaled_size(1, 1, 1.0, 256)
    (1, 1)

    Args:
        width: coded width in pixels.
        height: coded height in pixels.
        aspect: width over height of one pixel.
        short_side: wanted pixels of the short side.
    """
    wide, high = width * aspect, float(height)
    scale = min(short_side / min(wide, high), short_side * _LONGEST / max(wide, high), 1.0)
    return max(1, round(wide * scale)), max(1, round(high * scale))


class PictureStream:
    """Chooses frames by time and converts only those chosen.

    One decoded frame is held back: whether it is on screen at a wanted time depends on when
    the next one begins.
    """

    def __init__(
        self,
        *,
        fps: float,
        short_side: int,
        aspect: float,
        start_s: float,
        end_s: float,
        turned: Callable[[int], None],
    ) -> None:
        self.past = False  #: a frame at or after the end was seen
        self.end_s = 0.0  #: end of the last frame in the order of display
        self._last_s = float("-inf")  # when that frame appears
        self._sampler = Sampler(fps=fps, start_s=start_s)
        self._short_side, self._aspect, self._stop_s = short_side, aspect, end_s
        self._turned: Callable[[int], None] | None = turned
        self._clock = Clock()
        self._reformatter = VideoReformatter()
        self._held: av.VideoFrame | None = None
        self._held_s = float("-inf")
        self._rgb: list[Pixels] = []
        self._pts: list[float] = []
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
        if self._clock.doubtful or pts_s >= self._stop_s or self._sampler.may_want(pts_s, end_s):
            return False
        self._note_end(pts_s, min(end_s, pts_s + length_s) if length_s else end_s)
        return True

    def feed(self, frame: av.VideoFrame) -> Frames | None:
        """A batch of sampled frames, when one is full."""
        pts_s = self._clock.read(frame)
        if pts_s is None:
            return None
        batch = self._take(pts_s)
        if pts_s >= self._stop_s:
            self.past = True
            self._held = None
            return batch
        if self._turned is not None:
            self._turned(frame.rotation)
            self._turned = None
        if frame.duration and frame.time_base:
            self._step_s = float(frame.duration * frame.time_base)
        elif self._held is not None:
            self._step_s = pts_s - self._held_s
        self._held, self._held_s = frame, pts_s
        self._note_end(pts_s, pts_s + self._step_s)
        return batch

    def _note_end(self, pts_s: float, end_s: float) -> None:
        if pts_s >= self._last_s:
            self._last_s, self.end_s = pts_s, min(end_s, self._stop_s)

    def finish(self) -> Iterator[Frames]:
        """The frames that are left, the last of the film among them if it is wanted."""
        if batch := self._take(self.end_s):
            yield batch
        if self._pts:
            yield self._batch()

    def _take(self, following_s: float) -> Frames | None:
        """Keep the held frame if it is on screen at a wanted time before `following_s`."""
        following_s = min(following_s, self._stop_s)
        if self._held is None or not self._sampler.wants(self._held_s, following_s):
            return None
        rgb = self._convert(self._held)
        full = bool(self._rgb) and (len(self._rgb) >= _BATCH or self._rgb[0].shape != rgb.shape)
        batch = self._batch() if full else None
        self._rgb.append(rgb)
        self._pts.append(self._held_s)
        return batch

    def _batch(self) -> Frames:
        frames = Frames(rgb=np.stack(self._rgb), pts_s=np.array(self._pts, np.float64))
        self._rgb, self._pts = [], []
        return frames

    def _convert(self, frame: av.VideoFrame) -> Pixels:
        width, height = scaled_size(frame.width, frame.height, self._aspect, self._short_side)
        scaled = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation=Interpolation.BICUBIC
        )
        pixels = scaled.to_ndarray().astype(np.uint8, copy=False)
        return upright(pixels, frame.rotation)
