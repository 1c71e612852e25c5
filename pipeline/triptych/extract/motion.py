"""Small grey frames -> how fast, in which directions, how suddenly and where things move.

No weights. A column is a mean over the row's time of what was measured from frame to frame;
speeds are log(1 + 10 v) of v short sides a second. A still picture is zeros in all columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import cv2
import numpy as np

from triptych.extract.flow import FlowReader, Pair
from triptych.extract.registry import Extraction
from triptych.extract.row_means import RowMeans
from triptych.extract.specs import MOTION, SPEED_EDGES
from triptych.records import Floats, Luma

__all__ = ["MotionExtractor", "measure"]

_MOVING = 0.1  # short sides a second; slower motion says little of direction and place
_DIRECTIONS = 8
_STRIDE = 2  # flow is smooth: every second point says as much as all
_NOISE = 1e-6
_FLAT = 10.0  # grey levels added to a picture's contrast, which its changes are compared with


class MotionExtractor:
    """One row a step, the last as long as the pictures last."""

    takes: ClassVar[tuple[type, ...]] = (Luma,)

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        reader, rows = FlowReader(fine=True), RowMeans(step_s=step_s)
        before: Pair | None = None
        while (luma := (yield)) is not None:
            for pair in reader.feed(luma):
                rows.hold(measure(pair, before), since_s=pair.begin_s)
                before = pair
        if rows.empty and reader.start_s is not None:
            rows.hold(np.zeros(MOTION.dim, np.float32), since_s=reader.start_s)
        return {"motion": rows.finish(MOTION, end_s=reader.end_s)}


def measure(pair: Pair, before: Pair | None) -> Floats:
    """The columns of `MOTION`, (D,), for the time from one frame to the next.

    Args:
        pair: the two frames.
        before: the pair that ended where this one begins, for acceleration.
    """
    if pair.cut:
        return np.zeros(MOTION.dim, np.float32)
    velocity = pair.velocity[::_STRIDE, ::_STRIDE]
    speed = np.hypot(velocity[..., 0], velocity[..., 1])
    camera = float(np.hypot(*pair.camera)) / pair.short_side / pair.length_s
    parts = [
        _log([camera, float(speed.mean())]),
        _log(np.quantile(speed, [0.5, 0.9, 0.99])),
        np.sqrt([np.mean(speed > edge) for edge in SPEED_EDGES]),
        *_directions(velocity, speed),
        _acceleration(pair, before),
        *_differences(pair),
        _place(velocity, speed),
    ]
    return np.concatenate(parts).astype(np.float32)


def _log(speeds: Floats | Sequence[float]) -> Floats:
    return np.log1p(10.0 * np.asarray(speeds, np.float32))


def _top(values: Floats, *shares: float) -> Floats:
    """Mean, and what the given shares of all points stay below."""
    return _log([float(values.mean()), *np.quantile(values, shares)])


def _directions(velocity: Floats, speed: Floats) -> tuple[Floats, Floats]:
    """Shares of eight directions, largest first; how many there are; the common one.

    Sorted, because a fight stays one when it is seen in a mirror: what counts is whether all
    goes one way. Which way that is, the common direction says.
    """
    moving = np.where(speed > _MOVING, speed, 0.0)
    total = float(moving.sum())
    if total < _NOISE:
        return np.zeros(_DIRECTIONS, np.float32), np.zeros(4, np.float32)
    turn = np.arctan2(velocity[..., 1], velocity[..., 0]) / (2 * np.pi) + 0.5
    sector = np.floor(turn * _DIRECTIONS).astype(np.int64) % _DIRECTIONS
    weights = moving.ravel().astype(np.float64)
    shares = np.bincount(sector.ravel(), weights=weights, minlength=_DIRECTIONS) / total
    entropy = -(shares * np.log(np.maximum(shares, _NOISE))).sum()
    moved = np.where((speed > _MOVING)[..., None], velocity, 0.0)
    right, down = moved.sum(axis=(0, 1)) / total
    sideways = float(np.abs(moved[..., 0]).sum()) / total
    common = np.array([entropy, right, down, sideways], np.float32)
    return np.sort(shares)[::-1].astype(np.float32), common


def _acceleration(pair: Pair, before: Pair | None) -> Floats:
    if before is None or before.cut or before.velocity.shape != pair.velocity.shape:
        return np.zeros(4, np.float32)
    change = (pair.velocity - before.velocity)[::_STRIDE, ::_STRIDE]
    return _top(np.hypot(change[..., 0], change[..., 1]), 0.9, 0.97, 0.995)


def _differences(pair: Pair) -> tuple[Floats, Floats]:
    """How much the pixels changed, and how much of it motion does not explain."""
    points = slice(None, None, _STRIDE), slice(None, None, _STRIDE)
    after = pair.after.astype(np.float32)
    one, other = pair.before[points].astype(np.float32), after[points]
    contrast = float(one.std()) + _FLAT
    y, x = (np.arange(0, side, _STRIDE, dtype=np.float32) for side in after.shape)
    pixels = pair.velocity[points] * (pair.short_side * pair.length_s) + pair.camera
    places = x + pixels[..., 0], y[:, None] + pixels[..., 1]
    moved_back = cv2.remap(after, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    change = np.abs(other - one) / contrast
    unexplained = np.abs(np.asarray(moved_back, np.float32) - one) / contrast
    return _top(change, 0.75, 0.9, 0.97, 0.995), _top(unexplained, 0.9, 0.97, 0.995)


def _place(velocity: Floats, speed: Floats) -> Floats:
    """Where motion is, seen from the middle, in short sides; how large, fast and uneven it is."""
    moving = np.where(speed > _MOVING, speed, 0.0)
    total = float(moving.sum())
    if total < _NOISE:
        return np.zeros(7, np.float32)
    height, width = speed.shape
    short = min(height, width)  # in points
    weights = moving / total
    x = (np.arange(width) + 0.5 - width / 2) / short
    y = (np.arange(height) + 0.5 - height / 2) / short
    across, along = weights.sum(axis=0), weights.sum(axis=1)
    centre_x, centre_y = float(across @ x), float(along @ y)
    spread_x = float(np.sqrt(across @ (x - centre_x) ** 2))
    spread_y = float(np.sqrt(along @ (y - centre_y) ** 2))
    common = (weights[..., None] * velocity).sum(axis=(0, 1))
    within = float(np.sqrt((weights * ((velocity - common) ** 2).sum(axis=-1)).sum()))
    size = float(np.sqrt(np.mean(speed > _MOVING)))
    fast = _log([float((weights * speed).sum()), within])
    return np.array([centre_x, centre_y, spread_x, spread_y, size, *fast], np.float32)
