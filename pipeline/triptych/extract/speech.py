"""Spectrogram -> Whisper's encoder, one embedding a step.

The encoder takes windows of any length up to 30 s; its attention grows with the square of it.
Windows of 10 s cost half of what 30 s cost (docs/decisions.md).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from triptych.decode.spectrogram import HOP, N_MELS, RATE_HZ
from triptych.extract.registry import Extraction
from triptych.extract.rows import RowCutter, first_unit, row_spans, rows_over
from triptych.extract.specs import SPEECH
from triptych.extract.whisper import whisper
from triptych.records import FeatureTrack, Floats, Spectrogram

__all__ = ["SpeechExtractor", "whisper_scaled"]

_COLUMNS = RATE_HZ // HOP  # of spectrogram, a second
_WINDOW = SPEECH.options["window_s"] * _COLUMNS
_STATES = 50  # of the encoder, a second
_SHORTEST = 10  # columns; the encoder's two convolutions need a few


class SpeechExtractor:
    """One row a step: the mean of the encoder's states in it, 50 a second."""

    takes: ClassVar[tuple[type, ...]] = (Spectrogram,)

    def __init__(self) -> None:
        self._model = whisper().model

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        rows: list[Floats] = []
        states = RowCutter(step_s=step_s, rate_hz=_STATES)
        columns = np.zeros((0, N_MELS), np.float32)
        start_s, total = None, 0
        while (chunk := (yield)) is not None:
            start_s = chunk.start_s if start_s is None else start_s
            total += len(chunk.log_mel)
            columns = np.concatenate([columns, chunk.log_mel])
            while len(columns) >= _WINDOW:
                rows.extend(row.mean(0) for row in states.feed(self._encode(columns[:_WINDOW])))
                columns = columns[_WINDOW:]
        count, spare = _rows_of(total, step_s)
        columns = columns[: max(0, len(columns) - spare)]
        if len(columns) >= _SHORTEST:
            rows.extend(row.mean(0) for row in states.feed(self._encode(columns)))
        rows.extend(row.mean(0) for row in states.finish())
        rows = rows[:count]  # a window may have ended within the row that was left out
        first = start_s or 0.0
        # Windows are centred: a sound of n columns lasts n - 1 hops.
        end_s = first + max(0, total - 1) / _COLUMNS
        starts, ends = row_spans(len(rows), start_s=first, end_s=end_s, step_s=step_s)
        return {
            "speech": FeatureTrack(
                values=np.stack(rows) if rows else np.zeros((0, SPEECH.dim), np.float32),
                start_s=starts,
                end_s=ends,
                spec=SPEECH,
            )
        }

    def _encode(self, columns: Floats) -> Floats:
        """States (T / 2, 512) of one window."""
        from ctranslate2 import StorageView

        features = np.ascontiguousarray(whisper_scaled(columns).T[None])
        states: Floats = np.array(
            self._model.encode(StorageView.from_array(features), to_cpu=True)
        )[0]
        return states


def _rows_of(total: int, step_s: float) -> tuple[int, int]:
    """Rows that `total` columns make, and how many at the end are too few for a row."""
    count = rows_over(total, step_s=step_s, rate_hz=_COLUMNS)
    last = total - first_unit(max(0, count - 1), step_s=step_s, rate_hz=_COLUMNS)
    return (count, 0) if last >= _SHORTEST else (max(0, count - 1), last)


def whisper_scaled(log_mel: Floats) -> Floats:
    """Whisper's own scaling of a window of log10 mel power (T, 80)."""
    return (np.maximum(log_mel, log_mel.max() - 8.0) + 4.0) / 4.0
