"""Frames -> EfficientNet-Lite0 embeddings and ImageNet label probabilities."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from PIL import Image

from triptych.extract.batches import Rows
from triptych.extract.engine import Engine, load_engine
from triptych.extract.registry import Extraction
from triptych.extract.specs import IMAGE, IMAGE_LABELS
from triptych.extract.weights import read_weights
from triptych.records import FeatureTrack, Floats, Frames, Mask, Pixels, Times

if TYPE_CHECKING:
    from torch import nn

__all__ = ["LITE0", "ImageExtractor", "centre_crop", "frame_spans", "load_lite0"]

#: Names its prepared copies.
LITE0 = f"efficientnet-lite0-v{IMAGE.version}-{IMAGE.weights[:12]}"

_SIZE, _RESIZED = 224, 256  # the crop and the short side that these weights were tested with
_CLOSE = 1.1  # times as likely; bfloat16 changed that by less on real frames (docs/decisions.md)


class ImageExtractor:
    """One row a sampled frame, lasting until the next."""

    takes: ClassVar[tuple[type, ...]] = (Frames,)

    def __init__(self) -> None:
        self._engine = load_lite0()

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        embeddings: list[Floats] = []
        labels: list[Floats] = []
        times: list[Times] = []
        while (frames := (yield)) is not None:
            embedding, probabilities = self._engine(centre_crop(frames.rgb))
            embeddings.append(embedding)
            labels.append(probabilities)
            times.append(frames.pts_s)
        start_s, end_s = frame_spans(times)
        tracks = ((IMAGE, embeddings), (IMAGE_LABELS, labels))
        return {
            spec.name: FeatureTrack(
                values=np.concatenate([np.zeros((0, spec.dim), np.float32), *rows]),
                start_s=start_s,
                end_s=end_s,
                spec=spec,
            )
            for spec, rows in tracks
        }


@functools.cache
def load_lite0() -> Engine:
    """The network, from pixels (B, 224, 224, 3) to (B, 1280) and (B, 1000); once a process."""
    # One picture at a time: what its layers pass on stays in the cache (docs/decisions.md).
    return load_engine(_network, key=LITE0, shape=(_SIZE, _SIZE, 3), at_once=1, doubt=_close)


def _network() -> nn.Module:
    import torch

    from triptych_models import EfficientNetLite0

    network = EfficientNetLite0()
    weights = io.BytesIO(read_weights("efficientnet-lite0"))
    network.load_published(torch.load(weights, weights_only=True))
    return network


def _close(rows: Rows) -> Mask:
    """Where two labels are so close that bfloat16 could take one for the other."""
    second, first = np.sort(rows[1], axis=1)[:, -2:].T
    return first < _CLOSE * second


def centre_crop(rgb: Pixels) -> Pixels:
    """Frames (T, H, W, 3) to (T, 224, 224, 3): short side to 256, centre kept."""
    height, width = rgb.shape[1:3]
    if min(height, width) != _RESIZED:
        scale = _RESIZED / min(height, width)
        size = (max(_RESIZED, round(width * scale)), max(_RESIZED, round(height * scale)))
        # A very long picture would become huge; what the crop throws away is not made.
        box = _middle(width, height, size)
        rgb = np.stack([_resized(frame, box) for frame in rgb])
        height, width = rgb.shape[1:3]
    top, left = (height - _SIZE) // 2, (width - _SIZE) // 2
    return np.ascontiguousarray(rgb[:, top : top + _SIZE, left : left + _SIZE])


def _middle(width: int, height: int, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The part of a picture that the crop can see, in its own pixels."""
    keep_x, keep_y = min(1.0, _RESIZED / size[0]), min(1.0, _RESIZED / size[1])
    x, y = width * (1 - keep_x) / 2, height * (1 - keep_y) / 2
    return x, y, width - x, height - y


def _resized(frame: Pixels, box: tuple[float, float, float, float]) -> Pixels:
    picture = Image.fromarray(frame).resize((_RESIZED, _RESIZED), Image.Resampling.BICUBIC, box=box)
    return np.asarray(picture)


def frame_spans(times: list[Times]) -> tuple[Times, Times]:
    """Starts and ends of sampled frames: each lasts until the next.

    The last one lasts as long as the one before it, or a second when it is alone.
    """
    start_s = np.concatenate([np.zeros(0), *times])
    if not len(start_s):
        return start_s, start_s
    last = start_s[-1] - start_s[-2] if len(start_s) > 1 else 1.0
    return start_s, np.append(start_s[1:], start_s[-1] + last)
