"""Frames -> codes of an autoencoder that was trained on a folder of one's own."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from PIL import Image

from triptych.errors import WeightsError
from triptych.extract.families.autoencoder import describe
from triptych.extract.image import frame_spans
from triptych.extract.registry import Extraction
from triptych.extract.sources import Source
from triptych.records import FeatureTrack, Floats, Frames, Pixels, Times
from triptych_models.autoencoder import SIDE, load

__all__ = ["AutoencoderExtractor", "fitted"]


class AutoencoderExtractor:
    """One row a sampled frame, lasting until the next."""

    takes: ClassVar[tuple[type, ...]] = (Frames,)

    def __init__(self, source: Source) -> None:
        source.check()
        (self._spec,) = describe(source.given).specs
        try:
            self._network = load(source.folder)
        except (KeyError, OSError, TypeError, ValueError) as err:
            raise WeightsError(
                f"no autoencoder that can be read: {err}",
                path=source.path,
                remedy="train it again: triptych train FOLDER --task features -o MODEL",
            ) from err

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        rows: list[Floats] = [np.zeros((0, self._spec.dim), np.float32)]
        times: list[Times] = []
        while (frames := (yield)) is not None:
            pictures = np.stack([fitted(picture) for picture in frames.rgb])
            with torch.inference_mode():
                rows.append(self._network.encode(torch.from_numpy(pictures)).numpy())
            times.append(frames.pts_s)
        start_s, end_s = frame_spans(times)
        values = np.concatenate(rows)
        track = FeatureTrack(values=values, start_s=start_s, end_s=end_s, spec=self._spec)
        return {self._spec.name: track}


def fitted(picture: Pixels) -> Pixels:
    """The whole picture, in a square."""
    small = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small)
