"""Spectrogram -> Whisper's encoder, one embedding a second.

The encoder takes windows of any length up to 30 s; its attention grows with the square of it.
Windows of 10 s cost half of what 30 s cost (docs/decisions.md).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from triptych.decode.spectrogram import HOP, N_MELS, RATE_HZ
from triptych.extract.audio import second_spans
from triptych.extract.registry import Extraction
from triptych.extract.specs import SPEECH
from triptych.extract.whisper import whisper
from triptych.records import FeatureTrack, Floats, Spectrogram

__all__ = ["SpeechExtractor", "whisper_scaled"]

_COLUMNS = RATE_HZ // HOP  # of spectrogram, a second
_WINDOW = SPEECH.options["window_s"] * _COLUMNS
_STATES = 50  # of the encoder, a second
_SHORTEST = 10  # columns; the encoder's two convolutions need a few


class SpeechExtractor:
    """One row a second: the mean of the encoder's 50 states."""

    takes: ClassVar[tuple[type, ...]] = (Spectrogram,)

    def __init__(self) -> None:
        self._model = whisper().model

    def __call__(self) -> Extraction:
        rows: list[Floats] = []
        columns = np.zeros((0, N_MELS), np.float32)
        start_s, total = None, 0
        while (chunk := (yield)) is not None:
            start_s = chunk.start_s if start_s is None else start_s
            total += len(chunk.log_mel)
            columns = np.concatenate([columns, chunk.log_mel])
            while len(columns) >= _WINDOW:
                rows.extend(self._encode(columns[:_WINDOW]))
                columns = columns[_WINDOW:]
        if len(columns) % _COLUMNS < _SHORTEST:  # not enough for a row of its own
            columns = columns[: len(columns) // _COLUMNS * _COLUMNS]
        if len(columns):
            rows.extend(self._encode(columns))
        first = start_s or 0.0
        # Windows are centred: a sound of n columns lasts n - 1 hops.
        starts, ends = second_spans(len(rows), first, first + max(0, total - 1) / _COLUMNS)
        return {
            "speech": FeatureTrack(
                values=np.stack(rows) if rows else np.zeros((0, SPEECH.dim), np.float32),
                start_s=starts,
                end_s=ends,
                spec=SPEECH,
            )
        }

    def _encode(self, columns: Floats) -> list[Floats]:
        from ctranslate2 import StorageView

        features = np.ascontiguousarray(whisper_scaled(columns).T[None])
        states = np.array(self._model.encode(StorageView.from_array(features), to_cpu=True))[0]
        return [states[at : at + _STATES].mean(0) for at in range(0, len(states), _STATES)]


def whisper_scaled(log_mel: Floats) -> Floats:
    """Whisper's own scaling of a window of log10 mel power (T, 80)."""
    return (np.maximum(log_mel, log_mel.max() - 8.0) + 4.0) / 4.0
