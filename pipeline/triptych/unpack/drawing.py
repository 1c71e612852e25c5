"""spectrogram.png: a picture for people, however long the film.

Up to a minute stands on one line; more is broken into lines of equal length, like text.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from triptych.decode.spectrogram import N_MELS, band_centres_hz
from triptych.records import Floats, Pixels
from triptych.report.fonts import draw_text, text_width, wrap
from triptych.report.text import clock, one_line
from triptych.unpack.spectrum import Columns, pixel_columns

__all__ = ["PNG", "draw_spectrogram"]

PNG = "spectrogram.png"
_MOST_LINES = 12
_LINES_S = (60, 120, 300, 600, 900, 1800, 3600, 7200)  # of one line, once there are several
_TICKS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_TICK_PX = 90  # apart, at least
_HZ = {500: "0.5", 1000: "1", 2000: "2", 4000: "4", 7500: "7.5"}  # Hz -> its name in kHz
_WIDE = 1400  # of a line, in pixels
_BAND_PX = {1: 4, 4: 3, _MOST_LINES: 2}  # up to so many lines -> height of a band
_LEFT, _RIGHT, _TOP, _BELOW, _FOOT = 76, 128, 52, 36, 30
_DECADES = 8.0  # below the loudest: what Whisper looks at, and 80 dB to the ear
_FAINT = -2.0  # the loudest of what is drawn as silence, log10 of power
_TITLE, _TEXT = 20, 15  # sizes of type
_INK, _PALE, _PAPER = (40, 42, 48), (150, 152, 158), (255, 255, 255)
# Matplotlib's "magma", at nine places: even steps to the eye, and to one who sees no colours.
_COLOURS = (
    (0, 0, 4),
    (29, 17, 71),
    (81, 18, 124),
    (131, 38, 129),
    (183, 55, 121),
    (229, 81, 100),
    (252, 137, 97),
    (254, 194, 135),
    (252, 253, 191),
)


def draw_spectrogram(
    columns: Columns, path: Path, *, title: str, start_s: float, hop_s: float
) -> None:
    """Draw log-mel columns with their axes.

    Args:
        columns: at least one.
        path: of the picture.
        title: stands above it.
        start_s: time of the first column, in seconds from the start of the film.
        hop_s: seconds between columns.

    Raises:
        OSError: the disk will not have it.
    """
    line_s = _line_s(len(columns) * hop_s)
    lines = max(1, math.ceil(len(columns) * hop_s / line_s - 1e-9))
    tall = N_MELS * next(px for most, px in _BAND_PX.items() if lines <= most)
    high = _TOP + lines * (tall + _BELOW) + _FOOT
    page = Image.new("RGB", (_LEFT + _WIDE + _RIGHT, high), _PAPER)
    draw = ImageDraw.Draw(page)
    strips = [_strip(columns, i * line_s / hop_s, line_s / hop_s) for i in range(lines)]
    loudest = max(_FAINT, *(float(strip.max()) for strip in strips))
    named = wrap(one_line(title), size=_TITLE, width=_WIDE, lines=1)
    draw_text(draw, (_LEFT, _TOP - 22), "".join(named), size=_TITLE, fill=_INK)
    for i, strip in enumerate(strips):
        top = _TOP + i * (tall + _BELOW)
        page.paste(Image.fromarray(_coloured(strip, loudest, tall)), (_LEFT, top))
        _hertz(draw, top, tall)
        _seconds(draw, top + tall, start_s + i * line_s, line_s, len(strip))
    _centred(draw, _LEFT + _WIDE / 2, high - 12, "time in the film (min:s)")
    _scale(page, draw, tall)
    page.save(path, format="PNG", compress_level=6)


def _line_s(length_s: float) -> float:
    """Seconds on a line."""
    if length_s <= _LINES_S[0]:
        return length_s
    fitting = (s for s in _LINES_S if length_s <= s * _MOST_LINES)
    return next(fitting, length_s / _MOST_LINES)


def _strip(columns: Columns, first: float, count: float) -> Floats:
    """A line's pixels (W, N_MELS), as many of its columns as there are; the last may be shorter."""
    end = min(first + count, float(len(columns)))
    pixels = max(1, round(_WIDE * (end - first) / count))
    return pixel_columns(columns, begin=first, end=end, pixels=pixels)


def _coloured(strip: Floats, loudest: float, high: int) -> Pixels:
    """Loudness as colour (H, W, 3), low sounds below."""
    level = np.clip((strip - loudest) / _DECADES + 1.0, 0.0, 1.0)
    pixels = _palette()[np.rint(level * 255).astype(int)]
    return np.repeat(pixels.transpose(1, 0, 2)[::-1], high // N_MELS, axis=0)


def _palette() -> Pixels:
    """256 colours from silence to the loudest."""
    places = np.linspace(0, 255, len(_COLOURS))
    bands = [np.interp(np.arange(256), places, band) for band in np.transpose(_COLOURS)]
    return np.rint(np.stack(bands, axis=1)).astype(np.uint8)


def _hertz(draw: ImageDraw.ImageDraw, top: int, high: int) -> None:
    """The axis of frequencies, left of a line."""
    centres = band_centres_hz()
    for hertz, name in _HZ.items():
        band = float(np.interp(hertz, centres, np.arange(N_MELS)))
        y = top + high - (band + 0.5) * high / N_MELS
        draw.line([(_LEFT - 6, y), (_LEFT - 1, y)], fill=_INK)
        width = text_width(name, _TEXT)
        draw_text(draw, (_LEFT - 10 - width, y + 5), name, size=_TEXT, fill=_INK)
    draw_text(draw, (6, top + high / 2 + 5), "kHz", size=_TEXT, fill=_INK)


def _seconds(draw: ImageDraw.ImageDraw, y: int, begin_s: float, line_s: float, pixels: int) -> None:
    """The axis of time, below a line."""
    step_s = next((s for s in _TICKS_S if s * _WIDE / line_s >= _TICK_PX), _TICKS_S[-1])
    draw.line([(_LEFT, y), (_LEFT + pixels - 1, y)], fill=_INK)
    for k in range(math.ceil(begin_s / step_s - 1e-6), 1 << 30):
        x = _LEFT + (k * step_s - begin_s) * _WIDE / line_s
        if x > _LEFT + pixels + 1:
            return
        draw.line([(x, y), (x, y + 5)], fill=_INK)
        _centred(draw, x, y + 20, clock(k * step_s) if step_s >= 1 else f"{k * step_s:.1f}")


def _centred(draw: ImageDraw.ImageDraw, x: float, y: float, text: str) -> None:
    draw_text(draw, (x - text_width(text, _TEXT) / 2, y), text, size=_TEXT, fill=_INK)


def _scale(page: Image.Image, draw: ImageDraw.ImageDraw, high: int) -> None:
    """What the colours mean, right of the first line."""
    left = _LEFT + _WIDE + 24
    bar = np.repeat(_palette()[::-1][:, None], 16, axis=1)
    page.paste(Image.fromarray(bar).resize((16, high)), (left, _TOP))
    for decibels in (0, -20, -40, -60, -80):
        y = _TOP - decibels * (high - 1) / (10 * _DECADES)
        draw.line([(left + 16, y), (left + 20, y)], fill=_INK)
        name = f"{decibels} dB".replace("-", "\N{MINUS SIGN}")
        draw_text(draw, (left + 25, y + 5), name, size=_TEXT, fill=_INK)
