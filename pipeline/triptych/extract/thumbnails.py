"""Frames -> small JPEGs, so that reports never decode the video again."""

from __future__ import annotations

import io
from typing import ClassVar

import numpy as np
from PIL import Image

from triptych.extract.registry import Extraction
from triptych.records import Frames, Pixels, Thumbnails

__all__ = ["ThumbnailExtractor"]

_MOST = 2000  # pictures kept; beyond it every second one is dropped, again and again
_QUALITY = 82


class ThumbnailExtractor:
    """Keeps at most 2000 pictures, evenly spaced: memory does not grow with the length."""

    takes: ClassVar[tuple[type, ...]] = (Frames,)
    version = 1

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        kept: list[tuple[float, bytes]] = []
        stride, seen = 1, 0
        while (frames := (yield)) is not None:
            for pts_s, rgb in zip(frames.pts_s, frames.rgb, strict=True):
                if seen % stride == 0:
                    kept.append((float(pts_s), _jpeg(rgb)))
                seen += 1
                if len(kept) > _MOST:
                    kept, stride = kept[::2], stride * 2
        pts_s = np.array([t for t, _ in kept], np.float64)
        return {"thumbnails": Thumbnails(jpeg=tuple(j for _, j in kept), pts_s=pts_s)}


def _jpeg(rgb: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
