"""High dynamic range made ordinary: pictures in PQ or HLG as a usual screen would show them.

The bundled ffmpeg has no zscale, and swscale's own tone mapping spends seconds on a table before
the first picture. Few pictures are sampled and small ones at that, so it is done here, after
they were scaled.
"""

from __future__ import annotations

import functools
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from triptych.records import Pixels

__all__ = ["hdr_name", "is_hdr", "tone_mapped"]

_PQ, _HLG = 16, 18  # numbers of ITU-T H.273
_NAMES = {_PQ: "PQ", _HLG: "HLG"}
_ORDINARY_PRIMARIES = (1, 5, 6, 7)  # BT.709 and its older kin; HDR without a word has BT.2020's

_WHITE_NITS = 203.0  # paper and subtitles, by ITU-R BT.2408
_PEAK_NITS = 1000.0  # what films are graded for and HLG is meant for; brighter is white
_KEPT = 0.3  # of white, in linear light: what is darker stays as it is

_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
# Linear BT.2020 to linear BT.709, by ITU-R BT.2407.
_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)

_Floats = NDArray[np.floating[Any]]


def hdr_name(transfer: int) -> str:
    """PQ or HLG, for a transfer's number in ITU-T H.273; empty for ordinary pictures."""
    return _NAMES.get(transfer, "")


def is_hdr(frame: av.VideoFrame) -> bool:
    """Whether a frame's values stand for more light than an ordinary screen has."""
    return int(frame.color_trc) in _NAMES


def tone_mapped(codes: NDArray[Any], frame: av.VideoFrame) -> Pixels:
    """Values for an ordinary screen (sRGB). Hues stay, highlights are drawn together.

    Args:
        codes: (H, W, 3), RGB as uint16 over its full range, as `frame` was coded.
        frame: where they come from, for its transfer and primaries.
    """
    transfer = int(frame.color_trc)
    light = _light(transfer)[codes]
    if transfer == _HLG:  # what a screen of that peak makes of the camera's light
        light *= np.maximum(light @ _LUMA_2020, 1e-6)[..., None] ** np.float32(0.2)
        light *= np.float32(_PEAK_NITS / _WHITE_NITS)
    if int(frame.color_primaries) not in _ORDINARY_PRIMARIES:
        light = np.maximum(light @ _TO_709.T, 0)
    brightest = np.maximum(light.max(axis=2, keepdims=True), 1e-6)
    light *= _compressed(brightest) / brightest
    return np.rint(_srgb(np.clip(light, 0, 1)) * 255).astype(np.uint8)


@functools.cache
def _light(transfer: int) -> NDArray[np.float32]:
    """Code -> linear light: of PQ with 1 for white, of HLG the scene's from 0 to 1."""
    signal = np.linspace(0, 1, 1 << 16)
    if transfer == _HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
        return light.astype(np.float32)
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = signal ** (1 / m2)
    light = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return (light * (10_000 / _WHITE_NITS)).astype(np.float32)


def _compressed(light: _Floats) -> _Floats:
    """Identity up to `_KEPT`, then a curve of the same slope that reaches 1 at the peak."""
    peak, kept = _PEAK_NITS / _WHITE_NITS, _KEPT
    a = -(kept**2) * (peak - 1) / (kept**2 - 2 * kept + peak)
    b = (kept**2 - 2 * kept * peak + peak) / (peak - 1)
    curve = (b**2 + 2 * b * kept + kept**2) / (b - a) * (light + a) / (light + b)
    return np.where(light <= kept, light, curve)


def _srgb(light: _Floats) -> _Floats:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
