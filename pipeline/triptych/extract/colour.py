"""Frames -> what colours they have: histograms and moments, without any weights."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from PIL import Image

from triptych.extract.image import frame_spans
from triptych.extract.registry import Extraction
from triptych.extract.specs import COLOUR, HUES, LEVELS
from triptych.records import FeatureTrack, Floats, Frames, Pixels, Times

__all__ = ["ColourExtractor", "colours", "lab"]

_SIDE = 64  # pixels of the short side that are looked at, at least
_COLOURLESS = 26  # of 255, saturation or value below which a hue is noise
# sRGB to XYZ over the white of D65, ITU-R BT.709 primaries.
_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]], np.float32,
) / np.array([[0.95047], [1.0], [1.08883]], np.float32)  # fmt: skip
_CODES = np.arange(256, dtype=np.float32) / 255
_LIGHT = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4)
_EDGE = (6 / 29) ** 3


class ColourExtractor:
    """One row a sampled frame, lasting until the next."""

    takes: ClassVar[tuple[type, ...]] = (Frames,)

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        rows = [np.zeros((0, COLOUR.dim), np.float32)]
        times: list[Times] = []
        while (frames := (yield)) is not None:
            rows += [colours(picture)[None] for picture in frames.rgb]
            times.append(frames.pts_s)
        start_s, end_s = frame_spans(times)
        track = FeatureTrack(values=np.concatenate(rows), start_s=start_s, end_s=end_s, spec=COLOUR)
        return {"colour": track}


def colours(picture: Pixels) -> Floats:
    """The row of one picture (H, W, 3); its columns have names in its spec.

    Shares of hues, each around its own in degrees, and of pixels that have none; shares of saturations and of values; mean,
    standard deviation and skew (the root of the third moment) in CIE Lab, over 100.
    """
    stride = max(1, min(picture.shape[:2]) // _SIDE)
    small = np.ascontiguousarray(picture[::stride, ::stride])
    hue, saturation, value = np.moveaxis(np.asarray(Image.fromarray(small).convert("HSV")), 2, 0)
    coloured = (saturation >= _COLOURLESS) & (value >= _COLOURLESS)
    places = np.where(coloured, (hue.astype(np.int64) * HUES + 128) // 256 % HUES, HUES)
    points = lab(small).reshape(-1, 3) / 100
    mean = points.mean(axis=0)
    third = np.cbrt(((points - mean) ** 3).mean(axis=0))
    moments = np.stack([mean, points.std(axis=0), third], axis=1)
    parts = (
        _shares(places, HUES + 1),
        _shares(saturation.astype(np.int64) * LEVELS // 256, LEVELS),
        _shares(value.astype(np.int64) * LEVELS // 256, LEVELS),
        moments.ravel(),
    )
    return np.concatenate(parts).astype(np.float32)


def lab(rgb: Pixels) -> Floats:
    """CIE L*a*b* of sRGB pixels (..., 3): L from 0 to 100.

    >>> lab(np.array([[255, 255, 255], [255, 0, 0]], np.uint8)).round().tolist()
    [[100.0, 0.0, 0.0], [53.0, 80.0, 67.0]]
    """
    xyz = _LIGHT[rgb].astype(np.float32) @ _XYZ.T
    roots = np.where(xyz > _EDGE, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(roots, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _shares(places: np.ndarray[tuple[int, ...], np.dtype[np.int64]], bins: int) -> Floats:
    return (np.bincount(places.ravel(), minlength=bins) / places.size).astype(np.float32)
