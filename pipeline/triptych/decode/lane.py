"""Frames chosen by time, converted and batched: one lane for each kind of record."""

from __future__ import annotations

from typing import TypeAlias

import av
import numpy as np
from av.video.reformatter import Interpolation

from triptych.decode.convert import COLOUR_SCALING, GLANCE_SCALING, GREY_SCALING, Converter
from triptych.decode.precision import Snap
from triptych.decode.sampler import Wanted
from triptych.records import Footage, Frames, Glances, Luma, Miniatures, Pixels, Stills

__all__ = ["Lane", "Pictures", "scaled_size"]

Pictures: TypeAlias = Footage | Frames | Glances | Luma | Miniatures | Stills

_BATCH = 16  # frames in a chunk: 16 x 455 x 256 x 3 bytes are 6 MB
_BATCH_BYTES = 32_000_000  # and fewer where they are large
_LONGEST = 4  # long side over short side; beyond it the picture is shrunk further
_SCALING: dict[type[Pictures], Interpolation] = {
    Footage: COLOUR_SCALING,
    Frames: COLOUR_SCALING,
    Glances: GLANCE_SCALING,
    Luma: GREY_SCALING,
    Miniatures: COLOUR_SCALING,
    Stills: COLOUR_SCALING,
}


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


class Lane:
    """Samples one stream in a way of its own, and converts only what it takes."""

    def __init__(
        self, kind: type[Pictures], *, sampler: Wanted, short_side: int, aspect: float
    ) -> None:
        self._kind, self._sampler = kind, sampler
        self._short_side, self._aspect = short_side, aspect
        toned = kind in (Footage, Frames, Stills)
        self._converter = Converter(scaling=_SCALING[kind], grey=kind is Luma, toned=toned)
        self._pixels: list[Pixels] = []
        self._pts: list[float] = []

    @property
    def snap(self) -> Snap | None:
        """How frames are chosen, if not those on screen."""
        return self._sampler if isinstance(self._sampler, Snap) else None

    def may_want(self, pts_s: float, end_s: float) -> bool:
        """Whether a frame on screen from `pts_s` to `end_s` could be wanted."""
        return self._sampler.may_want(pts_s, end_s)

    def take(self, frame: av.VideoFrame, pts_s: float, following_s: float) -> Pictures | None:
        """Keep the frame if it is on screen at a wanted time; a batch, when one is full."""
        if not self._sampler.wants(pts_s, following_s):
            return None
        if self.snap and frame.is_corrupt:  # the time that it stands for has no frame
            return None
        pixels = self._convert(frame)
        held = self._pixels
        full = bool(held) and (
            len(held) >= min(_BATCH, _BATCH_BYTES // held[0].nbytes + 1)
            or held[0].shape != pixels.shape
        )
        batch = self.finish() if full else None
        self._pixels.append(pixels)
        self._pts.append(pts_s)
        return batch

    def finish(self) -> Pictures | None:
        """What is left."""
        if not self._pts:
            return None
        pixels, pts_s = np.stack(self._pixels), np.array(self._pts, np.float64)
        self._pixels, self._pts = [], []
        if issubclass(self._kind, Luma):
            return self._kind(gray=pixels, pts_s=pts_s)
        return self._kind(rgb=pixels, pts_s=pts_s)

    def _convert(self, frame: av.VideoFrame) -> Pixels:
        width, height = scaled_size(frame.width, frame.height, self._aspect, self._short_side)
        return self._converter.convert(frame, width=width, height=height)
