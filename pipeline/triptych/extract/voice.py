"""Sound -> mean states of wav2vec 2.0, HuBERT or WavLM, one row a step."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from triptych.decode.parameters import RATE_HZ
from triptych.extract.families.voice import spec_of
from triptych.extract.pretrained import network, pretrained
from triptych.extract.registry import Extraction
from triptych.extract.rows import RowCutter, row_spans
from triptych.extract.sources import Source
from triptych.records import FeatureTrack, Floats, Sound

__all__ = ["VoiceExtractor"]

_UNREAD = ("masked_spec_embed",)  # stands for what is hidden in training


class VoiceExtractor:
    """One row a step: the mean of the last layer's states in it.

    Sound is heard in windows, each with the few samples after it that its last state rests on.
    The last window reaches back, so that it is as long as the others.
    """

    takes: ClassVar[tuple[type, ...]] = (Sound,)

    def __init__(self, source: Source) -> None:
        self._spec = spec_of(source, source.data("config.json"))
        options = self._spec.options
        self._stride: int = options["stride"]
        self._more: int = options["state"] - self._stride
        self._window: int = options["window_s"] * RATE_HZ
        self._network = network("AutoModel", source, spared=_UNREAD)
        self._prepare = pretrained("AutoFeatureExtractor", source)

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        rows: list[Floats] = []
        cutter = RowCutter(step_s=step_s, rate_hz=RATE_HZ // self._stride)
        held, before = np.zeros(0, np.float32), np.zeros(0, np.float32)
        start_s, end_s = None, 0.0
        while (sound := (yield)) is not None:
            start_s = sound.start_s if start_s is None else start_s
            end_s = sound.end_s
            held = np.concatenate([held, sound.samples])
            while len(held) >= self._window + self._more:
                states = self._states(held[: self._window + self._more])
                rows.extend(piece.mean(0) for piece in cutter.feed(states))
                before, held = held[: self._window], held[self._window :]
        if count := len(held) // self._stride:
            reached = np.concatenate([before[count * self._stride :], held])
            whole = len(reached) // self._stride * self._stride + self._more
            padded = np.pad(reached, (0, self._more))[:whole]
            rows.extend(piece.mean(0) for piece in cutter.feed(self._states(padded)[-count:]))
        rows.extend(piece.mean(0) for piece in cutter.finish())
        starts, ends = row_spans(len(rows), start_s=start_s or 0.0, end_s=end_s, step_s=step_s)
        values = np.stack([np.zeros(self._spec.dim, np.float32), *rows])[1:]
        track = FeatureTrack(values=values, start_s=starts, end_s=ends, spec=self._spec)
        return {self._spec.name: track}

    def _states(self, samples: Floats) -> Floats:
        """States (T, D) of one window."""
        import torch

        prepared = self._prepare(samples, sampling_rate=RATE_HZ, return_tensors="pt")
        with torch.inference_mode():
            states: Floats = self._network(prepared["input_values"]).last_hidden_state[0].numpy()
        return states
