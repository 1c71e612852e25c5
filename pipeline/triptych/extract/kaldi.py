"""Sound at 32 kHz -> the log-mel columns that EfficientAT's networks were trained on.

Kaldi's mel bands over windows of 25 ms, as EfficientAT computes them; tested against torchaudio.
Bands, columns and offset belong to the weights, so they are constants.
"""

from __future__ import annotations

import functools

import numpy as np

from triptych.decode.hops import Hops
from triptych.extract.families.audioset import BANDS, COLUMNS_HZ, RATE_HZ
from triptych.records import Floats

__all__ = ["KaldiMel", "mel_filters"]

_HOP = RATE_HZ // COLUMNS_HZ
_FFT, _WINDOW = 1024, 800
_PRE_EMPHASIS = np.float32(0.97)
_HIGHEST_HZ = 15_000.0
_OFFSET = np.float32(1e-5)  # added to the power, so that silence has a logarithm


def _mel(hz: Floats | float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return 1127.0 * np.log1p(np.asarray(hz, np.float64) / 700.0)


@functools.cache
def mel_filters() -> Floats:
    """Triangles that are straight on the mel scale, (_FFT // 2 + 1, BANDS)."""
    bins = _mel(np.fft.rfftfreq(_FFT, 1.0 / RATE_HZ))
    edges = np.linspace(0.0, float(_mel(_HIGHEST_HZ)), BANDS + 2)
    slopes = (bins[:, None] - edges[None, :]) / np.diff(edges)[0]
    triangles = np.minimum(slopes[:, :-2], -slopes[:, 2:])
    return np.clip(triangles, 0.0, None).astype(np.float32)


@functools.cache
def _window() -> Floats:
    """Hann's, 25 ms in the middle of the transform."""
    room = (_FFT - _WINDOW) // 2
    return np.pad(np.hanning(_WINDOW), room).astype(np.float32)


class KaldiMel:
    """Turns consecutive pieces of sound into consecutive columns, 100 a second."""

    def __init__(self) -> None:
        self._hops = Hops(size=_FFT, hop=_HOP)
        self._before: Floats = np.zeros(0, np.float32)  # the last sample

    def feed(self, samples: Floats) -> Floats:
        """The columns (T, BANDS) that `samples` complete."""
        joined = np.concatenate([self._before, samples])
        self._before = joined[-1:]
        return _columns(self._hops.feed(joined[1:] - _PRE_EMPHASIS * joined[:-1]))

    def finish(self) -> Floats:
        """The columns (T, BANDS) at the end of the signal."""
        return _columns(self._hops.finish())


def _columns(windows: Floats) -> Floats:
    power = np.abs(np.fft.rfft(windows * _window(), axis=1)).astype(np.float32) ** 2
    return np.log(power @ mel_filters() + _OFFSET)
