"""Small grey frames -> pictures of sudden motion -> EfficientNet-Lite0 embeddings.

In the second difference of three frames everything that stands still is grey, what moves
steadily is faint, and what speeds up, turns or hits stands out with its outline. A network that
has only seen photographs tells such pictures apart well: people whose arms fly about are left,
the room in which they stand is gone (docs/decisions.md).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import ClassVar

import cv2
import numpy as np

from triptych.decode.sampler import Sampler
from triptych.extract.flow import FlowReader, Pair
from triptych.extract.image import load_lite0
from triptych.extract.registry import Extraction
from triptych.extract.row_means import RowMeans
from triptych.extract.specs import MOTION_IMAGE
from triptych.records import Floats, Luma, Pixels

__all__ = ["MotionImageExtractor", "acceleration", "busy_square"]

_SIZE = 224  # of the network's input
_RATE = 4  # pictures a second, and at least one a row
_AROUND_S = 0.5  # motion within this time decides which part a picture shows
_STILL, _ENOUGH = 0.025, 0.6  # short sides a second: no motion; what is faster counts as this
_SHARE = 0.15  # of the fastest: what is slower is not what the picture is about
_SMALLEST = 0.4  # side of the square, in short sides
_GAIN = 8 / 3  # grey levels for one of the second difference
_GREY = 128


class MotionImageExtractor:
    """One row a step: the mean over its pictures, four a second."""

    takes: ClassVar[tuple[type, ...]] = (Luma,)

    def __init__(self) -> None:
        self._engine = load_lite0()

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        reader, rows = FlowReader(fine=False), RowMeans(step_s=step_s)
        pictures = _Pictures(max(1, round(_RATE * step_s)) / step_s)
        while (luma := (yield)) is not None:
            for pair in reader.feed(luma):
                for since_s, picture in pictures.feed(pair):
                    rows.hold(self._embed(picture), since_s=since_s)
        for since_s, picture in pictures.finish():
            rows.hold(self._embed(picture), since_s=since_s)
        if rows.empty and reader.start_s is not None:
            still = np.full((_SIZE, _SIZE), _GREY, np.uint8)
            rows.hold(self._embed(still), since_s=reader.start_s)
        return {"motion_image": rows.finish(MOTION_IMAGE, end_s=reader.end_s)}

    def _embed(self, picture: Pixels) -> Floats:
        embedding, _ = self._engine(np.repeat(picture[None, ..., None], 3, axis=-1))
        return embedding[0]


class _Pictures:
    """Makes pictures half a second late, when it is known where the motion goes on."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._sampler: Sampler | None = None
        self._first_s: float | None = None
        self._last: Pair | None = None
        self._waiting: deque[tuple[Pair, Pair]] = deque()
        self._busy: deque[tuple[float, Floats]] = deque()  # of this shot, from half a second ago

    def feed(self, pair: Pair) -> Iterator[tuple[float, Pixels]]:
        """Pictures (224, 224), each with the time from which on it holds.

        The first one holds from the start of the film.
        """
        if self._sampler is None:
            self._sampler = Sampler(fps=self._rate, start_s=pair.begin_s)
            self._first_s = pair.begin_s
        last, self._last = self._last, pair
        if pair.cut:
            yield from self.finish()
            self._busy.clear()
            return
        speed = np.hypot(pair.velocity[..., 0], pair.velocity[..., 1])
        self._busy.append((pair.begin_s, np.minimum(speed, _ENOUGH)))
        if last is not None and not last.cut and self._sampler.wants(pair.begin_s, pair.end_s):
            self._waiting.append((last, pair))
        while self._waiting and pair.end_s > self._waiting[0][1].begin_s + _AROUND_S:
            yield self._made()
        needed_s = (self._waiting[0][1] if self._waiting else pair).begin_s - _AROUND_S
        while self._busy[0][0] < needed_s:
            self._busy.popleft()

    def finish(self) -> Iterator[tuple[float, Pixels]]:
        """The pictures that are left."""
        while self._waiting:
            yield self._made()

    def _made(self) -> tuple[float, Pixels]:
        last, pair = self._waiting.popleft()
        near = [busy for at_s, busy in self._busy if abs(at_s - pair.begin_s) <= _AROUND_S]
        square = busy_square(np.mean(near, axis=0))
        cropped = np.ascontiguousarray(acceleration(last, pair)[square])
        picture = cv2.resize(cropped, (_SIZE, _SIZE), interpolation=cv2.INTER_LINEAR)
        since_s = pair.begin_s if self._first_s is None else self._first_s
        self._first_s = None
        return since_s, np.asarray(picture, np.uint8)


def acceleration(last: Pair, pair: Pair) -> Pixels:
    """Second difference of three frames as a picture (H, W): grey where motion is even.

    The outer frames are moved as the camera moved; edges that this would have to invent are grey.
    """
    middle = pair.before.astype(np.float32)
    earlier, later = (_moved(last.before, last.camera), _moved(pair.after, -pair.camera))
    difference = 2 * middle - earlier - later
    height, width = difference.shape
    beyond = np.ceil(np.maximum(np.abs(last.camera), np.abs(pair.camera)) - 0.5)
    right, down = (int(b) for b in np.minimum(np.maximum(beyond, 0), (width, height)))
    inner = slice(down, height - down), slice(right, width - right)
    picture = np.full((height, width), _GREY, np.uint8)
    picture[inner] = np.clip(_GREY + _GAIN * difference[inner], 0, 255)
    return picture


def _moved(gray: Pixels, by: Floats) -> Floats:
    """The picture (H, W) moved by pixels right and down; less than half a pixel is no motion."""
    floats = gray.astype(np.float32)
    if np.abs(by).max() < 0.5:
        return floats
    matrix = np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float32)
    size = gray.shape[1], gray.shape[0]
    moved = cv2.warpAffine(
        floats, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.float32)


def busy_square(busy: Floats) -> tuple[slice, slice]:
    """Rows and columns of the square around what moves most.

    Args:
        busy: (H, W), speeds in short sides a second, 0.6 at most.
    """
    height, width = busy.shape
    short = min(height, width)
    weights = np.where(busy > max(_STILL, _SHARE * float(busy.max())), busy, 0.0) + 1e-6
    weights /= weights.sum()
    x, y = np.arange(width) / short, np.arange(height) / short
    across, along = weights.sum(axis=0), weights.sum(axis=1)
    centre_x, centre_y = float(across @ x), float(along @ y)
    spread = math.sqrt(max(across @ (x - centre_x) ** 2, along @ (y - centre_y) ** 2))
    half = min(max(2 * spread, _SMALLEST / 2), 0.5)
    side = max(2, int(2 * half * short))
    left = int(min(max((centre_x - half) * short, 0), max(0, width - side)))
    top = int(min(max((centre_y - half) * short, 0), max(0, height - side)))
    return slice(top, top + side), slice(left, left + side)
