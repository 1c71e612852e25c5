"""Sound and spectrogram -> which notes sound, how fast the beat is and how clear.

No weights. Chroma is librosa's, tested against it; the tempo is the strongest delay at which onsets
repeat themselves, near 120 a minute where several are as strong.
"""

from __future__ import annotations

import functools
from typing import ClassVar

import numpy as np

from triptych.decode.hops import Hops
from triptych.decode.spectrogram import HOP, RATE_HZ
from triptych.extract.audio import onset_strength
from triptych.extract.registry import Extraction
from triptych.extract.row_windows import RowWindows
from triptych.extract.rows import RowCutter, row_spans, rows_over
from triptych.extract.specs import CHROMA, MUSIC, PITCHES, PULSE_S
from triptych.records import FeatureTrack, Floats, Sound, Spectrogram

__all__ = ["MusicExtractor", "chroma", "chroma_filters", "tempo"]

_N_FFT, _HOP = CHROMA["n_fft"], CHROMA["hop"]
_COLUMNS = RATE_HZ // HOP  # of onsets, a second
_SLOWEST, _FASTEST = 40.0, 240.0  # beats a minute
_LIKELY, _OCTAVES = 120.0, 1.0  # where a tempo is believed most, and how far from it still


@functools.cache
def chroma_filters() -> Floats:
    """How much each bin of the spectrum belongs to each pitch, (_N_FFT // 2 + 1, 12).

    Ellis's: a bell of a semitone or a bin's width, whichever is wider; octaves far from 440 Hz
    count less.
    """
    pitches = len(PITCHES)
    bins = np.fft.rfftfreq(_N_FFT, 1.0 / RATE_HZ)
    at = pitches * np.log2(np.append(bins[1:], bins[-1] + bins[1]) / (440.0 / 16))
    at = np.concatenate([[at[0] - 1.5 * pitches], at])
    widths = np.maximum(np.diff(at), 1.0)
    at = at[:-1]
    away = np.remainder(at[:, None] - np.arange(pitches) + pitches / 2, pitches) - pitches / 2
    bells = np.exp(-0.5 * (2.0 * away / widths[:, None]) ** 2)
    bells /= np.linalg.norm(bells, axis=1, keepdims=True)
    bells *= np.exp(-0.5 * ((at / pitches - 5.0) / 2.0) ** 2)[:, None]
    return np.roll(bells, -3, axis=1).astype(np.float32)  # from A first to C first


@functools.cache
def _window() -> Floats:
    return np.hanning(_N_FFT + 1)[:-1].astype(np.float32)


def chroma(windows: Floats) -> Floats:
    """Strength of the twelve pitches in windows (T, _N_FFT), the strongest being 1: (T, 12)."""
    power = np.abs(np.fft.rfft(windows * _window(), axis=1)).astype(np.float32) ** 2
    found = power @ chroma_filters()
    strongest = found.max(axis=1, keepdims=True, initial=0.0)
    silent = strongest < np.finfo(np.float32).tiny
    scaled: Floats = np.where(silent, found, found / np.where(silent, 1.0, strongest))
    return scaled


def tempo(onsets: Floats) -> tuple[float, float]:
    """Beats a minute of onset strengths, 100 a second, and how clear they are, 0 to 1.

    Both are 0 where nothing repeats itself.
    """
    first, last = (round(60.0 * _COLUMNS / bpm) for bpm in (_FASTEST, _SLOWEST))
    delays = np.arange(first, min(last, len(onsets) // 2) + 1)
    level = onsets - onsets.mean() if len(onsets) else onsets
    total = float(level @ level)
    if not len(delays) or total <= 1e-9:
        return 0.0, 0.0
    spectrum = np.abs(np.fft.rfft(level, 2 * len(level))) ** 2
    alike = np.fft.irfft(spectrum)[delays] / total * len(level) / (len(level) - delays)
    likely = np.exp(-0.5 * (np.log2(60.0 * _COLUMNS / delays / _LIKELY) / _OCTAVES) ** 2)
    best = int(np.argmax(alike * likely))
    pulse = float(np.clip(alike[best], 0.0, 1.0))
    return (60.0 * _COLUMNS / float(delays[best]), pulse) if pulse > 0 else (0.0, 0.0)


class MusicExtractor:
    """One row a step: chroma of its own time, tempo of the 8 s around it."""

    takes: ClassVar[tuple[type, ...]] = (Sound, Spectrogram)

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        hops = Hops(size=_N_FFT, hop=_HOP)
        pitches = RowCutter(step_s=step_s, rate_hz=RATE_HZ // _HOP)
        onsets = RowWindows(step_s=step_s, rate_hz=_COLUMNS, window_s=PULSE_S)
        notes: list[Floats] = []
        beats: list[tuple[float, float]] = []
        before: Floats | None = None
        start_s, samples = None, 0
        while (chunk := (yield)) is not None:
            if isinstance(chunk, Sound):
                start_s = chunk.start_s if start_s is None else start_s
                samples += len(chunk.samples)
                notes.extend(row.mean(0) for row in pitches.feed(chroma(hops.feed(chunk.samples))))
            elif len(chunk.log_mel):
                beats.extend(map(tempo, onsets.feed(onset_strength(chunk.log_mel, before))))
                before = chunk.log_mel[-1]
        notes.extend(row.mean(0) for row in pitches.feed(chroma(hops.finish())))
        notes.extend(row.mean(0) for row in pitches.finish())
        beats.extend(map(tempo, onsets.finish()))
        # Windows are centred, so that a sound of whole steps may have one of them more.
        count = rows_over(samples, step_s=step_s, rate_hz=RATE_HZ)
        values = np.zeros((count, MUSIC.dim), np.float32)
        for row, (note, beat) in enumerate(zip(notes[:count], beats[:count], strict=True)):
            values[row] = [*note, *beat]
        end_s = (start_s or 0.0) + samples / RATE_HZ
        starts, ends = row_spans(count, start_s=start_s or 0.0, end_s=end_s, step_s=step_s)
        return {"music": FeatureTrack(values=values, start_s=starts, end_s=ends, spec=MUSIC)}
