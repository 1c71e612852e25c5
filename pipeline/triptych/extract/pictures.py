"""What image networks of one's own have in common: how a frame is cut to size, a row a frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PIL import Image

from triptych.extract.engine import Build, Engine, load_engine
from triptych.extract.image import frame_spans
from triptych.extract.registry import Extraction
from triptych.extract.sources import Source
from triptych.records import FeatureTrack, Floats, Frames, Pixels, Spec, Times

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["FrameEmbedder", "engine_of", "fitted", "normalised"]

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}


_LONG = 8  # sides of the crop


class FrameEmbedder:
    """One row a sampled frame, lasting until the next."""

    takes: ClassVar[tuple[type, ...]] = (Frames,)

    def __init__(self, spec: Spec, engine: Engine) -> None:
        self._spec, self._engine = spec, engine

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        rows: list[Floats] = []
        times: list[Times] = []
        while (frames := (yield)) is not None:
            (embedded,) = self._engine(fitted(frames.rgb, self._spec.options))
            rows.append(self.finished(embedded))
            times.append(frames.pts_s)
        start_s, end_s = frame_spans(times)
        values = np.concatenate([np.zeros((0, self._spec.dim), np.float32), *rows])
        track = FeatureTrack(values=values, start_s=start_s, end_s=end_s, spec=self._spec)
        return {self._spec.name: track}

    def finished(self, rows: Floats) -> Floats:
        """What is kept of the network's answer."""
        return rows


def engine_of(build: Build, spec: Spec, source: Source) -> Engine:
    """The engine that runs a network of pictures as large as the spec's option `crop`.

    Raises:
        WeightsError: the weights changed since the run began.
    """
    source.check()
    known_by = f"{spec.name}-v{spec.version}-{spec.weights[:12]}-{spec.options['files']}"
    side = spec.options["crop"]
    return load_engine(build, key=known_by, shape=(side, side, 3), proven=False)


def fitted(rgb: Pixels, options: Mapping[str, Any]) -> Pixels:
    """Frames (T, H, W, 3) cut to (T, S, S, 3), as Pillow and torchvision do it.

    Args:
        rgb: the frames.
        options: of a spec. `resize`: the short side, or (height, width) that the whole picture is
            squeezed into; `crop`: S, of the middle of that; `interpolation`: a filter of Pillow;
            `corner`: "cut off" where half a pixel is left out instead of rounded.
    """
    height, width = rgb.shape[1:3]
    resize, crop = options["resize"], options["crop"]
    if isinstance(resize, int):
        short = min(height, width)
        tall, wide = (
            resize * side // short if side != short else resize for side in (height, width)
        )
    else:
        tall, wide = resize
    # torchvision rounds where transformers cuts off.
    corner = int if options.get("corner") == "cut off" else round
    top, left = (corner((side - crop) / 2) for side in (tall, wide))
    if (tall, wide) == (height, width):
        return np.ascontiguousarray(rgb[:, top : top + crop, left : left + crop])
    kind = _FILTERS[options["interpolation"]]
    cut = [
        _resized(frame, (wide, tall), (left, top, left + crop, top + crop), kind) for frame in rgb
    ]
    return np.stack(cut) if cut else np.zeros((0, crop, crop, 3), np.uint8)


def _resized(
    frame: Pixels, size: tuple[int, int], box: tuple[int, int, int, int], kind: Image.Resampling
) -> Pixels:
    """The part `box` of a frame in another size."""
    picture = Image.fromarray(frame)
    if max(size) <= _LONG * (box[2] - box[0]):
        return np.asarray(picture.resize(size, kind).crop(box))
    # A very long picture would become huge: what the crop throws away is not made.
    x, y = picture.width / size[0], picture.height / size[1]
    part = (box[0] * x, box[1] * y, box[2] * x, box[3] * y)
    side = box[2] - box[0]
    return np.asarray(picture.resize((side, side), kind, box=part))


def normalised(network: nn.Module, options: Mapping[str, Any]) -> nn.Module:
    """A network of normalised pictures as one of pixels (B, S, S, 3); its answer is a tuple."""
    import torch
    from torch import nn

    class Normalised(nn.Module):
        mean: torch.Tensor
        std: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.network = network
            for name in ("mean", "std"):
                self.register_buffer(name, torch.tensor(options[name]).view(1, 3, 1, 1))

        def forward(self, rgb: torch.Tensor) -> tuple[torch.Tensor, ...]:
            picture = rgb.permute(0, 3, 1, 2).float() / 255
            return (self.network((picture - self.mean) / self.std),)

    return Normalised()
