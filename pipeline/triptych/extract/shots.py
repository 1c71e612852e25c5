"""Frames -> how much the colours changed since the last one -> shots.

A cheap detector on the sampled frames: a boundary is known to within one sampling step.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from triptych.extract.image import frame_spans
from triptych.extract.registry import Extraction
from triptych.extract.specs import SHOTS
from triptych.records import FeatureTrack, Floats, Frames, Pixels, Shot, Times

__all__ = ["ShotExtractor", "colour_histogram", "shots_of"]

_BINS = 8  # a colour channel
_GRID = 2  # cells a side: a pan keeps the picture's colours, but not each corner's
# Share of the histogram that moved. On the sampled frames of films and talks, neighbours within
# a shot lie mostly below .35 and across a cut mostly above .5.
_CUT = 0.45


class ShotExtractor:
    """One row a sampled frame: 0 for no change of colours, 1 for all of them."""

    takes: ClassVar[tuple[type, ...]] = (Frames,)

    def __call__(self, *, step_s: float = 1.0) -> Extraction:
        changes: list[float] = []
        times: list[Times] = []
        last: Floats | None = None
        while (frames := (yield)) is not None:
            for frame in frames.rgb:
                histogram = colour_histogram(frame)
                changes.append(0.0 if last is None else float(np.abs(histogram - last).sum() / 2))
                last = histogram
            times.append(frames.pts_s)
        start_s, end_s = frame_spans(times)
        values = np.array(changes, np.float32)[:, None]
        return {"shots": FeatureTrack(values=values, start_s=start_s, end_s=end_s, spec=SHOTS)}


def colour_histogram(frame: Pixels) -> Floats:
    """Joint RGB histogram of each cell of a grid, one vector that sums to 1.

    Args:
        frame: (H, W, 3).
    """
    small = frame[:: max(1, frame.shape[0] // 64), :: max(1, frame.shape[1] // 64)]
    codes = (small.astype(np.int32) * _BINS // 256) @ np.array([_BINS * _BINS, _BINS, 1])
    rows = np.arange(codes.shape[0]) * _GRID // codes.shape[0]
    columns = np.arange(codes.shape[1]) * _GRID // codes.shape[1]
    cells = rows[:, None] * _GRID + columns[None, :]
    counts = np.bincount((cells * _BINS**3 + codes).ravel(), minlength=_GRID**2 * _BINS**3)
    return (counts / counts.sum()).astype(np.float32)


def shots_of(track: FeatureTrack) -> tuple[Shot, ...]:
    """Shots between the changes that stand out.

    A change counts as a cut when it is large, and larger than those beside it (a fade or a
    fast pan changes every frame).
    """
    if not len(track):
        return ()
    change = track.values[:, 0]
    around = np.pad(change, 1)
    beside = np.maximum(around[:-2], around[2:])
    cuts = np.flatnonzero((change >= _CUT) & (change >= beside))
    cuts = cuts[cuts > 0]
    starts = np.concatenate([track.start_s[:1], track.start_s[cuts]])
    ends = np.concatenate([track.start_s[cuts], track.end_s[-1:]])
    return tuple(Shot(start_s=float(s), end_s=float(e)) for s, e in zip(starts, ends, strict=True))
