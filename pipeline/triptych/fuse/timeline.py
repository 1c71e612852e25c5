"""Tracks with their own times -> one timeline of common steps, with masks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from triptych.records import FeatureTrack, Floats, Mask, Timeline, Times

__all__ = ["align", "steps_between"]

_INSTANT_S = 1e-3  # weight of a row without length
_DUST_S = 1e-6  # overlaps that only rounding makes


def steps_between(start_s: float, end_s: float, step_s: float) -> tuple[Times, Times]:
    """Steps of equal length that cover [start_s, end_s); the last one is cut at `end_s`.

    >>> steps_between(0.0, 2.5, 1.0)
    (array([0., 1., 2.]), array([1. , 2. , 2.5]))
    """
    count = int(np.ceil(round((end_s - start_s) / step_s, 6)))
    edges = start_s + np.arange(max(0, count) + 1, dtype=np.float64) * step_s
    return edges[:-1], np.minimum(edges[1:], end_s)


def align(
    tracks: Mapping[str, FeatureTrack], *, start_s: float, end_s: float, step_s: float = 1.0
) -> Timeline:
    """Put tracks on common steps: each step is the mean of the rows that overlap it.

    Rows weigh as much as they overlap. A step that no row of a track overlaps is masked.

    Args:
        tracks: by name; any rates, holes and overlaps.
        start_s: of the timeline, on the container's clock.
        end_s: of the timeline.
        step_s: length of a step.

    Raises:
        ValueError: `step_s` is not above zero.
    """
    if step_s <= 0:
        raise ValueError(f"{step_s = }")
    starts, ends = steps_between(start_s, end_s, step_s)
    values: dict[str, Floats] = {}
    present: dict[str, Mask] = {}
    for name, track in tracks.items():
        values[name], present[name] = _onto(track, starts, ends, step_s)
    return Timeline(start_s=starts, end_s=ends, values=values, present=present)


def _onto(track: FeatureTrack, starts: Times, ends: Times, step_s: float) -> tuple[Floats, Mask]:
    steps = len(starts)
    total = np.zeros((steps, track.spec.dim), np.float64)
    weight = np.zeros(steps, np.float64)
    if steps and len(track):
        row_ends = np.maximum(track.end_s, track.start_s + _INSTANT_S)
        # Clipped first: a cue may claim to last ten thousand years.
        last_s = starts[0] + steps * step_s
        begins, finishes = np.clip([track.start_s, row_ends], starts[0], last_s) - starts[0]
        first = np.floor(begins / step_s).astype(np.int64)
        last = np.ceil(finishes / step_s).astype(np.int64)
        # Rows are about as long as steps: the loop runs over the few steps a row may span.
        for offset in range(int((last - first).max())):
            step = first + offset
            rows = np.flatnonzero((step < last) & (step < steps))
            at = step[rows]
            overlap = np.minimum(row_ends[rows], ends[at]) - np.maximum(
                track.start_s[rows], starts[at]
            )
            real = overlap > _DUST_S
            rows, at, overlap = rows[real], at[real], overlap[real]
            np.add.at(total, at, track.values[rows] * overlap[:, None])
            np.add.at(weight, at, overlap)
    mask = weight > 0
    mean = np.divide(total, weight[:, None], out=np.zeros_like(total), where=mask[:, None])
    return mean.astype(np.float32), mask
