"""All pictures of a film, tiny -> how likely a cut follows each (TransNetV2)."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import torch
from PIL import Image

from triptych.extract.image import frame_spans
from triptych.extract.registry import Extraction
from triptych.extract.specs import TRANSNET
from triptych.extract.weights import read_weights
from triptych.records import FeatureTrack, Floats, Miniatures, Pixels, Times
from triptych_models.transnet import TransNetV2

__all__ = ["TransNetExtractor"]

_WIDTH, _HEIGHT = 48, 27  # whatever the picture's shape, as in its training
_WINDOW, _STEP = 100, 50  # frames; of a window those in the middle are believed
_MARGIN = (_WINDOW - _STEP) // 2


class TransNetExtractor:
    """One row a frame; windows overlap by half, and begin at the film's start."""

    takes: ClassVar[tuple[type, ...]] = (Miniatures,)

    def __init__(self) -> None:
        content = io.BytesIO(read_weights("transnetv2"))
        self._network = TransNetV2.from_published(torch.load(content, weights_only=True))

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        rows: list[Floats] = []
        times: list[Times] = []
        held: list[Pixels] = []  # of the next window, as far as they came
        count = 0
        while (miniatures := (yield)) is not None:
            pictures = [_fitted(picture) for picture in miniatures.rgb]
            if not held and pictures:
                held = pictures[:1] * _MARGIN
            held += pictures
            count += len(pictures)
            times.append(miniatures.pts_s)
            while len(held) >= _WINDOW:
                rows.append(self._rows(held[:_WINDOW]))
                held = held[_STEP:]
        if held:
            last = held[-1]
            while len(rows) * _STEP < count:
                rows.append(self._rows((held + [last] * _WINDOW)[:_WINDOW]))
                held = held[_STEP:]
        start_s, end_s = frame_spans(times)
        values = np.concatenate([*rows, np.zeros((0, TRANSNET.dim), np.float32)])[:count]
        track = FeatureTrack(values=values, start_s=start_s, end_s=end_s, spec=TRANSNET)
        return {"transnet": track}

    def _rows(self, window: Iterable[Pixels]) -> Floats:
        with torch.inference_mode():
            found = self._network(torch.from_numpy(np.stack(tuple(window))))
        return found[_MARGIN : _MARGIN + _STEP].numpy()


def _fitted(picture: Pixels) -> Pixels:
    small = Image.fromarray(picture).resize((_WIDTH, _HEIGHT), Image.Resampling.BILINEAR)
    return np.asarray(small)
