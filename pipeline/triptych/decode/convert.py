"""Decoded frames to arrays: scaled once, from the decoder's own colours straight to what is asked.

What swscale leaves open is settled here: transparent parts lie over black, as players show them;
grey pictures of limited range are spread to the full one; the two fields of interlaced frames,
which it scales each for itself, are blended; high dynamic range is tone-mapped.
"""

from __future__ import annotations

import functools
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from triptych.decode.hdr import is_hdr, tone_mapped
from triptych.decode.upright import stand_of, upright
from triptych.records import Pixels

__all__ = ["COLOUR_SCALING", "GLANCE_SCALING", "GREY_SCALING", "Converter"]

# Colour is looked at, so it is scaled as the networks' training pictures were, and with a colour
# of its own for each pixel; without that flag swscale gives two neighbours one between them
# wherever the width is even. Grey is measured against its neighbours in time: every pixel counts,
# and none may ring. A glance is not looked at closely, and taken often: it reads few of a large
# picture's pixels.
COLOUR_SCALING = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT
GREY_SCALING = Interpolation.AREA
GLANCE_SCALING = Interpolation.FAST_BILINEAR

_LIMITED = 1  # of ranges, in libav's numbers
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


class Converter:
    """Makes pictures (H, W, 3), or (H, W) where `grey`, of frames as they are to be seen.

    Args:
        scaling: how to scale.
        grey: luma alone.
        toned: high dynamic range is tone-mapped, and not left as it is coded.
    """

    def __init__(self, *, scaling: Interpolation, grey: bool = False, toned: bool = True) -> None:
        self._scaling, self._grey, self._toned = scaling, grey, toned
        self._reformatter = VideoReformatter()  # it keeps its tables while sizes do not change

    def convert(self, frame: av.VideoFrame, *, width: int, height: int) -> Pixels:
        """One frame, scaled to so many pixels as it is coded, then turned upright."""
        deep = self._toned and not self._grey and is_hdr(frame)
        clear = not deep and _has_alpha(frame.format.name)
        fields = 2 if frame.interlaced_frame and height < frame.height else 1
        scaled: NDArray[Any] = self._reformatter.reformat(
            frame,
            width=width,
            height=height * fields,
            format="rgb48le" if deep else "rgba" if clear else "gray" if self._grey else "rgb24",
            interpolation=self._scaling,
            threads=1,  # else as many as there are cores, for each worker
        ).to_ndarray()
        if fields == 2:
            scaled = _blended(scaled)
        if deep:
            pixels = tone_mapped(scaled, frame)
        elif clear:
            pixels = _over_black(scaled)
            pixels = np.rint(pixels @ _LUMA).astype(np.uint8) if self._grey else pixels
        elif _is_grey(frame.format.name) and frame.color_range == _LIMITED:
            pixels = _spread()[scaled]
        else:
            pixels = scaled.astype(np.uint8, copy=False)
        return upright(pixels, stand_of(frame))


@functools.cache
def _has_alpha(name: str) -> bool:
    # A palette's colours may be transparent; its format does not say so.
    return name == "pal8" or any(part.is_alpha for part in av.VideoFormat(name).components)


@functools.cache
def _is_grey(name: str) -> bool:
    """Whether there is nothing but luma; swscale takes that for the full range."""
    return len(av.VideoFormat(name).components) == 1 and name.startswith("gray")


@functools.cache
def _spread() -> NDArray[np.uint8]:
    """Limited range to full, for each value of eight bits."""
    return np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)


def _blended(rows: NDArray[Any]) -> NDArray[Any]:
    """The mean of both fields, whose rows take turns."""
    return ((rows[0::2].astype(np.uint32) + rows[1::2] + 1) // 2).astype(rows.dtype)


def _over_black(pixels: NDArray[Any]) -> Pixels:
    colour, alpha = pixels[..., :3], pixels[..., 3:]
    if alpha.min() == 255:
        return np.ascontiguousarray(colour)
    return ((colour.astype(np.uint16) * alpha + 127) // 255).astype(np.uint8)
