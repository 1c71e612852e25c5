"""Sound and spectrogram -> statistics of each step: timbre, onsets, loudness.

No weights. The MFCC and the onset strength are librosa's definitions, computed from the shared
log-mel spectrogram and tested against librosa.
"""

from __future__ import annotations

import functools
from typing import ClassVar

import numpy as np

from triptych.decode.spectrogram import HOP, N_MELS, RATE_HZ
from triptych.extract.registry import Extraction
from triptych.extract.rows import RowCutter, row_spans
from triptych.extract.specs import AUDIO, N_MFCC
from triptych.records import FeatureTrack, Floats, Sound, Spectrogram

__all__ = ["AudioExtractor", "mfcc", "onset_strength"]

_COLUMNS = RATE_HZ // HOP  # of spectrogram, a second
_QUIET_DB = -100.0


@functools.cache
def _dct() -> Floats:
    """Orthonormal DCT-II, (N_MELS, N_MFCC)."""
    mel = np.arange(N_MELS)[:, None]
    order = np.arange(N_MFCC)[None, :]
    basis = np.cos(np.pi * order * (2 * mel + 1) / (2 * N_MELS)) * np.sqrt(2.0 / N_MELS)
    basis[:, 0] /= np.sqrt(2.0)
    return basis.astype(np.float32)


def mfcc(log_mel: Floats) -> Floats:
    """Cepstral coefficients (T, 20) of log10 mel power (T, 80)."""
    return np.float32(10.0) * (log_mel @ _dct())


def onset_strength(log_mel: Floats, before: Floats | None) -> Floats:
    """Mean rise of the mel bands in dB from column to column, (T,).

    Args:
        log_mel: (T, 80), T > 0.
        before: the column before the first, or None at the start.
    """
    first: Floats = log_mel[:1] if before is None else before[None]
    rise = np.diff(np.concatenate([first, log_mel]), axis=0)
    return (10.0 * np.maximum(rise, 0.0).mean(axis=1)).astype(np.float32)


class AudioExtractor:
    """One row a step, the last as long as the sound lasts."""

    takes: ClassVar[tuple[type, ...]] = (Sound, Spectrogram)

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        timbre: list[Floats] = []
        levels: list[Floats] = []
        before: Floats | None = None
        samples = RowCutter(step_s=step_s, rate_hz=RATE_HZ)
        columns = RowCutter(step_s=step_s, rate_hz=_COLUMNS)
        start_s, end_s = None, 0.0
        while (chunk := (yield)) is not None:
            if isinstance(chunk, Sound):
                start_s = chunk.start_s if start_s is None else start_s
                end_s = chunk.end_s
                levels.extend(map(_levels, samples.feed(chunk.samples)))
            else:
                for row in columns.feed(chunk.log_mel):
                    timbre.append(_timbre(row, before))
                    before = row[-1]
        levels.extend(map(_levels, samples.finish()))
        timbre.extend(_timbre(row, before) for row in columns.finish())
        # Windows are centred, so a sound of whole steps has one column more.
        values = [np.concatenate(both) for both in zip(timbre, levels, strict=False)]
        starts, ends = row_spans(len(values), start_s=start_s or 0.0, end_s=end_s, step_s=step_s)
        return {
            "audio": FeatureTrack(
                values=np.stack(values) if values else np.zeros((0, AUDIO.dim), np.float32),
                start_s=starts,
                end_s=ends,
                spec=AUDIO,
            )
        }


def _timbre(columns: Floats, before: Floats | None) -> Floats:
    coefficients = mfcc(columns)
    onsets = onset_strength(columns, before)
    power = 10.0**columns
    centre = (power @ np.arange(N_MELS, dtype=np.float32)) / power.sum(axis=1)
    parts = [columns.mean(0), columns.std(0), coefficients.mean(0), coefficients.std(0)]
    extra = np.array([onsets.mean(), onsets.max(), centre.mean()])
    return np.concatenate([*parts, extra]).astype(np.float32)


def _levels(samples: Floats) -> Floats:
    """Loudness and peak in dB of full scale, zero crossings a sample."""
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    peak = float(np.abs(samples).max())
    crossings = (
        float(np.mean(np.signbit(samples[1:]) != np.signbit(samples[:-1]), dtype=float))
        if (len(samples) > 1)
        else 0.0
    )
    return np.array([_db(rms), _db(peak), crossings], np.float32)


def _db(amplitude: float) -> float:
    return max(_QUIET_DB, 20.0 * float(np.log10(max(amplitude, 1e-12))))
